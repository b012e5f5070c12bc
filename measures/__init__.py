"""What is measured of faces."""

import runtime  # noqa: F401 - before Keras: it chooses the backend
