"use strict";
// Hands on what the microphone hears, 20 ms at a time, with the number of the first sample on the clock of the sound.

class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.samples = new Float32Array(Math.round(sampleRate / 50));
    this.count = 0;
    this.number = 0; // of the first of them
    this.expected = 0; // of the sample that comes next, if none is lost
  }

  process([[channel]]) {
    if (currentFrame !== this.expected) this.count = 0; // what is incomplete is lost, too: the numbers tell
    this.expected = currentFrame + (channel ? channel.length : 0);
    for (let index = 0; channel && index < channel.length; index++) {
      if (!this.count) this.number = currentFrame + index;
      this.samples[this.count++] = channel[index];
      if (this.count === this.samples.length) {
        this.port.postMessage({ samples: this.samples.slice(), number: this.number });
        this.count = 0;
      }
    }
    return true;
  }
}

registerProcessor("microphone", Microphone);
