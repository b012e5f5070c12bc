"""The audio VAE: a code of the speech alone."""
