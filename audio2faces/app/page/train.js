"use strict";
// A video becomes a face: choose or record it, upload it, look at what was found, train, watch.

const EVERY = 1000; // milliseconds between looks at the faces that are worked at
const CAMERA = { width: { ideal: 1280 }, height: { ideal: 720 }, facingMode: "user" };
const LONGEST = 600; // seconds of a recording
const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$/;
const STATES = { preparing: "preparing", training: "training", prepared: "ready to be trained", stopped: "stopped", failed: "failed", done: "trained" };
const SPLITS = { train: "training", validation: "validation", test: "test" };
const CAPTIONS = {
  contact_sheet: "Some of the faces that were found in the video",
  faces: "From top to bottom: real faces, moved by the first network, painted by the second",
  curves: "Curves of the training",
};
let chosen = null; // the video, a File
let recorder = null; // while a video is recorded, or its devices are asked for: {stop}
let limits = {};

// The video.

function choose(file) {
  $("file").value = ""; // so that the same file can be chosen again
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
  if (!$("name").value) $("name").value = freeName(file.name);
  allow();
}

function freeName(of) { // of a file
  const plain = of.replace(/\.[^.]*$/, "").replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^[-_]+/, "").slice(0, 36) || "face";
  let name = plain;
  for (let number = 2; cards.has(name); number++) name = `${plain}-${number}`;
  return name;
}

async function record() {
  if (recorder) return recorder.stop();
  let stopped = false;
  recorder = { stop: () => { stopped = true; } };
  $("record").textContent = "Stop";
  $("file").disabled = true;
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
  $("reading").hidden = $("clock").hidden = true;
  $("file").disabled = false;
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
      $("clock").textContent = `recording: ${seconds.toFixed(0)} s`;
      const size = parts.reduce((sum, part) => sum + part.size, 0);
      if (seconds > LONGEST || size > 0.95 * limits.video) recording.stop();
    }, 500);
    $("clock").hidden = false;
    recording.ondataavailable = ({ data }) => parts.push(data);
    recording.onerror = ({ error }) => fail(error ?? new Error("The recording failed."));
    recording.onstop = () => {
      clearInterval(clock);
      choose(new File(parts, `recording.${type.slice(6)}`, { type }));
      done();
    };
    recorder = recording;
    recording.start(1000); // in parts of a second
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
    request.onerror = () => fail(noAnswer());
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
  const name = $("name").value;
  const problem = cards.has(name) ? `There is already a face called ${name}; choose another name.` :
    NAME.test(name) ? "" : "Use up to 40 characters for the name: A to Z without accents, digits, - and _; begin with a letter or a digit.";
  if (problem) return complain("problem", problem);
  sending = true;
  allow();
  complain("problem", "");
  $("sending").hidden = false;
  $("sent").textContent = "uploading";
  const given = { name, file: chosen.name, size: $("size").value, consent: "yes" };
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
    this.heading = element("h3", { textContent: name, tabIndex: -1 });
    this.state = element("p");
    this.spoken = element("p", { className: "unseen" });
    this.spoken.setAttribute("role", "status");
    this.bar = element("progress", { max: 1 });
    this.bar.setAttribute("aria-label", `How much of this is done for ${name}`);
    this.problem = element("p", { className: "problem" });
    this.found = element("p");
    this.warnings = element("ul", { className: "quiet" });
    this.start = this.button("", () => this.do("start", "POST"));
    this.start.className = "primary";
    this.stop = this.button("Stop", () => this.do("stop", "POST"));
    this.speak = element("a", { textContent: "Speak with this face", href: `/?model=${encodeURIComponent(name)}` });
    this.remove = this.button("Delete", () => this.delete());
    this.pictures = Object.fromEntries(Object.entries(CAPTIONS).map(([kind, caption]) => {
      const picture = element("img", { alt: caption });
      const figure = element("figure", {}, element("div", { className: "wide" }, picture), element("figcaption", { textContent: caption }));
      return [kind, { picture, figure }];
    }));
    this.element = element("article", { id: `face-${name}` }, this.heading, this.state, this.spoken, this.bar, this.problem, this.found,
      this.warnings, element("p", { className: "row" }, this.start, this.stop, this.speak, this.remove),
      ...Object.values(this.pictures).map(({ figure }) => figure));
  }

  button(text, onclick) {
    const button = element("button", { type: "button", textContent: text, onclick });
    button.setAttribute("aria-description", this.name);
    return button;
  }

  show(face) {
    const { state, progress, place, found } = face, busy = progress !== undefined;
    const left = progress?.left ? `, ${progress.left} left` : "";
    const now = place ? `waiting, number ${place} in the queue` : face.stopping ? "stopping" : `${progress?.text ?? STATES[state]}${left}`;
    say(this.state, `${face.size} pixels: ${now}. ${face.verdict ?? ""}`);
    say(this.spoken, `${this.name}: ${STATES[state]}`);
    this.bar.hidden = !busy || Boolean(place);
    if (progress?.share == null) this.bar.removeAttribute("value");
    else this.bar.value = progress.share;
    say(this.problem, face.message);
    const speech = found && Object.entries(found.seconds).map(([split, value]) => `${value.toFixed(0)} s for ${SPLITS[split]}`);
    say(this.found, found && state !== "done" ? `Speech: ${speech.join(", ")}.` : "");
    const warnings = (state === "prepared" && found?.warnings) || [];
    if (warnings.join() !== this.warned) this.warnings.replaceChildren(...warnings.map((line) => element("li", { textContent: line })));
    this.warned = warnings.join();
    say(this.start, state === "prepared" ? "Train" : "Continue");
    const focused = this.element.contains(document.activeElement);
    this.start.hidden = !["prepared", "stopped", "failed"].includes(state) || face.stopping;
    this.stop.hidden = !busy;
    this.speak.hidden = state !== "done";
    if (focused && document.activeElement?.hidden) this.heading.focus(); // the button that was pressed is not there any more
    const shown = { prepared: ["contact_sheet"], done: ["faces"] }[state] ?? ["faces", "curves"];
    for (const [kind, { picture, figure }] of Object.entries(this.pictures)) {
      const version = shown.includes(kind) && face.pictures[kind];
      figure.hidden = !version;
      const address = `/api/faces/${encodeURIComponent(this.name)}/pictures/${kind}?${version}`;
      if (version && picture.getAttribute("src") !== address) picture.src = address;
    }
  }

  async do(what, method) {
    const buttons = [this.start, this.stop, this.remove];
    buttons.forEach((button) => { button.disabled = true; });
    try {
      await ask(`/api/faces/${encodeURIComponent(this.name)}${what ? `/${what}` : ""}`, { method });
      complain("faces-problem", "");
    } catch (error) {
      complain("faces-problem", error.message);
    }
    buttons.forEach((button) => { button.disabled = false; });
    await look();
    if (!cards.has(this.name)) $("faces-title").focus();
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
let unheard = false; // whether the last one got no answer

async function look() {
  clearTimeout(again);
  let busy = true;
  try {
    const { faces } = await ask("/api/faces");
    busy = faces.some((face) => face.progress || face.stopping);
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
    if (unheard) complain("faces-problem", "");
    unheard = false;
  } catch (error) {
    unheard = Boolean(error.passing);
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
