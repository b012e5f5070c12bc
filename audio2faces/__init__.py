"""Speech in, a talking face out: the regressor, its training, evaluation and the video."""

import runtime  # noqa: F401 - before Keras: it chooses the backend
