"""Makes a video of the model's face speaking what a sound file says: see audio2faces/generate."""

import sys

from audio2faces.generate.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
