"""The first stage: speech to the motion of a face."""
