"""What a run computes once of its data, kept in its folder for those who go on with it or take part in it.

Another processor, library or number of threads turns eigenvectors round, and what was learned of the old ones is void.
"""

import io
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from runtime.errors import InputError
from runtime.files import atomic_write
from training.checkpoints import DAMAGED
from training.devices import Devices, OneDevice


def computed_once(
    path: Path, compute: Callable[[], Mapping[str, Any]], devices: Devices | None = None
) -> dict[str, Any]:
    """Arrays of a run: computed and written by the process that writes the run, where they are not there; then read.

    Args:
        path: npz file within the run.
        compute: function that gives a dictionary of arrays and numbers.
        devices: as of `devices.open_devices`, which all processes of the run wait for; None for a run of one.

    Returns:
        the dictionary.

    Raises:
        InputError: the file is damaged, or this process does not see it, or another one than the others.
    """
    devices = devices or OneDevice()
    if devices.chief and not path.exists():
        arrays = compute()
        with atomic_write(path) as partial, open(partial, "wb") as file:
            np.savez(file, **arrays)
    devices.wait()
    if not path.exists():
        raise InputError(f"{path}: another process wrote it and this one does not see it; give all of them one folder")
    try:
        content = path.read_bytes()
        devices.agree(f"file {path.name}", zlib.crc32(content))
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: arrays[name] if arrays[name].ndim else arrays[name].item() for name in arrays.files}
    except InputError:
        raise
    except DAMAGED as error:
        raise InputError(f"{path}: missing or damaged ({error}); restore it, or start a new run") from error
