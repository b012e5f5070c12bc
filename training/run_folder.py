"""The folder of a run, and what makes a run repeatable: settings, precision, the random state of layers.

Nothing here imports Keras before it is needed: programs check settings in no time.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from runtime.errors import InputError
from runtime.files import exclusive, make_folder, read_json, write_json
from training.config import Config

C = TypeVar("C", bound=Any)  # settings with a field `training`
AMPERE = (8, 0)  # the first compute capability with bfloat16


class DivergenceError(InputError):
    """The loss is NaN or infinite.

    Args:
        run_dir: folder of the run.
        step: after which it was found.
        kept: step of the last good checkpoint; 0 if there is none.
    """

    def __init__(self, run_dir: Path, step: int, kept: int) -> None:
        last = f"the last good checkpoint, of step {kept}, is kept" if kept else "there is no checkpoint yet"
        super().__init__(
            f"{run_dir}: the loss is NaN or infinite after step {step}; {last}; look for NaN in the data, or start a "
            "new --run with another --seed"
        )
        self.step = step


def choose_precision(precision: str) -> str:
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


def with_precision(config: C) -> C:
    """Settings whose training has a precision that is chosen: see `choose_precision`."""
    return config.updated(training={"precision": choose_precision(config.training.precision)})


def gpu_capability() -> tuple[int, ...] | None:
    """CUDA compute capability (major, minor) of the first GPU that the backend sees; None without one."""
    import keras

    if keras.backend.backend() == "tensorflow":
        from training.distribution import gpu_capability

        return gpu_capability()
    import jax

    device = jax.devices()[0]
    found = getattr(device, "compute_capability", None) if device.platform == "gpu" else None
    return tuple(map(int, str(found).split("."))) if found else None


@dataclass(frozen=True)
class RunSettings:
    """What tells one run from another, kept as config.json in its folder.

    Attributes:
        mode: of training.
        config: its settings, a `config.Config`.
        data: fingerprint of the dataset.
        notes: whatever else has to be the same, by name.
    """

    mode: str
    config: Config
    data: str
    notes: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """What config.json holds."""
        return {"mode": self.mode, "data": self.data, **self.notes, "settings": self.config.as_json()}

    def differing(self, run_dir: Path, unknown: Iterable[str] = ()) -> dict[str, tuple[Any, Any]]:
        """In what a run differs from these settings.

        A field that the run does not know, since it was added later, has its default there; a precision that is not
        chosen yet ("auto") differs from none.

        Args:
            run_dir: folder of the run.
            unknown: names of notes whose value now is not known yet.

        Returns:
            dictionary from the name of each field that differs to (its value in the run, its value now); empty if
            there is no run yet.
        """
        path = Path(run_dir) / "config.json"
        if not path.exists():
            return {}
        theirs = read_json(path)
        if theirs.get("mode") != self.mode:  # hardly a field is the same
            return {"mode": (theirs.get("mode"), self.mode)}
        with contextlib.suppress(InputError, KeyError, TypeError):
            theirs["settings"] = type(self.config).from_json(theirs["settings"]).as_json()
        theirs, ours = _flat(theirs), _flat(self.as_json())
        if ours.get("precision") == "auto":
            unknown = (*unknown, "precision")
        pairs = {name: (theirs.get(name), ours.get(name)) for name in theirs | ours if name not in unknown}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as one dictionary: "speech.features", and without a prefix what is of the training or the run."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        inner = "" if name in ("settings", "training") else f"{prefix}{name}."
        flat |= _flat(value, inner) if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat


@contextlib.contextmanager
def own_run(run_dir: Path) -> Iterator[Path]:
    """Keeps other processes from training a run meanwhile; makes its folder, which goes again if it stays empty.

    Raises:
        InputError: another process trains it, or the folder cannot be made.
    """
    run_dir = make_folder(run_dir)
    try:
        with exclusive(
            run_dir, f"{run_dir}: another process is training this run; wait for it, or choose another --run"
        ):
            yield run_dir
    finally:
        with contextlib.suppress(OSError):
            run_dir.rmdir()


def in_words(differing: dict[str, tuple[Any, Any]]) -> str:
    """What `RunSettings.differing` gave, as a text."""
    return ", ".join(f"{key} {theirs}, now {ours}" for key, (theirs, ours) in differing.items())


def check_run(run_dir: Path, settings: RunSettings) -> None:
    """Refuses a folder in which these settings cannot be trained.

    Raises:
        InputError: the folder is the run of other settings or data (the differing fields are named) or no run at all.
    """
    run_dir = Path(run_dir)
    if differing := settings.differing(run_dir):
        remedy = "give the same --data and settings, or another --run"
        raise InputError(f"{run_dir}: a run of other settings ({in_words(differing)}); {remedy}")
    if not (run_dir / "config.json").exists() and holds_something(run_dir):
        raise InputError(f"{run_dir}: this folder holds something else; choose another --run")


def holds_something(folder: Path) -> bool:
    """Whether a folder is there and holds more than hidden files, as locks are."""
    return folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir())


def open_run(run_dir: Path, settings: RunSettings) -> Path:
    """Makes the run folder, or checks that it is the run of these settings.

    Returns:
        the folder as a `Path`.

    Raises:
        InputError: as for `check_run`.
    """
    run_dir = Path(run_dir)
    check_run(run_dir, settings)
    make_folder(run_dir / "samples")
    write_json(run_dir / "config.json", settings.as_json())
    return run_dir


def seed_layers(model: Any, seed: int, step: int) -> None:
    """Sets what noise and dropout draw in a step, by seed and step alone; Keras does not save their random state."""
    states = [variable for variable in model.variables if variable.path.endswith("seed_generator_state")]
    for place, state in enumerate(states):
        state.assign(np.array([seed + place, step], state.dtype))
