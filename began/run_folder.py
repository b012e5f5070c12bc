"""The folder of a run, and what makes a run repeatable: settings, precision, the random state of layers."""

from pathlib import Path

import keras
import numpy as np

from preprocessing.files import make_folder, read_json, write_json
from preprocessing.program import InputError

AMPERE = (8, 0)  # the first compute capability with bfloat16


class DivergenceError(InputError):
    """The loss is no number any more.

    Args:
        run_dir: folder of the run.
        step: after which it was found.
        kept: step of the last good checkpoint; 0 if there is none.
    """

    def __init__(self, run_dir, step, kept):
        last = f"the last good checkpoint, of step {kept}, is kept" if kept else "there is no checkpoint yet"
        super().__init__(
            f"{run_dir}: the loss is no number after step {step}; {last}; look for NaN in the data, or start a new "
            "--run with another --seed"
        )
        self.step = step


def choose_precision(precision):
    """Resolves "auto": mixed_bfloat16 where the GPU, or without one the processor, has it; float32 elsewhere."""
    if precision != "auto":
        return precision
    if (capability := gpu_capability()) is not None:
        return "mixed_bfloat16" if capability >= AMPERE else "float32"
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return "float32"
    return "mixed_bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"


def gpu_capability():
    """CUDA compute capability (major, minor) of the first GPU that the backend sees; None without one."""
    if keras.backend.backend() == "tensorflow":
        from .distribution import gpu_capability

        return gpu_capability()
    import jax

    device = jax.devices()[0]
    found = getattr(device, "compute_capability", None) if device.platform == "gpu" else None
    return tuple(map(int, str(found).split("."))) if found else None


def open_run(run_dir, ours):
    """Makes the run folder, or checks that it is the run of these settings.

    Args:
        run_dir: folder of the run.
        ours: mode, fingerprint of the data and settings, as a JSON object.

    Returns:
        the folder as a `Path`.

    Raises:
        InputError: the folder is the run of other settings or data (the differing fields are named) or no run at all.
    """
    run_dir = Path(run_dir)
    if (run_dir / "config.json").exists():
        theirs = read_json(run_dir / "config.json")
        differing = [key for key in ours | theirs if ours.get(key) != theirs.get(key)]
        if differing:
            if "mode" in differing:  # hardly a field is the same
                differing = ["mode"]
            raise InputError(
                f"{run_dir}: a run of other settings ("
                + ", ".join(f"{key} {theirs.get(key)}, now {ours.get(key)}" for key in differing)
                + "); give the same --data and settings, or another --run"
            )
    elif run_dir.is_dir() and any(run_dir.iterdir()):
        raise InputError(f"{run_dir}: this folder holds something else; choose another --run")
    make_folder(run_dir / "samples")
    write_json(run_dir / "config.json", ours)
    return run_dir


def seed_layers(model, seed, step):
    """Sets what noise and dropout draw in a step, by seed and step alone; Keras does not save their random state."""
    states = [variable for variable in model.variables if variable.path.endswith("seed_generator_state")]
    for place, state in enumerate(states):
        state.assign(np.array([seed + place, step], state.dtype))
