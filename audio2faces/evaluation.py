"""Measures a model on the clips of a split, beside its baselines."""

import numpy as np

from began.collapse import sharpness
from began.mouth import MouthComponents, mouth_measures
from preprocessing.alignment import mouth_slices
from preprocessing.audio_features import speech_maps
from preprocessing.pixels import to_signed, to_uint8
from preprocessing.program import InputError, progress

from .baselines import NearestAudio, mean_face
from .measures import flicker, psnr, ssim, still_region

# Name in the table, key of the measure, digits.
TABLE = (
    ("PSNR", "psnr", 2),
    ("SSIM", "ssim", 3),
    ("mouth PSNR", "mouth_psnr", 2),
    ("mouth SSIM", "mouth_ssim", 3),
    ("correlation", "correlation", 3),
    ("amplitude", "amplitude", 2),
    ("explained", "explained_variance", 3),
    ("lag", "best_lag", 0),
    ("sharpness", "sharpness", 2),
    ("flicker", "flicker", 2),
)


def evaluate(model, dataset, split):
    """Runs every method over every clip of a split.

    Mouth components are those of the training split's real frames. The baselines come from the training split too.

    Args:
        model: `model_folder.TalkingFace`.
        dataset: `preprocessing.dataset.Dataset` with faces of the model's size.
        split: "validation" or "test".

    Returns:
        (report, first): a JSON object with the measures of each method (see docs/measures.md), and the faces of the
        first clip, real and by each method, as `figures.draw_strip` takes them.

    Raises:
        InputError: the dataset has faces of another size, or lacks a split.
    """
    if dataset.size != model.config.size:
        raise InputError(
            f"{dataset.folder}: faces of {dataset.size} pixels, the model has {model.config.size}; "
            f"prepare the clips with --size {model.config.size}"
        )
    train, clips = dataset.split("train"), dataset.split(split)
    components = MouthComponents.of(train)
    methods = _methods(model, train)
    faces = {name: [] for name in methods}
    with progress(len(clips), "clip", "evaluating") as bar:
        for clip in clips:
            for name, method in methods.items():
                faces[name].append(method(clip))
            bar.update(1)
    real = [np.asarray(clip.faces) for clip in clips]
    report = {
        "model": model.name,
        "split": split,
        "clips": len(clips),
        "frames": sum(map(len, real)),
        "training_clips": len(train),
        "methods": {name: measure(real, of_clips, components) for name, of_clips in faces.items()},
    }
    return report, {"real": real[0], **{name: of_clips[0] for name, of_clips in faces.items()}}


def _methods(model, train):
    """Name of each method and the function from a clip to its faces."""
    mean = mean_face(train)
    features = model.config.feature_settings

    def motion(clip):
        return model.motion(speech_maps(clip.speech(), clip.times, features))

    def on_first_frame(clip):
        moved = motion(clip)
        return to_uint8(to_signed(clip.faces[0]) + moved - moved[0])

    return {
        "mean face": lambda clip: np.broadcast_to(mean, clip.faces.shape),
        "first frame held": lambda clip: np.broadcast_to(clip.faces[0], clip.faces.shape),
        "nearest audio": NearestAudio(train, model.statistics, features),
        "model": lambda clip: model.faces(speech_maps(clip.speech(), clip.times, features)),
        "model on the mean face": lambda clip: to_uint8(to_signed(mean) + motion(clip)),
        "model on the clip's first frame": on_first_frame,
    }


def measure(real, generated, components):
    """All measures of generated clips, pooled over their frames.

    Args:
        real: uint8 RGB, one array per clip [shape=(frames, size, size, 3) each].
        generated: the same frames, generated.
        components: `MouthComponents`.

    Returns:
        dictionary of floats; sharpness and flicker are relative to the real clips. None stands for what does not
        exist: the lag of what does not move, a ratio to nothing.
    """
    rows, columns = mouth_slices(real[0].shape[1])
    pairs = list(zip(real, generated, strict=True))
    mouths = [(x[:, rows, columns], y[:, rows, columns]) for x, y in pairs]
    regions = [still_region(x) for x in real]

    def mean(function, of_pairs):
        return float(np.mean(np.concatenate([function(x, y) for x, y in of_pairs])))

    return {
        "psnr": mean(psnr, pairs),
        "ssim": mean(ssim, pairs),
        "mouth_psnr": mean(psnr, mouths),
        "mouth_ssim": mean(ssim, mouths),
        **mouth_measures(
            [components.of_faces(clip) for clip in real], [components.of_faces(clip) for clip in generated]
        ),
        "sharpness": _relative(map(sharpness, generated), map(sharpness, real)),
        "flicker": _relative(map(flicker, generated, regions), map(flicker, real, regions)),
    }


def _relative(generated, real):
    """Ratio of two sums; None where the real clips have none of it."""
    generated, real = sum(generated), sum(real)
    return generated / real if real else None


def _formatted(value, digits):
    return "-" if value is None else f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0: never -0


def format_table(report):
    """The report as an aligned Markdown table, a line per method."""
    header = ["method", *(title for title, _, _ in TABLE)]
    lines = [
        [name, *(_formatted(values[key], digits) for _, key, digits in TABLE)]
        for name, values in report["methods"].items()
    ]
    widths = [max(len(line[column]) for line in [header, *lines]) for column in range(len(header))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    pad = [str.ljust] + [str.rjust] * len(TABLE)
    return "\n".join(
        "| " + " | ".join(p(cell, width) for p, cell, width in zip(pad, line, widths, strict=True)) + " |"
        for line in [header, rule, *lines]
    )
