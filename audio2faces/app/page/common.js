"use strict";
// What the pages share: requests to the server, complaints, the microphone and the camera.

const AS_IT_SOUNDS = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const $ = (id) => document.getElementById(id);

function complain(where, text) {
  $(where).textContent = text;
  $(where).hidden = !text;
}

async function openDevices(audio, video = false) { // the microphone, and the camera where video asks for it
  const what = video ? "camera and the microphone" : "microphone";
  if (!navigator.mediaDevices) {
    throw new Error(`Browsers allow the ${what} only over https, or on this machine (127.0.0.1).`);
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, ...audio }, video });
  } catch (error) {
    throw new Error({
      NotAllowedError: `The browser may not use the ${what}.`,
      NotFoundError: video ? "No camera or no microphone was found." : "No microphone was found.",
    }[error.name] ?? `The ${what} cannot be used; does another program use it?`);
  }
}

function noAnswer() {
  return Object.assign(new Error("The server does not answer."), { passing: true });
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw noAnswer();
  }
  const content = await answer.json().catch(() => ({ error: `The server answered ${answer.status}.` }));
  if (!answer.ok) throw new Error(content.error);
  return content;
}
