"""Trains the final system in one run: the regressor, then the refiner on what it makes, then the evaluation."""

import dataclasses
import sys

from audio2faces.config import STAGES
from audio2faces.evaluate.methods import evaluate, format_table, format_verdict
from audio2faces.face import save_model
from audio2faces.refiner.training import fingerprint, train_refiner
from audio2faces.regressor.articulation import articulate
from audio2faces.regressor.training import train_regressor
from audio2faces.stages import finish, plan_stages, set_aside
from runtime.files import write_json
from training.frames import FrameSet
from training.run_folder import choose_precision, own_run


def train_system(config, dataset, run_dir, stage=None):
    """Trains both stages, each going on where it stopped, and evaluates the result.

    A run folder holds regressor/ and refiner/ (see `train_regressor` and `train_refiner`), model/ (the system, or after
    the first stage the regressor alone) and evaluation.json.

    Args:
        config: `SystemConfig`.
        dataset: `preprocessing.dataset.Dataset`.
        run_dir: folder of the run, made where missing.
        stage: "regressor" or "refiner" does this one alone. It goes on where it stopped if its settings are the same;
            if they differ, or if it was done before, its folder is set aside and it begins anew.

    Returns:
        path of the model folder.

    Raises:
        InputError: the dataset lacks a split, the run belongs to other settings, data or another regressor, or another
            process trains it; see `train_regressor`.
    """
    for name in STAGES:
        precision = choose_precision(getattr(config, name).precision)
        config = config.with_settings([name], precision=precision)
    plan_stages(config, dataset, run_dir, stage)
    with own_run(run_dir) as run_dir:
        return _train(config, dataset, run_dir, stage)


def _train(config, dataset, run_dir, stage):
    plan = plan_stages(config, dataset, run_dir, stage)
    print("\n".join(plan.lines), file=sys.stderr)
    config = plan.config
    if "regressor" in plan.anew:
        set_aside(run_dir / "regressor")
    trained = train_regressor(config.regressor, dataset, run_dir / "regressor")
    finish(run_dir / "regressor", config.regressor.steps, weights=fingerprint(trained.network))
    training = trained.training
    faces = FrameSet(dataset.split("train"), config.regressor.feature_settings, training.frames.maps)
    face = trained.face(run_dir.resolve().name, dataset.frame_rate, faces)
    if stage != "regressor":
        if "refiner" in plan_stages(config, dataset, run_dir, stage).anew:
            set_aside(run_dir / "refiner")
        refiner = train_refiner(config.refiner, dataset, trained, faces, face, run_dir / "refiner")
        finish(run_dir / "refiner", config.refiner.steps)
        face = dataclasses.replace(face, refiner=refiner)
    face = articulate(face, training.mouth, dataset.split("validation"))
    save_model(run_dir / "model", face)
    report, _ = evaluate([face], dataset, "validation", training.full_mouth)  # the test split is not for choosing
    write_json(run_dir / "evaluation.json", report)
    print(f"{report['clips']} validation clips, {report['frames']} frames\n\n{format_table(report)}\n")
    print("\n".join([*format_verdict(report), ""]))
    return run_dir / "model"
