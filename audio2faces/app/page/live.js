"use strict";
// The microphone to the server, frames back; picture and sound are shown the same time after they were heard.
// Sound goes with the number of its sample, so that a part that is lost does not shift what comes after it. Frame i
// belongs to the sound i / rate after the first sample. Both are shown as long after it as the slowest of the
// last frames has needed, and a little more: `later`, through which the sound goes, says how long that is.

(() => {
  const MARGIN = 0.015, LONGEST = 2; // seconds
  const WINDOW = 50; // frames: so many tell how long frames need
  let session = null; // of the microphone, from the click on
  let asked = 0; // pictures of faces at rest

  function tell(text, wrong = false) {
    $("live-state").textContent = text;
    $("live-state").className = wrong ? "problem" : "";
  }

  // Shows the face of a model at rest, where there is a picture of it, or nothing.
  async function rest(model) {
    const ours = ++asked, picture = new Image();
    if (!faces[model]) return hide();
    picture.src = `/api/models/${encodeURIComponent(model)}/picture`;
    await picture.decode().catch(() => {});
    if (ours === asked && picture.naturalWidth) draw(picture);
  }

  function hide() {
    asked += 1;
    $("live-face").hidden = true;
  }

  function draw(picture) {
    asked += 1; // another one that is still on its way comes too late
    const canvas = $("live-face");
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    canvas.hidden = false;
  }

  function wait(waiting) {
    $("live-progress").hidden = !waiting;
    $("live-face").classList.toggle("waiting", waiting);
  }

  class Session {
    constructor() {
      this.over = false;
      this.waiting = []; // frames that are not yet due
      this.decoding = Promise.resolve(); // one picture after the other
      this.stats = { frames: 0, late: 0, expected: 0, needed: [], offsets: [], computing: 0, delay: 0 };
      window.liveStats = this.stats;
    }

    async begin(model) {
      tell("asking for the microphone");
      this.sound = await openDevices(AS_IT_SOUNDS);
      if (this.over) return this.close();
      this.context = new AudioContext({ latencyHint: "interactive" });
      await this.context.audioWorklet.addModule("/page/microphone.js");
      if (this.over) return this.close();
      this.microphone = this.context.createMediaStreamSource(this.sound);
      this.worklet = new AudioWorkletNode(this.context, "microphone", { numberOfOutputs: 0 });
      this.worklet.port.onmessage = ({ data }) => this.send(data);
      this.later = new DelayNode(this.context, { maxDelayTime: LONGEST });
      this.volume = new GainNode(this.context, { gain: 0 });
      this.microphone.connect(this.later).connect(this.volume).connect(this.context.destination);
      tell("loading the face; the first time this takes up to half a minute");
      const query = `model=${encodeURIComponent(model)}&rate=${this.context.sampleRate}`;
      this.socket = new WebSocket(`${location.origin.replace("http", "ws")}/live?${query}`);
      this.socket.binaryType = "arraybuffer";
      this.socket.onmessage = ({ data }) => (typeof data === "string" ? this.hear(JSON.parse(data)) : this.receive(data));
      this.socket.onclose = () => end(this, "The connection has ended.");
    }

    hear(about) {
      if (about.error) return end(this, about.error);
      this.about = about;
      this.aim(about.look_ahead + 0.05);
      this.microphone.connect(this.worklet);
      tell("live");
      requestAnimationFrame(() => this.paint());
    }

    send({ samples, number }) {
      if (!this.about || this.socket.readyState !== WebSocket.OPEN) return;
      if (this.first === undefined) this.first = number;
      const message = new ArrayBuffer(8 + samples.byteLength);
      new DataView(message).setFloat64(0, number - this.first, true);
      new Float32Array(message, 8).set(samples);
      this.socket.send(message);
    }

    receive(buffer) {
      const view = new DataView(buffer), number = view.getUint32(0, true), { stats } = this;
      const { currentTime: arrived, sampleRate } = this.context;
      const heard = this.first / sampleRate + number / this.about.frame_rate;
      stats.frames += 1;
      stats.expected = number + 1;
      stats.computing = view.getFloat32(4, true);
      stats.needed.push(arrived - heard);
      if (stats.needed.length > WINDOW) stats.needed.shift();
      this.aim(Math.max(...stats.needed) + MARGIN);
      this.decoding = this.decoding.then(async () => {
        const picture = await createImageBitmap(new Blob([buffer.slice(8)], { type: "image/jpeg" }));
        this.waiting.push({ heard, picture });
      });
    }

    aim(needed) { // up at once, down too slowly to be heard
      const aim = Math.min(needed, LONGEST), { delayTime } = this.later, now = this.context.currentTime;
      if (this.aimed === undefined) delayTime.value = aim;
      else if (Math.abs(aim - this.aimed) < 0.005) return;
      else delayTime.setTargetAtTime(aim, now, aim > this.aimed ? 0.01 : 5);
      this.aimed = aim;
    }

    paint() {
      if (this.over) return;
      this.volume.gain.value = $("listen").checked ? 1 : 0;
      const time = this.context.currentTime, delay = this.later.delayTime.value, { stats } = this;
      let frame = null;
      while (this.waiting.length && this.waiting[0].heard + delay <= time + 0.008) {
        if (frame) stats.late += 1;
        frame = this.waiting.shift();
      }
      if (frame) {
        wait(false);
        draw(frame.picture);
        stats.delay = time - frame.heard;
        stats.offsets.push(stats.delay - delay);
        if (stats.offsets.length > 250) stats.offsets.shift();
        if (stats.frames % 25 === 1) this.count();
      }
      requestAnimationFrame(() => this.paint());
    }

    count() {
      const [shown, ahead] = [this.stats.delay, this.about.look_ahead].map((seconds) => Math.round(1000 * seconds));
      $("live-numbers").textContent = `${shown} ms behind you: ${ahead} of look-ahead, ` +
        `${this.stats.computing.toFixed(0)} of computing; ${this.stats.frames} frames`;
    }

    close() {
      this.over = true;
      this.socket?.close();
      this.sound?.getTracks().forEach((track) => track.stop());
      if (this.context?.state !== "closed") this.context?.close();
    }
  }

  function end(which, text) {
    which.close();
    if (which !== session) return;
    session = null;
    tell(text, text !== "");
    wait(false);
    $("live-numbers").textContent = "";
    $("live").textContent = "Speak with this face";
    if (which.socket) rest($("model").value);
    else hide(); // no microphone was lent
  }

  $("model").addEventListener("change", () => {
    if (session) end(session, "Another model was chosen; start again.");
    else if (!$("live-face").hidden) rest($("model").value);
  });
  $("live").onclick = async () => {
    if (session) return end(session, "");
    const ours = session = new Session();
    $("live").textContent = "Stop";
    $("live-view").hidden = false;
    wait(true);
    rest($("model").value);
    try {
      await ours.begin($("model").value);
    } catch (error) {
      end(ours, error.message);
    }
  };
})();
