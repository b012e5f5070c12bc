"""Trains the final system in one run: the regressor, then the refiner on what it makes, then the evaluation."""

import dataclasses
import sys
from pathlib import Path

import numpy as np

from audio2faces.config import SystemConfig
from audio2faces.evaluate.evaluation import evaluate, format_table, format_verdict
from audio2faces.phases import training_phases
from audio2faces.refiner.training import fingerprint, train_refiner
from audio2faces.regressor.articulation import Articulation
from audio2faces.regressor.training import train_regressor
from audio2faces.stages import Plan, finish, plan_stages, set_aside
from audio2faces.trained.face import FaceModel, save_model
from audio2faces.trained.footage import forth_and_back
from audio2faces.trained.footage_choice import cut_footage
from audio2faces.trained.model_card import write_card
from measures.mouth import MouthComponents
from preprocessing.dataset import Dataset
from runtime.files import write_json
from runtime.progress import with_progress
from runtime.whole_run import whole_run
from training.frames import FrameStore, rest_frame, smaller
from training.run_folder import own_run, with_precision


def train_system(config: SystemConfig, dataset: Dataset, run_dir: Path, stage: str | None = None) -> Path:
    """Trains both stages, each going on where it stopped, and evaluates the result.

    A run folder holds regressor/ and refiner/ (see `train_regressor` and `train_refiner`), model/ (the system, or after
    the first stage the regressor alone) and evaluation.json.

    Args:
        config: settings.
        dataset: with faces of their size.
        run_dir: folder of the run, made where missing.
        stage: "regressor" or "refiner" does this one alone. It goes on where it stopped if its settings are the same;
            if they differ, or if it was done before, its folder is set aside and it starts anew.

    Returns:
        path of the model folder.

    Raises:
        InputError: the dataset lacks a split, the run belongs to other settings, data or another regressor, or another
            process trains it; see `train_regressor`.
    """
    config = SystemConfig(with_precision(config.regressor), with_precision(config.refiner))
    plan_stages(config, dataset, run_dir, stage)
    with own_run(run_dir) as run_dir:
        plan = plan_stages(config, dataset, run_dir, stage)
        print("\n".join(plan.lines), file=sys.stderr)
        with whole_run(training_phases(plan.config, dataset, plan.left)):
            return _train(plan, dataset, run_dir, stage)


def _train(plan: Plan, dataset: Dataset, run_dir: Path, stage: str | None) -> Path:
    config, store = plan.config, FrameStore(dataset)
    if "regressor" in plan.anew:
        set_aside(run_dir / "regressor")
    trained = train_regressor(config.regressor, store, run_dir / "regressor")
    steps = 0 if config.regressor.frozen and not config.regressor.decoder_widths else config.regressor.training.steps
    finish(run_dir / "regressor", steps, weights=fingerprint(trained.network))
    face = trained.face(run_dir.resolve().name)
    if stage != "regressor":
        if "refiner" in plan_stages(config, dataset, run_dir, stage).anew:
            set_aside(run_dir / "refiner")
        refiner = train_refiner(config.refiner, trained, face, run_dir / "refiner")
        finish(run_dir / "refiner", config.refiner.training.steps)
        face = dataclasses.replace(face, refiner=refiner)
    face = articulate(face, trained.task.mouth, store)
    face = dataclasses.replace(face, footage=cut_footage(dataset, trained.loudness, run_dir))
    if face.footage is None:
        print("note: no source of a training clip can be read any more: the model carries no footage", file=sys.stderr)
    save_model(run_dir / "model", face)
    report, _ = evaluate([face], store, "validation", trained.task.full_mouth)  # the test split is not for choosing
    write_json(run_dir / "evaluation.json", report)
    write_card(run_dir / "model", face.config, dataset, report)
    print(f"{report['clips']} validation clips, {report['frames']} frames\n\n{format_table(report)}\n")
    print("\n".join([*format_verdict(report), ""]))
    return run_dir / "model"


def articulate(face: FaceModel, components: MouthComponents, store: FrameStore) -> FaceModel:
    """A talking face whose mouth moves as far as the speaker's, on clips that its regressor did not learn from.

    What counts is how far it moves in footage of another moment, where cheeks and jaw do not move with the mouth: the
    mouth motion of each clip is painted into the frames of the next one (into its own, where it is the only one). By a
    refiner that sees no frame, the reference is moved.

    Args:
        face: with its refiner, if it is to have one.
        components: of training clips with faces of the motion's size.
        store: of the dataset, whose validation clips tell.

    Returns:
        the same face with `Articulation`; one that makes no motion as it is.
    """
    if not face.config.motion:
        return face
    held_out = store.frames("validation", face.config.speech.feature_settings)
    predicted, real, regressed, shown = [], [], [], []
    following = [*range(1, len(held_out.clips)), 0]
    for clip, maps, other in with_progress(
        list(zip(held_out.clips, held_out.maps, following, strict=True)), "clip", "fitting articulation"
    ):
        predicted.append(face.predict_motion(maps))
        motion, around = face.relative_motion(predicted[-1]), {}
        if face.paints:
            frames = np.asarray(held_out.clips[other].faces)
            played = frames[forth_and_back(np.arange(len(motion)), len(frames) - 1)]
            around = {"reference": frames[rest_frame(held_out.maps[other])], "frames": played}
        of_clip = clip.faces, face.render(motion, refined=False), face.render(motion, **around)
        for positions, faces in zip((real, regressed, shown), of_clip, strict=True):
            positions.append(components.transform(smaller(faces, face.config.motion_size)))
    articulation = Articulation.from_components(components, predicted)
    return dataclasses.replace(face, articulation=articulation.fitted(real, regressed, shown))
