"use strict";
// Chooses or records speech, asks for a video, waits for it and shows it beside its curves.

const $ = (id) => document.getElementById(id);
const chosen = { speech: null, source: null }; // {file} to upload, or {example}
let limits = {};
let recorder = null;

function complain(text) {
  $("problem").textContent = text;
  $("problem").hidden = !text;
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer.");
  }
  const content = await answer.json().catch(() => ({ error: `The server answered ${answer.status}.` }));
  if (!answer.ok) throw new Error(content.error);
  return content;
}

function choose(speech, name, address) {
  chosen.speech = speech;
  $("chosen").textContent = name;
  if ($("heard").src.startsWith("blob:")) URL.revokeObjectURL($("heard").src);
  $("heard").src = address;
  $("heard").hidden = false;
  $("make").disabled = false;
  complain("");
}

function chooseFile(file, name = file.name) {
  if (file.size > limits.upload) return complain(`${name}: larger than ${limits.upload / 1e6} MB; cut it`);
  choose({ file, name }, name, URL.createObjectURL(file));
}

async function record() {
  if (recorder) return recorder.stop();
  let sound;
  try {
    sound = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch {
    return complain("There is no microphone, or the browser may not use it.");
  }
  const parts = [];
  recorder = new MediaRecorder(sound);
  recorder.ondataavailable = (event) => parts.push(event.data);
  recorder.onstop = () => {
    sound.getTracks().forEach((track) => track.stop());
    chooseFile(new Blob(parts, { type: recorder.mimeType }), "recording");
    recorder = null;
    $("record").textContent = "Record";
  };
  recorder.start();
  $("record").textContent = "Stop";
}

async function uploaded(what) {
  if (!what) return null;
  if (what.example) return what.example;
  const path = `/api/uploads?name=${encodeURIComponent(what.name)}`;
  return (await ask(path, { method: "POST", body: what.file })).key;
}

async function make() {
  complain("");
  $("make").disabled = true;
  $("progress").hidden = false;
  $("progress").removeAttribute("value");
  $("state").textContent = "sending the speech";
  try {
    const plays = document.createElement("video").canPlayType('video/mp4; codecs="avc1.64001E, mp4a.40.2"');
    const request = {
      model: $("model").value,
      speech: await uploaded(chosen.speech),
      source: await uploaded(chosen.source),
      format: plays ? "mp4" : "webm",
    };
    const { key } = await ask("/api/jobs", { method: "POST", body: JSON.stringify(request) });
    for (;;) {
      const job = await ask(`/api/jobs/${key}`);
      if (job.state === "failed") throw new Error(job.message);
      if (job.state === "done") { show(key, job.result); break; }
      if (job.state === "waiting") $("state").textContent = `number ${job.place} in the queue`;
      else $("state").textContent = job.share ? `${Math.round(100 * job.share)} %` : "listening";
      if (job.share) $("progress").value = job.share;
      await new Promise((done) => setTimeout(done, 400));
    }
  } catch (error) {
    complain(error.message);
    $("state").textContent = "";
  }
  $("progress").hidden = true;
  $("make").disabled = false;
}

function show(key, result) {
  const address = `/api/jobs/${key}/video`;
  $("state").textContent = `${result.frames} frames`;
  $("result").hidden = false;
  $("video").src = address;
  $("download").href = `${address}?download`;
  $("notes").replaceChildren(...result.notes.map((note) => {
    const line = document.createElement("li");
    line.textContent = note;
    return line;
  }));
  const draw = () => drawCurves(result, $("video").currentTime);
  $("video").ontimeupdate = draw;
  draw();
  $("video").play().catch(() => {});
}

function drawCurves(result, now) {
  const canvas = $("curves"), pen = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
  const { width, height } = canvas, seconds = result.frames / result.frame_rate;
  const x = (time) => (time / seconds) * width;
  pen.clearRect(0, 0, width, height);
  pen.fillStyle = style.getPropertyValue("--accent");
  const loudest = Math.max(0.05, ...result.peaks);
  result.peaks.forEach((peak, index) => {
    const tall = (peak / loudest) * height * 0.9;
    pen.globalAlpha = 0.45;
    pen.fillRect(x(index / result.peaks_per_second), (height - tall) / 2, width / result.peaks.length, tall);
  });
  pen.globalAlpha = 1;
  pen.strokeStyle = style.getPropertyValue("--mouth");
  pen.lineWidth = 3;
  pen.beginPath();
  const widest = Math.max(0.02, ...result.opening);
  result.opening.forEach((opening, index) => pen.lineTo(x(index / result.frame_rate), height * (0.95 - (0.9 * opening) / widest)));
  pen.stroke();
  pen.fillStyle = pen.strokeStyle;
  pen.fillRect(x(now) - 1, 0, 2, height);
}

async function start() {
  $("speech").onchange = (event) => event.target.files[0] && chooseFile(event.target.files[0]);
  $("source").onchange = (event) => {
    const file = event.target.files[0];
    chosen.source = file ? { file, name: file.name } : null;
    $("source-chosen").textContent = file ? file.name : "none: the model's own face";
  };
  $("record").onclick = record;
  $("make").onclick = make;
  try {
    const choices = await ask("/api/choices");
    limits = choices.limits;
    $("model").replaceChildren(...choices.models.map((name) => new Option(name, name)));
    for (const name of choices.examples) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "example";
      button.textContent = name;
      button.onclick = () => choose({ example: name }, `${name}, an example`, `/api/examples/${name}`);
      $("examples").append(button);
    }
  } catch (error) {
    complain(error.message);
  }
}

start();
