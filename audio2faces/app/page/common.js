"use strict";
// What the pages share: requests to the server, complaints, the microphone and the camera.

const $ = (id) => document.getElementById(id);

function complain(where, text) {
  $(where).textContent = text;
  $(where).hidden = !text;
}

async function openDevices(audio, video = false) { // the microphone, and the camera where video asks for it
  const what = video ? "camera and the microphone" : "microphone";
  if (!navigator.mediaDevices) {
    throw new Error(`The browser lends pages the ${what} over https, or from this machine (127.0.0.1), alone.`);
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, ...audio }, video });
  } catch (error) {
    throw new Error(error.name === "NotAllowedError" ? `The browser may not use the ${what}.` : `There is no ${what}.`);
  }
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw Object.assign(new Error("The server does not answer."), { passing: true });
  }
  const content = await answer.json().catch(() => ({ error: `The server answered ${answer.status}.` }));
  if (!answer.ok) throw new Error(content.error);
  return content;
}
