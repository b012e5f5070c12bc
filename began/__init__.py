"""The boundary-equilibrium GAN, conditioned on speech: networks, losses, training, measures; and the audio VAE."""

import runtime  # noqa: F401 - before Keras: it chooses the backend
