"""The boundary-equilibrium GAN that hears speech: networks, losses, training, measures; and the audio VAE."""

import runtime  # noqa: F401 - before Keras: it chooses the backend
