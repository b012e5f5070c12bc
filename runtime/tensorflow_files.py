"""Files that TensorFlow writes itself: what the system complained of, out of TensorFlow's errors."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from runtime.errors import REMEDIES, InputError


@contextlib.contextmanager
def written_by_tensorflow(path: str | Path) -> Iterator[None]:
    """Tells of an output that TensorFlow cannot write as Python tells of its own.

    Args:
        path: of the output.

    Raises:
        OSError: the disk is full, or the file cannot be written for another reason that has a remedy.
        InputError: for any other reason.
    """
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        message = str(error)
        for number in REMEDIES:
            if os.strerror(number) in message:
                raise OSError(number, os.strerror(number), str(path)) from error
        raise InputError(f"{path}: TensorFlow cannot write it ({message.splitlines()[0]})") from error
