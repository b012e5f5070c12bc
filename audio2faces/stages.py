"""The two stages of a run: which is done, goes on or begins anew.

The files of the run tell it; no model is loaded, and nothing here imports Keras.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio2faces.config import STAGES, RegressorConfig, SystemConfig
from preprocessing.dataset import Dataset, check_size
from runtime.errors import InputError
from runtime.files import read_json, write_json
from training.checkpoints import kept_checkpoints
from training.run_folder import RunSettings, holds_something, in_words

DONE = "done.json"  # in the folder of a stage that has taken all of its steps
ENCODER_WEIGHTS = "speech encoder"  # in config.json of a regressor: fingerprint of what it started from
MODES = {"regressor": "audio2faces", "refiner": "audio2faces refiner"}  # in config.json


@dataclass(frozen=True)
class Plan:
    """What a training is going to do.

    Attributes:
        config: `SystemConfig`; where the refiner alone is trained, with the settings of the run's regressor.
        lines: that tell the user, one for each stage that is there or to be trained.
        anew: names of the stages whose folders are to be set aside first.
        left: names of the stages that have steps to take.
    """

    config: SystemConfig
    lines: tuple
    anew: tuple
    left: tuple


def plan_stages(config: SystemConfig, dataset: Dataset, run_dir: Path, stage: str | None = None) -> Plan:
    """Compares a run with the requested settings.

    Args:
        config: `SystemConfig`.
        dataset: `preprocessing.dataset.Dataset`.
        run_dir: folder of the run, which need not exist.
        stage: "regressor" or "refiner", which is to be trained alone: anew where its settings differ or it is done.

    Returns:
        `Plan`.

    Raises:
        InputError: the dataset has faces of another size, the folder is not a run, or a stage to be kept belongs
            to other settings, other data or another regressor.
    """
    run_dir = Path(run_dir)
    check_size(dataset, config.regressor.size)
    if holds_something(run_dir) and not (run_dir / "regressor").is_dir():
        raise InputError(f"{run_dir}: this folder holds something else; choose another --run")
    if stage == "refiner":
        config = dataclasses.replace(config, regressor=trained_regressor(run_dir))
    lines, anew, left = [], [], []
    for name in ("regressor",) if stage == "regressor" else STAGES:
        folder = run_dir / name
        differing = _differing(name, config, dataset, run_dir)
        done = (folder / DONE).exists()
        if name == stage or not done:
            left.append(name)
        if name == stage and (differing or done):
            anew.append(name)
            why = in_words(differing) or f"it was done, {steps_done(folder)} steps"
            lines.append(f"{name}: starts over ({why}); the old one is set aside in {free_name(folder).name}")
        elif list(differing) == ["regressor"]:
            first = "" if differing["regressor"][1] else "--stage regressor to finish the new one, then "
            raise InputError(f"{folder}: trained on another regressor; give {first}--stage refiner to train it again")
        elif differing:
            raise InputError(
                f"{folder}: a run of other settings ({in_words(differing)}); give the same --data and settings, "
                f"--stage {name} to start this stage over, or another --run"
            )
        elif done:
            lines.append(f"{name}: done, {steps_done(folder)} steps")
        elif kept_checkpoints(folder):
            lines.append(f"{name}: resumes from its last checkpoint")
        else:
            lines.append(f"{name}: begins")
    return Plan(config, tuple(lines), tuple(anew), tuple(left))


def _differing(name: str, config: SystemConfig, dataset: Dataset, run_dir: Path) -> dict:
    """The settings of a stage that differ; among those of the refiner is a fingerprint of its regressor."""
    settings = RunSettings(MODES[name], getattr(config, name), dataset.fingerprint)
    if name == "regressor":
        return settings.differing(run_dir / name, [ENCODER_WEIGHTS])  # compared when the encoder is loaded
    done = run_dir / "regressor" / DONE
    weights = read_json(done).get("weights") if done.exists() else None  # None: not trained yet
    return dataclasses.replace(settings, notes={"regressor": weights}).differing(run_dir / name)


def finish(folder: Path, steps: int, **notes: Any) -> None:
    """Notes that a stage has taken all of its steps."""
    write_json(folder / DONE, {"steps": steps, **notes})


def steps_done(folder: Path) -> Any:
    """How many steps a finished stage has taken."""
    return read_json(folder / DONE).get("steps")


def trained_regressor(run_dir: Path) -> RegressorConfig:
    """The `RegressorConfig` of the run's first stage.

    Raises:
        InputError: it is not done.
    """
    if not (run_dir / "regressor" / DONE).exists():
        raise InputError(f"{run_dir}: has no trained regressor yet; leave out --stage, or give --stage regressor first")
    content = read_json(run_dir / "regressor" / "config.json")
    return RegressorConfig.from_json(content.get("settings", {}))


def set_aside(folder: Path) -> None:
    """Renames a folder to `free_name` of it."""
    folder.rename(free_name(folder))


def free_name(folder: Path) -> Path:
    """The first of NAME-1, NAME-2, ... that is free."""
    number = 1
    while (free := folder.with_name(f"{folder.name}-{number}")).exists():
        number += 1
    return free
