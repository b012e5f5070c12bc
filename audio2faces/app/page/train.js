"use strict";
// A video becomes a face: choose or record it, upload it, look at what was found, train, watch.

const EVERY = 1000; // milliseconds between looks at the faces that are worked at
const CAMERA = { width: { ideal: 1280 }, height: { ideal: 720 }, facingMode: "user" };
const AS_IT_SOUNDS = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const LONGEST = 600; // seconds of a recording
const STATES = { prepared: "ready to be trained", stopped: "stopped", failed: "failed", done: "trained" };
const SPLITS = { train: "training", validation: "validation", test: "test" };
const ALT = {
  contact_sheet: "Some of the faces that were found in the video",
  faces: "Rows of faces: the real ones, moved by the first network, and painted by the second",
  curves: "Curves of the training",
};
let chosen = null; // the video, a File
let recorder = null; // while a video is recorded, or its devices are asked for: {stop}
let limits = {};

// The video.

function choose(file) {
  if (!file) return;
  const large = file.size > limits.video ? `${file.name}: larger than ${limits.video / 1e6} MB; cut it` : "";
  complain("video-problem", large);
  if (large) return;
  chosen = file;
  $("chosen").textContent = file.name;
  if ($("take").src) URL.revokeObjectURL($("take").src);
  $("take").srcObject = null;
  $("take").src = URL.createObjectURL(file);
  $("take").muted = false;
  $("take").controls = true;
  $("take").hidden = false;
  if (!$("name").value) $("name").value = file.name.replace(/\.[^.]*$/, "").replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^[-_]+/, "").slice(0, 40);
  allow();
}

async function record() {
  if (recorder) return recorder.stop();
  let stopped = false;
  recorder = { stop: () => { stopped = true; } };
  $("record").textContent = "Stop";
  complain("video-problem", "");
  let devices;
  try {
    devices = await openDevices(AS_IT_SOUNDS, CAMERA);
    if (!stopped) await film(devices);
  } catch (error) {
    complain("video-problem", error.message);
  }
  devices?.getTracks().forEach((track) => track.stop());
  recorder = null;
  $("reading").hidden = true;
  $("record").textContent = "Record with the camera";
  allow();
}

function film(devices) {
  const type = ["video/mp4", "video/webm"].find((name) => MediaRecorder.isTypeSupported(name));
  const options = { mimeType: type, videoBitsPerSecond: 8e6, audioBitsPerSecond: 128e3 };
  return new Promise((done, fail) => {
    const recording = new MediaRecorder(devices, options), parts = [], begun = performance.now();
    $("take").pause();
    $("take").srcObject = devices;
    $("take").muted = true;
    $("take").controls = false;
    $("take").hidden = $("reading").hidden = false;
    $("take").play().catch(() => {});
    const clock = setInterval(() => {
      const seconds = (performance.now() - begun) / 1000;
      $("chosen").textContent = `recording: ${seconds.toFixed(0)} s`;
      if (seconds > LONGEST) recording.stop();
    }, 500);
    recording.ondataavailable = ({ data }) => parts.push(data);
    recording.onerror = ({ error }) => fail(error ?? new Error("The recording failed."));
    recording.onstop = () => {
      clearInterval(clock);
      choose(new File(parts, `recording.${type.slice(6)}`, { type }));
      done();
    };
    recorder = recording;
    recording.start();
  });
}

// The upload.

let sending = false;

function allow() {
  $("send").disabled = !(chosen && $("name").value && $("consent").checked && !sending && !recorder);
}

function post(path, file, report) { // fetch tells nothing of how far it is
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.upload.onprogress = ({ loaded, total }) => report(loaded / total);
    request.onerror = () => fail(new Error("The server does not answer."));
    request.onload = () => {
      let answer;
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        answer = { error: `The server answered ${request.status}.` };
      }
      if (request.status === 200) done(answer);
      else fail(new Error(answer.error));
    };
    request.open("POST", path);
    request.send(file);
  });
}

async function send() {
  sending = true;
  allow();
  complain("problem", "");
  $("sending").hidden = false;
  $("sent").textContent = "uploading";
  const given = { name: $("name").value, file: chosen.name, size: $("size").value, consent: "yes" };
  try {
    await post(`/api/faces?${new URLSearchParams(given)}`, chosen, (share) => { $("sending").value = share; });
    $("name").value = "";
    $("consent").checked = false;
    $("sent").textContent = "uploaded; see below";
    await look();
    $("faces-title").scrollIntoView({ block: "start" });
  } catch (error) {
    $("sent").textContent = "";
    complain("problem", error.message);
  }
  $("sending").hidden = true;
  sending = false;
  allow();
}

// The faces.

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

class Card { // of a face; its parts stay the same elements, so that the focus stays where it is
  constructor(name) {
    this.name = name;
    this.state = element("p");
    this.bar = element("progress", { max: 1 });
    this.bar.setAttribute("aria-label", `How much of this is done for ${name}`);
    this.problem = element("p", { className: "problem" });
    this.problem.setAttribute("role", "alert");
    this.found = element("p");
    this.warnings = element("ul", { className: "quiet" });
    this.pictures = Object.fromEntries(Object.keys(ALT).map((kind) => [kind, element("img", { alt: ALT[kind], hidden: true })]));
    this.start = element("button", { type: "button", className: "primary", onclick: () => this.do("start", "POST") });
    this.stop = element("button", { type: "button", textContent: "Stop", onclick: () => this.do("stop", "POST") });
    this.speak = element("a", { textContent: "Speak with this face", href: `/?model=${encodeURIComponent(name)}` });
    this.remove = element("button", { type: "button", textContent: "Delete", onclick: () => this.delete() });
    const row = element("p", { className: "row" }, this.start, this.stop, this.speak, this.remove);
    this.element = element("article", { id: `face-${name}` }, element("h3", { textContent: name }), this.state, this.bar,
      this.problem, this.found, this.warnings, row, ...Object.values(this.pictures).map((picture) => element("div", { className: "wide" }, picture)));
  }

  show(face) {
    const { state, progress, place, found } = face, busy = progress !== undefined;
    const left = progress?.left ? `, ${progress.left} left` : "";
    const now = place ? `waiting, number ${place} in the queue` : busy ? `${progress.text}${left}` : STATES[state];
    say(this.state, `${face.size} pixels: ${now}. ${face.verdict ?? ""}`);
    this.bar.hidden = !busy || Boolean(place);
    if (progress?.share == null) this.bar.removeAttribute("value");
    else this.bar.value = progress.share;
    say(this.problem, face.message);
    const speech = found && Object.entries(found.seconds).map(([split, value]) => `${value.toFixed(0)} s for ${SPLITS[split]}`);
    say(this.found, found && state !== "done" ? `Speech: ${speech.join(", ")}.` : "");
    const warnings = found && state === "prepared" ? found.warnings : [];
    this.warnings.replaceChildren(...warnings.map((line) => element("li", { textContent: line })));
    this.start.textContent = state === "prepared" ? "Train" : "Continue";
    this.start.hidden = !["prepared", "stopped", "failed"].includes(state);
    this.stop.hidden = !busy;
    this.speak.hidden = state !== "done";
    const shown = { prepared: ["contact_sheet"], done: ["faces"] }[state] ?? ["faces", "curves"];
    for (const [kind, picture] of Object.entries(this.pictures)) {
      const version = shown.includes(kind) && face.pictures[kind];
      picture.hidden = !version;
      const address = `/api/faces/${encodeURIComponent(this.name)}/pictures/${kind}?${version}`;
      if (version && picture.getAttribute("src") !== address) picture.src = address;
    }
  }

  async do(what, method) {
    try {
      await ask(`/api/faces/${encodeURIComponent(this.name)}${what ? `/${what}` : ""}`, { method });
      complain("faces-problem", "");
    } catch (error) {
      complain("faces-problem", error.message);
    }
    await look();
  }

  delete() {
    if (confirm(`Delete ${this.name}, its video and all that was learned from it?`)) this.do("", "DELETE");
  }
}

function say(where, text) { // a screen reader reads again what is set again
  where.hidden = !text;
  if (where.textContent !== text) where.textContent = text ?? "";
}

const cards = new Map();
let again = null; // the next look

async function look() {
  clearTimeout(again);
  let busy = true;
  try {
    const { faces } = await ask("/api/faces");
    busy = faces.some((face) => face.progress);
    $("none").hidden = faces.length > 0;
    for (const [name, card] of cards) {
      if (!faces.some((face) => face.name === name)) {
        card.element.remove();
        cards.delete(name);
      }
    }
    for (const face of faces) {
      if (!cards.has(face.name)) {
        const card = new Card(face.name);
        cards.set(face.name, card);
        $("faces").prepend(card.element); // the latest first
      }
      cards.get(face.name).show(face);
    }
    if ($("faces-problem").textContent === "The server does not answer.") complain("faces-problem", "");
  } catch (error) {
    complain("faces-problem", error.message);
  }
  clearTimeout(again);
  if (busy) again = setTimeout(look, EVERY);
}

async function start() {
  $("file").onchange = ({ target }) => choose(target.files[0]);
  $("record").onclick = record;
  $("name").oninput = $("consent").onchange = allow;
  $("send").onclick = send;
  try {
    ({ limits } = await ask("/api/choices"));
  } catch (error) {
    complain("video-problem", error.message);
  }
  look();
}

start();
