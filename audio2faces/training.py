"""Trains the final system in one run: the regressor, then the refiner on what it makes, then the evaluation."""

import dataclasses
from pathlib import Path

from began.frames import FrameSet
from preprocessing.files import read_json, write_json
from preprocessing.program import InputError

from .articulation import articulate
from .config import RegressorConfig
from .evaluation import evaluate, format_table
from .model_folder import save_model
from .refiner_training import fingerprint, train_refiner
from .regressor_training import train_regressor

DONE = "done.json"  # in the folder of a stage that has taken all of its steps


def train_system(config, dataset, run_dir, stage=None):
    """Trains both stages, each going on where it stopped, and evaluates the result.

    A run folder holds regressor/ and refiner/ (see `train_regressor` and `train_refiner`), model/ (the system, or after
    the first stage the regressor alone) and evaluation.json.

    Args:
        config: `SystemConfig`.
        dataset: `preprocessing.dataset.Dataset`.
        run_dir: folder of the run, made where missing.
        stage: "regressor" or "refiner" does this one alone; if it was done before, its folder is set aside and it
            begins anew.

    Returns:
        path of the model folder.

    Raises:
        InputError: the dataset lacks a split or the run belongs to other settings, data or another regressor; see
            `train_regressor`.
    """
    run_dir = Path(run_dir)
    if dataset.size != config.regressor.size:
        raise InputError(
            f"{dataset.folder}: faces of {dataset.size} pixels, the model has {config.regressor.size}; "
            f"prepare them with --size {config.regressor.size}"
        )
    if run_dir.is_dir() and any(run_dir.iterdir()) and not (run_dir / "regressor").is_dir():
        raise InputError(f"{run_dir}: this folder holds something else; choose another --run")
    if stage == "refiner":
        config = dataclasses.replace(config, regressor=trained_regressor(run_dir))
    if stage and (run_dir / stage / DONE).exists():
        set_aside(run_dir / stage)
    trained = train_regressor(config.regressor, dataset, run_dir / "regressor")
    write_json(run_dir / "regressor" / DONE, {"steps": config.regressor.steps})
    faces = FrameSet(dataset.split("train"), config.regressor.feature_settings)
    face = trained.face(run_dir.resolve().name, dataset.frame_rate, faces)
    if stage != "regressor" and knows_another_regressor(run_dir / "refiner", trained.network):
        if not stage:
            raise InputError(
                f"{run_dir / 'refiner'}: trained on another regressor; give --stage refiner to train it anew"
            )
        set_aside(run_dir / "refiner")
    if stage != "regressor":
        refiner = train_refiner(config.refiner, dataset, trained, faces, face, run_dir / "refiner")
        write_json(run_dir / "refiner" / DONE, {"steps": config.refiner.steps})
        face = dataclasses.replace(face, refiner=refiner)
    face = articulate(face, trained.training.frames.clips, dataset.split("validation"))
    save_model(run_dir / "model", face)
    report, _ = evaluate([face], dataset, "validation")  # the test split is not for choosing
    write_json(run_dir / "evaluation.json", report)
    print(f"{report['clips']} validation clips, {report['frames']} frames\n\n{format_table(report)}\n")
    return run_dir / "model"


def trained_regressor(run_dir):
    """The `RegressorConfig` of the run's first stage.

    Raises:
        InputError: it is not done.
    """
    if not (run_dir / "regressor" / DONE).exists():
        raise InputError(f"{run_dir}: has no trained regressor yet; leave out --stage, or give --stage regressor first")
    content = read_json(run_dir / "regressor" / "config.json")
    return RegressorConfig.from_json({name: value for name, value in content.items() if name not in ("mode", "data")})


def knows_another_regressor(run_dir, network):
    """Whether the run of a refiner exists that was begun with another regressor than this one."""
    path = run_dir / "config.json"
    return path.exists() and read_json(path).get("regressor") != fingerprint(network)


def set_aside(folder):
    """Renames a folder to the first of NAME-1, NAME-2, ... that is free."""
    number = 1
    while (free := folder.with_name(f"{folder.name}-{number}")).exists():
        number += 1
    folder.rename(free)
