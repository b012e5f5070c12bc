"""What every program needs: messages and exit status, files that are whole or absent, interrupts."""

import os

__version__ = "0.1.0"  # of the whole project

# The user's keras.json has no say: it may name a backend that the networks do not run on, or that is not installed.
os.environ["KERAS_BACKEND"] = os.environ.get("KERAS_BACKEND") or "tensorflow"
