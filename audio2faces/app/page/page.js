"use strict";
// Chooses or records speech, asks for a video, waits for it and shows it beside its curves.

const NO_SOURCE = "none: the model's own face";
const PATIENCE = 5; // requests in a row that may fail before a video is given up
const chosen = { speech: null, source: null }; // {file, name} to upload, or {example}
const faces = {}; // by name: whether there is a picture of the model's face at rest
let limits = {};

function choose(speech, name, address) {
  chosen.speech = speech;
  $("chosen").textContent = name;
  if ($("heard").src.startsWith("blob:")) URL.revokeObjectURL($("heard").src);
  $("heard").src = address;
  $("heard").hidden = false;
  $("make").disabled = making !== null;
  complain("speech-problem", "");
  forget();
}

// What is shown belongs to what was chosen when it was made.
function forget() {
  if (making) return;
  $("video").pause();
  $("result").hidden = true;
  $("state").textContent = "";
  complain("problem", "");
}

function tooLarge(file, where) {
  const still = $(where === "speech-problem" ? "chosen" : "source-chosen").textContent;
  const large = `${file.name}: larger than ${limits.upload / 1e6} MB; cut it. Still chosen: ${still}`;
  complain(where, file.size > limits.upload ? large : "");
  return file.size > limits.upload;
}

function chooseSpeech(file) {
  if (!tooLarge(file, "speech-problem")) choose({ file, name: file.name }, file.name, URL.createObjectURL(file));
}

function chooseSource(file) {
  if (file && tooLarge(file, "source-problem")) return;
  chosen.source = file ? { file, name: file.name } : null;
  $("source-chosen").textContent = file ? file.name : NO_SOURCE;
  $("source-none").hidden = !file;
  $("source").value = "";
  complain("source-problem", "");
  forget();
}

// Recording: from the click on there is one, until it is stopped or as long as a speech may be.

let recording = null;

async function record() {
  if (recording) return recording.stop();
  let stopped = false;
  recording = { stop: () => { stopped = true; } };
  $("record").textContent = "Stop";
  complain("speech-problem", "");
  try {
    const sound = await openDevices({});
    if (!stopped) await hear(sound);
    sound.getTracks().forEach((track) => track.stop());
  } catch (error) {
    complain("speech-problem", error.message);
  }
  recording = null;
  $("record").textContent = "Record";
}

function hear(sound) {
  return new Promise((done) => {
    const recorder = new MediaRecorder(sound), parts = [], begun = performance.now();
    const clock = setInterval(() => {
      const seconds = (performance.now() - begun) / 1000;
      $("chosen").textContent = `recording: ${seconds.toFixed(0)} s of ${limits.speech}`;
      if (seconds > limits.speech - 1) recorder.stop();
    }, 200);
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.onstop = () => {
      clearInterval(clock);
      chooseSpeech(new File(parts, "your recording", { type: recorder.mimeType }));
      done();
    };
    recording = recorder;
    recorder.start();
  });
}

// The video.

let making = null; // {key, cancelled} of the video that is being made
let moving = 0; // the cursor on the curves

async function uploaded(name) { // "speech" or "source"
  const what = chosen[name];
  if (!what) return null;
  if (what.example) return what.example;
  const path = `/api/uploads?name=${encodeURIComponent(what.name)}`;
  try {
    return (await ask(path, { method: "POST", body: what.file })).key;
  } catch (error) {
    throw error.passing ? error : Object.assign(error, { wrong: name });
  }
}

async function news(key, seen) {
  for (let tried = 1; ; tried++) {
    try {
      return await ask(`/api/jobs/${key}?seen=${seen}`);
    } catch (error) {
      if (!error.passing || tried === PATIENCE) throw error;
      await new Promise((done) => setTimeout(done, 1000));
    }
  }
}

async function make() {
  forget();
  for (const where of ["speech-problem", "source-problem"]) complain(where, "");
  const ours = making = { key: null, cancelled: false };
  $("make").disabled = true;
  $("cancel").hidden = $("progress").hidden = false;
  $("cancel").focus();
  $("progress").removeAttribute("value");
  const about = `${chosen.speech.name}, ${$("model").value}`;
  $("state").textContent = "sending the speech";
  try {
    const plays = document.createElement("video").canPlayType('video/mp4; codecs="avc1.64001E, mp4a.40.2"');
    const request = {
      model: $("model").value,
      speech: await uploaded("speech"),
      source: await uploaded("source"),
      format: plays ? "mp4" : "webm",
    };
    ({ key: ours.key } = await ask("/api/jobs", { method: "POST", body: JSON.stringify(request) }));
    if (ours.cancelled) await cancel();
    for (let job = { version: "" }; job.state !== "done"; ) {
      job = await news(ours.key, job.version);
      if (job.state === "failed") throw Object.assign(new Error(job.message), { wrong: job.wrong });
      const text = { waiting: `number ${job.place} in the queue`, done: "" }[job.state] ??
        (job.share ? "drawing the face" : "reading the speech, loading the model");
      if ($("state").textContent !== text) $("state").textContent = text;
      if (job.share) $("progress").value = job.share;
      if (job.state === "done") show(ours.key, job.result, about);
    }
  } catch (error) {
    $("state").textContent = ours.cancelled ? "cancelled" : "";
    if (!ours.cancelled) {
      const where = error.wrong ? `${error.wrong}-problem` : "problem"; // beside the file that is at fault
      complain(where, error.message);
      $(where).scrollIntoView({ block: "nearest" });
    }
  }
  making = null;
  $("cancel").hidden = $("progress").hidden = true;
  $("make").disabled = false;
  if (document.activeElement === document.body) $("make").focus();
}

async function cancel() {
  making.cancelled = true;
  if (making.key) await ask(`/api/jobs/${making.key}`, { method: "DELETE" }).catch(() => {});
}

function show(key, result, about) {
  const address = `/api/jobs/${key}/video`;
  $("state").textContent = `${about}: ${(result.frames / result.frame_rate).toFixed(1)} s`;
  $("result").hidden = false;
  $("make").scrollIntoView({ block: "start" });
  $("video").src = address;
  $("download").href = `${address}?download`;
  $("notes").replaceChildren(...result.notes.map((note) => {
    const line = document.createElement("li");
    line.textContent = note;
    return line;
  }));
  cancelAnimationFrame(moving);
  const draw = () => {
    drawCurves(result, $("video").currentTime);
    moving = requestAnimationFrame(draw);
  };
  draw();
  $("video").play().catch(() => {});
}

function drawCurves(result, now) {
  const canvas = $("curves"), pen = canvas.getContext("2d"), style = getComputedStyle(canvas);
  const { width, height } = canvas, seconds = result.frames / result.frame_rate;
  const x = (time) => (time / seconds) * width;
  pen.clearRect(0, 0, width, height);
  pen.fillStyle = style.color;
  const loudest = Math.max(0.05, ...result.peaks);
  result.peaks.forEach((peak, index) => {
    const tall = (peak / loudest) * height * 0.9;
    pen.globalAlpha = 0.45;
    pen.fillRect(x(index / result.peaks_per_second), (height - tall) / 2, width / result.peaks.length, tall);
  });
  pen.globalAlpha = 1;
  pen.strokeStyle = pen.fillStyle = style.outlineColor;
  pen.lineWidth = 3;
  pen.beginPath();
  const widest = Math.max(0.02, ...result.opening);
  result.opening.forEach((opening, index) => pen.lineTo(x(index / result.frame_rate), height * (0.95 - (0.9 * opening) / widest)));
  pen.stroke();
  pen.fillRect(x(now) - 1, 0, 2, height);
}

async function start() {
  $("speech").onchange = ({ target }) => target.files[0] && chooseSpeech(target.files[0]);
  $("source").onchange = ({ target }) => target.files[0] && chooseSource(target.files[0]);
  $("source-none").onclick = () => chooseSource(null);
  $("record").onclick = record;
  $("model").onchange = forget;
  $("make").onclick = make;
  $("cancel").onclick = cancel;
  $("heard").onerror = () => { $("heard").hidden = true; }; // a sound that this browser does not play, or none
  try {
    const choices = await ask("/api/choices");
    limits = choices.limits;
    for (const { name, picture } of choices.models) faces[name] = picture;
    $("model").replaceChildren(...choices.models.map(({ name, about }) => new Option(`${name}: ${about}`, name)));
    const wanted = new URLSearchParams(location.search).get("model");
    if (wanted in faces) $("model").value = wanted;
    for (const name of choices.examples) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "example";
      button.textContent = `“${name}”`;
      button.onclick = () => choose({ example: name, name: `“${name}”` }, `“${name}”`, `/api/examples/${encodeURIComponent(name)}`);
      $("examples").append(button);
    }
  } catch (error) {
    complain("speech-problem", error.message);
  }
}

start();
