"""The boundary-equilibrium GAN that hears speech, and what it shares with the regressor: networks, runs, measures."""

import preprocessing  # noqa: F401 - before Keras: it chooses the backend
