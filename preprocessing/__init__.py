"""Videos of one speaker in, a dataset of aligned faces and speech out."""

import runtime  # noqa: F401 - before Keras: it chooses the backend
