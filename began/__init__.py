"""The boundary-equilibrium GAN that hears speech, and what it shares with the regressor: networks, runs, measures."""
