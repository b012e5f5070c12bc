"""The speech encoder: an audio network trained over many voices, from which the training of a face starts."""
