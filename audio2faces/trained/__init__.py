"""A trained talking face, in memory and on disk: all that a model folder holds."""
