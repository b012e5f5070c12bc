"use strict";
// The microphone to the server, frames back; picture and sound are shown the same time after they were heard.
// Frame i belongs to the sound i / rate after the first sample. `delay` is how long after it both are shown: as long as
// frames have needed so far, and a little more.

(() => {
  const MARGIN = 0.015; // seconds
  let session = null;

  function tell(text) {
    document.getElementById("live-state").textContent = text;
  }

  async function begin() {
    const model = document.getElementById("model").value;
    document.getElementById("live-view").hidden = false;
    tell("asking for the microphone");
    const context = new AudioContext({ sampleRate: 16000, latencyHint: "interactive" });
    const sound = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    });
    await context.audioWorklet.addModule("/page/microphone.js");
    const socket = new WebSocket(`${location.origin.replace("http", "ws")}/live?model=${encodeURIComponent(model)}`);
    socket.binaryType = "arraybuffer";
    const microphone = context.createMediaStreamSource(sound);
    const worklet = new AudioWorkletNode(context, "microphone", { numberOfOutputs: 0 });
    const later = new DelayNode(context, { maxDelayTime: 2 }), volume = new GainNode(context, { gain: 0 });
    microphone.connect(later).connect(volume).connect(context.destination);
    session = {
      context, sound, socket, later, volume, about: null, first: null, delay: 0, waiting: [],
      stats: { frames: 0, late: 0, expected: 0, needed: [], offsets: [], computing: 0 },
    };
    window.liveStats = session.stats;
    tell("waking the model; this takes some seconds");
    socket.onmessage = (event) => (typeof event.data === "string" ? hear(JSON.parse(event.data)) : receive(event.data));
    socket.onclose = end;
    worklet.port.onmessage = ({ data }) => {
      if (!session?.about || socket.readyState !== WebSocket.OPEN) return;
      if (session.first === null) session.first = data.begun;
      socket.send(data.samples.buffer);
    };

    function hear(about) {
      if (about.error) { tell(about.error); return; }
      if (about.sample_rate !== 16000) { tell("this model hears another sample rate; choose another"); return end(); }
      session.about = about;
      session.delay = about.look_ahead + 0.05;
      later.delayTime.value = session.delay;
      microphone.connect(worklet);
      requestAnimationFrame(paint);
    }
  }

  async function receive(buffer) {
    const now = session, view = new DataView(buffer);
    const number = view.getUint32(0, true);
    const arrived = now.context.currentTime, heard = now.first + number / now.about.frame_rate;
    const picture = await createImageBitmap(new Blob([buffer.slice(8)], { type: "image/jpeg" }));
    const { stats } = now;
    stats.frames += 1;
    stats.expected = number + 1;
    stats.computing = view.getFloat32(4, true);
    stats.needed.push(arrived - heard);
    if (stats.needed.length > 250) stats.needed.shift();
    const needed = Math.max(...stats.needed.slice(-50)) + MARGIN;
    if (needed > now.delay) {
      now.delay = needed;
      now.later.delayTime.setTargetAtTime(needed, arrived, 0.01);
    }
    now.waiting.push({ heard, picture });
  }

  function paint() {
    const now = session;
    if (!now) return;
    now.volume.gain.value = document.getElementById("listen").checked ? 1 : 0;
    const time = now.context.currentTime;
    let frame = null;
    while (now.waiting.length && now.waiting[0].heard + now.delay <= time + 0.008) {
      if (frame) now.stats.late += 1;
      frame = now.waiting.shift();
    }
    if (frame) {
      const canvas = document.getElementById("live-face");
      canvas.getContext("2d").drawImage(frame.picture, 0, 0, canvas.width, canvas.height);
      const { offsets } = now.stats;
      offsets.push(time - frame.heard - now.later.delayTime.value);
      if (offsets.length > 250) offsets.shift();
      now.stats.delay = time - frame.heard;
      const computing = now.stats.computing.toFixed(0), ahead = (1000 * now.about.look_ahead).toFixed(0);
      tell(`${(1000 * now.stats.delay).toFixed(0)} ms behind you: ${ahead} of look-ahead, ${computing} of computing; ` +
        `${now.stats.frames} frames`);
    }
    requestAnimationFrame(paint);
  }

  function end() {
    if (!session) return;
    const { context, sound, socket } = session;
    session = null;
    socket.close();
    sound.getTracks().forEach((track) => track.stop());
    context.close();
    document.getElementById("live").textContent = "Speak with this face";
  }

  document.getElementById("live").onclick = async () => {
    if (session) return end();
    document.getElementById("live").textContent = "Stop";
    try {
      await begin();
    } catch (error) {
      tell(error.name === "NotAllowedError" || error.name === "NotFoundError"
        ? "There is no microphone, or the browser may not use it." : error.message);
      document.getElementById("live").textContent = "Speak with this face";
      end();
    }
  };
})();
