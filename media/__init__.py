"""Pictures, video and sound: read from any container, written as mp4 and PNG."""

import runtime  # noqa: F401 - before Keras: it chooses the backend
