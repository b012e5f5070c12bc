"""Checkpoints of a run: weights, moments and step in one file, the last one and the one before."""

import io
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime.errors import InputError
from runtime.files import atomic_write

# In the folder of a run.
CHECKPOINT = "checkpoint.weights.h5"  # of the last validation
PREVIOUS = "previous.weights.h5"  # of the one before
BEST = "best.weights.h5"  # of the validation with the best measure

# What reading a damaged file of weights, arrays or networks raises.
DAMAGED = (KeyError, TypeError, ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


class InMemory(io.BytesIO):
    """Where Keras writes weights: the HDF5 library ends the process when it finds a disk full."""

    def __str__(self) -> str:
        """A name by which Keras knows the format."""
        return "memory.weights.h5"


def save_weights(path: Path, model: Any) -> None:
    """Saves all variables of a model and of its optimiser in one file, whole or not at all.

    Raises:
        OSError: the disk is full, or the file cannot be written.
    """
    written = InMemory()
    model.save_weights(written)
    with atomic_write(path) as partial:
        partial.write_bytes(written.getvalue())


def load_weights(path: Path, model: Any) -> None:
    """Reads what `save_weights` wrote.

    Raises:
        InputError: the file is missing or damaged.
    """
    try:
        model.load_weights(path)
    except DAMAGED as error:
        raise InputError(f"{path}: missing or damaged ({str(error).splitlines()[0]})") from error


def keep_checkpoint(run_dir: Path, model: Any) -> None:
    """Saves a checkpoint; the last one stays as the one before. Ended at any moment, one of them is there."""
    newest, checkpoint = run_dir / "newest.weights.h5", run_dir / CHECKPOINT
    save_weights(newest, model)
    if checkpoint.exists():
        checkpoint.replace(run_dir / PREVIOUS)
    newest.replace(checkpoint)


def kept_checkpoints(run_dir: Path) -> list[Path]:
    """The checkpoints that a run can resume from, the last one first."""
    return [path for name in (CHECKPOINT, PREVIOUS) if (path := run_dir / name).exists()]


def open_checkpoint(run_dir: Path, new_model: Callable[[], Any]) -> Any:
    """A model with the variables of the run's last checkpoint; a new one, where there is none.

    A damaged checkpoint gives way to the one before: a line tells so, and it is removed.

    Args:
        run_dir: folder of the run.
        new_model: function that makes an untrained model, its optimiser built.

    Raises:
        InputError: both are damaged.
    """
    complaints = []
    for path in kept_checkpoints(run_dir):
        model = new_model()
        try:
            load_weights(path, model)
        except InputError as error:
            complaints.append(error)
            continue
        if complaints:
            print(f"warning: {complaints[0]}; resuming from {path}", file=sys.stderr)
            (run_dir / CHECKPOINT).unlink(missing_ok=True)  # or it would become the one before
        return model
    if complaints:
        raise InputError(f"{'; '.join(map(str, complaints))}; remove the run to train from the start")
    return new_model()
