"""Measures what a speech encoder knows of a voice that it has not heard: trained without each speaker in turn.

For a speaker that was left out, "shared" is the correlation of the encoder's shared output with the first component of
the speaker's own mouth motion, over whole clips and from the first to the last frame of speech alone: what a mouth does
before and after the sentence is a habit that no sound tells. Then a face is trained on the first half of the speaker's
clips, two of them to choose by, and measured on the second half. With --face a face of another speaker is trained from
the same encoder, and the left-out voice drives it: its first component and its opening against the first component of
the talker's own mouth, over whole clips and while speaking. Beside it stands how that face follows its own voice, on
its validation clips.
"""

import sys
from pathlib import Path

import numpy as np

from audio2faces.config import RegressorConfig
from experiments.splits import splits_of, with_splits
from experiments.trained_face import train_face
from preprocessing.dataset import open_dataset
from runtime import tables
from runtime.backend import import_keras
from runtime.errors import InputError
from runtime.files import read_json
from runtime.program import ArgumentParser, number, program

CHOSEN_BY = 2  # clips of the first half
MEASURES = ("correlation", "opening_correlation", "explained_variance")


def parse_arguments():
    """Reads the command line."""
    parser = ArgumentParser(prog="python -m experiments.leave_one_out", description=__doc__)
    parser.add_argument("--data", metavar="DATASET", action="append", required=True, help="of a speaker; give several")
    parser.add_argument("--without", metavar="NAME", action="append", help="left out (default: each in turn)")
    parser.add_argument("--runs", metavar="FOLDER", type=Path, required=True, help="of the trainings, which go on")
    parser.add_argument("--face", metavar="DATASET", help="of the speaker whose face the left-out voices drive")
    parser.add_argument(
        "--adapted",
        type=number(0, 1, float),
        default=RegressorConfig.adapted,
        help=f"share of the adapted weights in the encoder of a face (default: {RegressorConfig.adapted})",
    )
    parser.add_argument("--steps", type=number(1, 10**6, int), default=5000, help="of an encoder (default: 5000)")
    parser.add_argument("--seed", type=number(0, 2**32 - 1, int), default=0, help="of an encoder (default: 0)")
    return parser.parse_args()


def halves(dataset):
    """The same dataset, trained on its first half and tested on its second, by the names of its clips."""
    names = list(splits_of(dataset))
    half = len(names) // 2
    chosen_by = half - CHOSEN_BY
    parts = {"train": names[:chosen_by], "validation": names[chosen_by:half], "test": names[half:]}
    return with_splits(dataset, {name: split for split, part in parts.items() for name in part})


def shared_correlations(model, task, dataset, features):
    """Correlation of the shared output with the speaker's own first component: of all frames, of those of speech."""
    from audio2faces.speech_encoder.voices import Voice
    from measures.other_voices import agreement, speech_span
    from training.frames import FrameStore

    voice = Voice(FrameStore(dataset), features)
    real, made, speaking = [], [], []
    for frames in (voice.frames, voice.held_out):
        for maps, mouth in zip(frames.maps, voice.positions(frames), strict=True):
            output, _ = model({"speech": task.standardise(maps)})
            real.append(mouth[:, 0])
            made.append(np.asarray(output)[:, 0])
            speaking.append(speech_span(maps))
    return agreement(real, made), agreement(real, made, speaking)


def driven_agreement(face, talker, seen):
    """Correlation of a face with the mouth of the talker who drives it, of whole clips and while speaking.

    Args:
        face: that is driven.
        talker: dataset of the one who drives it.
        seen: clips that the face learned from.

    Returns:
        that of its first component, of whole clips and while speaking, and the same two of its opening.
    """
    from measures.other_voices import opening_component, talker_agreement
    from measures.similarity import mouth_opening
    from training.frames import clip_maps

    def maps_of(clips):
        return [clip_maps(clip, face.config.speech.feature_settings) for clip in clips]

    maps = maps_of(talker.clips)
    made = [face.faces(of_clip) for of_clip in maps]
    curves = (opening_component(seen, maps_of(seen)), mouth_opening)
    return [
        value for curve in curves for value in talker_agreement(talker.clips, maps, [curve(faces) for faces in made])
    ]


def measure(left_out, others, driven, training, runs, adapted):
    """A row of the table: correlations of the shared output, measures of the face of half of the clips, of the driven.

    Args:
        left_out: dataset of the speaker.
        others: datasets that the encoder learns from.
        driven: dataset of the speaker whose face is driven, or None.
        training: settings of the encoder's training.
        runs: folder of the trainings.
        adapted: share of the adapted weights in the encoder of a face.
    """
    from audio2faces.evaluate.evaluation import evaluate
    from audio2faces.speech_encoder.config import SpeechEncoderConfig
    from audio2faces.speech_encoder.training import SpeechEncoderTask, train_speech_encoder
    from audio2faces.speech_encoder.voices import Voice
    from training.checkpoints import load_weights
    from training.frames import FrameStore
    from training.loop import BEST
    from training.run_folder import with_precision

    name = left_out.folder.resolve().name
    config = with_precision(SpeechEncoderConfig().updated(training=training))
    run = runs / f"without-{name}"
    encoder = train_speech_encoder(config, others, run)
    features = config.speech.feature_settings
    task = SpeechEncoderTask(config, [Voice(FrameStore(dataset), features) for dataset in others])
    model = task.new_model("float32")
    load_weights(run / BEST, model)
    dataset = halves(left_out)
    share = "" if adapted == RegressorConfig.adapted else f"-{adapted:g}"
    face = train_face(dataset, runs / f"face-{name}{share}", encoder, "regressor", adapted=adapted)
    report, _ = evaluate([face], FrameStore(dataset), "test")
    values = report["methods"]["model"]
    row = [*shared_correlations(model, task, left_out, features), *(values[key] for key in MEASURES)]
    if driven:
        run = runs / f"driven-by-{name}{share}"
        other = train_face(driven, run, encoder, "regressor", adapted=adapted)
        own = read_json(run / "evaluation.json")["methods"]["model"]
        row += [*driven_agreement(other, left_out, driven.split("train")), *(own[key] for key in MEASURES)]
    return row


@program
def main():
    """Trains and prints a table."""
    arguments = parse_arguments()
    datasets = {Path(folder).resolve().name: open_dataset(folder) for folder in arguments.data}
    without = arguments.without or list(datasets)
    if unknown := set(without) - set(datasets):
        raise InputError(f"--without {', '.join(sorted(unknown))}: no such dataset among {', '.join(datasets)}")
    import_keras()
    driven = open_dataset(arguments.face) if arguments.face else None
    measures = ("correlation", "opening", "explained")
    columns = ["shared", "shared, while speaking", *(f"face: {measure}" for measure in measures)]
    if driven:
        curves = ("first component", "opening")
        columns += [f"driven face: {curve}{when}" for curve in curves for when in ("", ", while speaking")]
        columns += [f"driven face, own voice: {measure}" for measure in measures]
    print(tables.head(["left out", *columns]), flush=True)
    rows, training = [], {"steps": arguments.steps, "seed": arguments.seed}
    for name in without:
        others = [dataset for other, dataset in datasets.items() if other != name]
        rows.append(measure(datasets[name], others, driven, training, arguments.runs, arguments.adapted))
        print(tables.row([name, *(f"{value:.2f}" for value in rows[-1])]), flush=True)
    print(tables.row(["mean", *(f"{value:.2f}" for value in np.mean(rows, axis=0))]))


if __name__ == "__main__":
    sys.exit(main())
