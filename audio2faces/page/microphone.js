"use strict";
// Hands on what the microphone hears, 20 ms at a time, with the time of the first sample.

class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.samples = new Float32Array(Math.round(sampleRate / 50));
    this.count = 0;
    this.begun = 0;
  }

  process([[channel]]) {
    for (let index = 0; channel && index < channel.length; index++) {
      if (!this.count) this.begun = currentTime + index / sampleRate;
      this.samples[this.count++] = channel[index];
      if (this.count === this.samples.length) {
        this.port.postMessage({ samples: this.samples.slice(), begun: this.begun });
        this.count = 0;
      }
    }
    return true;
  }
}

registerProcessor("microphone", Microphone);
