"""What every training shares: frames, run folder, checkpoints, metrics, devices."""

import runtime  # noqa: F401 - before Keras: it chooses the backend
