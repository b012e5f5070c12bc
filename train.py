"""Trains a model: see audio2faces/train.py."""

import sys

from audio2faces.train import main

if __name__ == "__main__":
    sys.exit(main())
