"""The folder of a run, and what makes a run repeatable: settings, precision, the random state of layers."""

from pathlib import Path

import numpy as np

from preprocessing.files import make_folder, read_json, write_json
from preprocessing.program import InputError


def choose_precision(precision):
    """Resolves "auto": mixed_bfloat16 where the processor computes it natively, float32 elsewhere."""
    if precision != "auto":
        return precision
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return "float32"
    return "mixed_bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"


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


def as_plain(config):
    """The settings as JSON gives them back: lists for tuples."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in config.as_json().items()}


def seed_layers(model, seed, step):
    """Sets what noise and dropout draw in a step, by seed and step alone; Keras does not save their random state."""
    states = [variable for variable in model.variables if variable.path.endswith("seed_generator_state")]
    for place, state in enumerate(states):
        state.assign(np.array([seed + place, step], state.dtype))
