"""Measures models on the clips of a split, beside their baselines, with confidence intervals over the clips."""

from collections.abc import Callable
from typing import Any

import numpy as np

from audio2faces.evaluate.baselines import NearestAudio, mean_face
from audio2faces.generate.compositing import blended
from audio2faces.lower_face import painted_mask
from audio2faces.trained.footage import forth_and_back
from measures.collapse import sharpness
from measures.mouth import (
    FOLLOWING,
    MARGIN,
    MouthComponents,
    correlation_of_sums,
    measures_of_sums,
    mouth_sums,
    pair_sums,
    swapped_sums,
)
from measures.similarity import flicker, mouth_opening, psnr, seam, ssim, still_region
from preprocessing.dataset import Clip, check_size
from preprocessing.faces.alignment import mouth_slices
from runtime import tables
from runtime.progress import with_progress
from training.frames import FrameSet, FrameStore, clip_maps, frame_numbers

RESAMPLED = 400  # times that the clips are drawn anew for the confidence intervals
CONFIDENCE = 0.95
VERY_WELL, USABLY = 0.8, FOLLOWING  # correlation of the mouth from which the verdict says so
BETTER = (0.2, MARGIN)  # by which that is to exceed the correlation with the motion of other sentences, for the same
ENOUGH = (5.0, 3.0)  # minutes of training speech that mostly do, for the same

# Name in the table, key of the measure, digits.
TABLE = (
    ("PSNR", "psnr", 2),
    ("SSIM", "ssim", 3),
    ("mouth PSNR", "mouth_psnr", 2),
    ("mouth SSIM", "mouth_ssim", 3),
    ("correlation", "correlation", 3),
    ("opening", "opening_correlation", 3),
    ("lag", "best_lag", 0),
    ("amplitude", "amplitude", 2),
    ("explained", "explained_variance", 3),
    ("swap", "swap", 2),
    ("sharpness", "sharpness", 2),
    ("mouth sharpness", "mouth_sharpness", 2),
    ("flicker", "flicker", 2),
    ("seam", "seam", 2),
)


def evaluate(
    models: list, store: FrameStore, split: str, components: MouthComponents | None = None
) -> tuple[dict, dict]:
    """Runs every method over every clip of a split.

    Mouth components are those of the training split's real frames. The baselines come from the training split too.

    Args:
        models: list of `FaceModel`; the baselines use the features of the first one.
        store: of a dataset with faces of the models' size.
        split: "validation" or "test".
        components: `MouthComponents` of the training split, or None to compute them.

    Returns:
        (report, faces): a JSON object with the measures of each method (see docs/measures.md), and the faces of all
        clips, real and by each method: dictionary from its name to a list of uint8 RGB arrays.

    Raises:
        InputError: the dataset has faces of another size, or lacks a split.
    """
    dataset = store.dataset
    for model in models:
        check_size(dataset, model.config.size, model.name)
    features = models[0].config.speech.feature_settings
    train, clips = store.frames("train", features), dataset.split(split)
    components = components or MouthComponents.fit(train.clips)
    methods = _methods(models, train, clips)
    faces: dict[str, list] = {name: [] for name in methods}
    for clip in with_progress(clips, "clip", "evaluating"):
        for name, method in methods.items():
            faces[name].append(method(clip))
    real = [clip.faces for clip in clips]
    references = real_measures(real, components, [frame_numbers(clip) for clip in clips])
    measured = {}
    for name in with_progress(list(faces), "method", "measuring"):
        measured[name] = measure(real, faces[name], components, references)
    report = {
        "model": models[0].name,
        "split": split,
        "clips": len(clips),
        "frames": sum(map(len, real)),
        "training_clips": len(train.clips),
        "training_seconds": round(len(train) / dataset.frame_rate, 1),
        "methods": measured,
    }
    report["verdict"] = {
        model.name: verdict(report["methods"][_method_of(model, models)], len(clips), report["training_seconds"])
        for model in models
    }
    return report, {"real": real, **faces}


def _methods(models: list[Any], train: FrameSet, clips: list[Clip]) -> dict[str, Any]:
    """Name of each method and the function from a clip to its faces."""
    mean = mean_face(train.clips)
    nearest = NearestAudio(train, models[0].statistics, models[0].config.speech.feature_settings)
    following = dict(zip((clip.name for clip in clips), [*clips[1:], clips[0]], strict=True))
    methods = {
        "mean face": lambda clip: np.broadcast_to(mean, clip.faces.shape),
        "first frame held": lambda clip: np.broadcast_to(clip.faces[0], clip.faces.shape),
        "nearest audio": nearest,
    }
    if any(model.refiner and model.config.motion for model in models):
        methods["nearest audio, in the clip's own frames"] = lambda clip: blended_into(nearest(clip), clip.faces)
    for model in models:
        methods |= _methods_of(_name(model, models), model, mean, following)
    return methods


def _name(model: Any, models: list[Any]) -> str:
    return model.name if len(models) > 1 else "model"


def _method_of(model: Any, models: list[Any]) -> str:
    """The method by which a model makes its faces by default."""
    refined = f"{_name(model, models)}, refined" if model.refiner else _name(model, models)
    return refined if model.filmed is None else f"{refined}, in the model's footage"


def _methods_of(name: str, model: Any, mean: np.ndarray, following: dict[str, Clip]) -> dict[str, Callable]:
    """What is measured of one model: with and without refiner, on several references, and put into footage.

    Args:
        name: of the model.
        model: `FaceModel`.
        mean: the mean face.
        following: the clip that comes after each, by its name; its faces are the footage of another moment.
    """
    last = {}  # the speech features of the last clip: all methods look at one after the other

    def speech_of(clip):
        if clip.folder not in last:
            last.clear()
            last[clip.folder] = model.predict_motion(clip_maps(clip, model.config.speech.feature_settings))
        return last[clip.folder]

    def on_first_frame(refined):
        def faces(clip):
            motion = model.relative_motion(speech_of(clip), still=speech_of(clip)[0])
            return model.render(motion, refined=refined, reference=clip.faces[0])

        return faces

    def on_mean_face(clip):
        return model.render(model.relative_motion(speech_of(clip), still=0.0), refined=False, reference=mean)

    def in_footage(of_clip):
        def faces(clip):
            motion, footage = model.relative_motion(speech_of(clip)), of_clip(clip)
            frames = footage.faces[forth_and_back(np.arange(len(motion)), len(footage.faces) - 1)]
            return in_frames(model, motion, frames, footage.faces[mouth_opening(footage.faces).argmin()])

        return faces

    regressor, refined = f"{name}, regressor alone" if model.refiner else name, f"{name}, refined"
    methods = {regressor: lambda clip: model.render(model.relative_motion(speech_of(clip)), refined=False)}
    if model.config.motion:
        methods[f"{regressor}, on the mean face"] = on_mean_face
        methods[f"{regressor}, on the clip's first frame"] = on_first_frame(refined=False)
    if model.refiner:
        methods[refined] = lambda clip: model.render(model.relative_motion(speech_of(clip)))
        if model.config.motion:
            methods[f"{refined}, on the clip's first frame"] = on_first_frame(refined=True)
            methods[f"{refined}, in the clip's own frames"] = in_footage(lambda clip: clip)
            if len(following) > 1:
                methods[f"{refined}, in another clip's frames"] = in_footage(lambda clip: following[clip.name])
    if model.filmed is not None:

        def in_own_footage(clip: Clip) -> np.ndarray:
            around = model.around(frame_numbers(clip), clip.entry["fps"])
            return model.render(model.relative_motion(speech_of(clip)), **around)

        methods[f"{refined}, in the model's footage"] = in_own_footage
    return methods


def in_frames(model: Any, motion: np.ndarray, frames: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Aligned faces into which a model's mouth is put, as `generate.py --source` does.

    Args:
        model: `FaceModel`.
        motion: of `FaceModel.relative_motion` [shape=(n, motion_size, motion_size, 3)].
        frames: aligned faces, whose mouth does not count, uint8 RGB [shape=(n, size, size, 3)].
        rest: one of the same footage with the mouth shut [shape=(size, size, 3)].

    Returns:
        uint8 RGB [shape=(n, size, size, 3)].
    """
    if model.paints:
        return model.render(motion, reference=rest, frames=frames)
    return blended_into(model.render(motion), frames)


def blended_into(faces: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Generated faces blended into aligned frames that they were made without, each as by `compositing.blended`."""
    return np.stack([blended(face, frame) for face, frame in zip(faces, frames, strict=True)])


def real_measures(
    real: list, components: MouthComponents, numbers: list[np.ndarray] | None = None
) -> list[dict[str, np.ndarray]]:
    """What is computed of the real clips once; `numbers` are as for `mouth_measures`."""
    return [
        {
            "components": components.transform(faces),
            "opening": _centred(mouth_opening(faces)),
            "region": still_region(faces),
            "numbers": of_clip,
        }
        for faces, of_clip in zip(real, numbers or [np.arange(len(faces)) for faces in real], strict=True)
    ]


def measure(
    real: list,
    generated: list[np.ndarray],
    components: MouthComponents,
    references: list[dict[str, np.ndarray]] | None = None,
) -> dict[str, Any]:
    """All measures of generated clips, pooled over their frames, each with a confidence interval over clips.

    Args:
        real: uint8 RGB, one array per clip [shape=(frames, size, size, 3) each].
        generated: the same frames, generated.
        components: `MouthComponents`.
        references: what `real_measures` computed of the real clips, or None for clips without dropped frames.

    Returns:
        dictionary of floats; sharpness, mouth sharpness, flicker and seam are relative to the real clips. None stands
        for what does not exist: the lag of what does not move, a ratio to nothing. Under `intervals` the lower and the
        upper bound of each: percentiles of RESAMPLED draws of as many clips (bootstrap; Efron 1979).
    """
    references = references or real_measures(real, components)
    of_clips = [
        _of_clip(x, y, components, reference) for x, y, reference in zip(real, generated, references, strict=True)
    ]
    positions = [of_clip["positions"] for of_clip in of_clips]
    followings = [*positions[1:], positions[0]]
    swapped = swapped_sums(*([side[which] for side in positions] for which in range(2)))
    for of_clip, following, of_others in zip(of_clips, followings, swapped, strict=True):  # the next clip's speech
        real_distance, distance = map(_distance, of_clip.pop("positions"), following)
        of_clip["swap"] = (distance, real_distance)
        of_clip["swapped"] = of_others
    sums = {name: np.stack([of_clip[name] for of_clip in of_clips]) for name in of_clips[0]}
    count = len(of_clips)
    values = {name: _known(value) for name, (value,) in _pooled(sums, np.ones((1, count))).items()}
    draws = np.random.default_rng(0).integers(count, size=(RESAMPLED, count))
    drawn = _pooled(sums, np.stack([np.bincount(draw, minlength=count) for draw in draws]))
    tails = (1 - CONFIDENCE) / 2
    intervals: dict[str, list] = {}
    for name, of_draws in drawn.items():
        known = of_draws[~np.isnan(of_draws)]
        if count > 1 and len(known):
            intervals[name] = np.quantile(known, [tails, 1 - tails]).tolist()
    return {**values, "intervals": intervals}


def _centred(values: np.ndarray) -> np.ndarray:
    """Less their mean: lips have another red in each clip."""
    return values - values.mean()


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    """Mean distance of two clips' positions along the mouth components, moment by moment."""
    shared = min(len(one), len(other))
    return float(np.linalg.norm(one[:shared] - other[:shared], axis=1).mean())


def _of_clip(
    real: Any, generated: np.ndarray, components: MouthComponents, reference: dict[str, np.ndarray]
) -> dict[str, Any]:
    """What adds up over clips, of one; and `positions` of the mouth along the components, real and generated."""
    rows, columns = mouth_slices(real.shape[1])
    mouth, generated_mouth = real[:, rows, columns], generated[:, rows, columns]
    region, numbers = reference["region"], reference["numbers"]
    opacity = painted_mask(real.shape[1])[..., 0]
    positions = (reference["components"], components.transform(generated))
    of_frames = {
        "psnr": psnr(real, generated),
        "ssim": ssim(real, generated),
        "mouth_psnr": psnr(mouth, generated_mouth),
        "mouth_ssim": ssim(mouth, generated_mouth),
    }
    return {
        **{name: (values.sum(), len(values)) for name, values in of_frames.items()},
        "mouth": mouth_sums(*positions, numbers),
        "opening": pair_sums(reference["opening"], _centred(mouth_opening(generated))),
        "positions": positions,
        "sharpness": (sharpness(generated), sharpness(real)),
        "mouth_sharpness": (sharpness(generated_mouth), sharpness(mouth)),
        "flicker": (flicker(generated, region, numbers), flicker(real, region, numbers)),
        "seam": (seam(generated, opacity), seam(real, opacity)),
    }


def _pooled(sums: dict[str, np.ndarray], counts: np.ndarray) -> dict[str, np.ndarray]:
    """Measures over all frames of some clips.

    Args:
        sums: what `_of_clip` gave, by name, arrays over the clips.
        counts: how often each clip is taken [shape=(draws, clips)].

    Returns:
        dictionary of arrays [shape=(draws,)], NaN for what does not exist.
    """
    sums = {name: np.tensordot(counts, of_clips, 1) for name, of_clips in sums.items()}
    opening = correlation_of_sums(sums.pop("opening"))
    measures = measures_of_sums(sums.pop("mouth"))
    of_others = sums.pop("swapped")
    swapped = np.where(of_others[..., 0, 0] > 0, measures_of_sums(of_others)["correlation"], np.nan)
    ratios = {name: _ratio(*pairs.T) for name, pairs in sums.items()}  # means are sums over numbers of frames
    of_pixels = ("psnr", "ssim", "mouth_psnr", "mouth_ssim")
    first = {name: ratios.pop(name) for name in of_pixels}
    return {**first, **measures, "swapped_correlation": swapped, "opening_correlation": opening, **ratios}


def _ratio(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of sums; NaN where there is nothing to compare with."""
    return np.where(second == 0, np.nan, first / np.where(second == 0, 1, second))


def _known(value: float) -> float | None:
    """A float; None for NaN, what does not exist."""
    return None if np.isnan(value) else float(value)


def _with_interval(values: Any, key: str, digits: int) -> str:
    """A value and half the width of its interval."""
    text = tables.cell(values[key], digits)
    if key not in values["intervals"] or not digits:
        return text
    low, high = values["intervals"][key]
    return f"{text} ± {(high - low) / 2:.{digits}f}"


def format_table(report: dict[str, Any], intervals: bool = True) -> str:
    """The report as an aligned Markdown table, a line per method; with half the widths of the confidence intervals."""

    def cell(values: dict[str, Any], key: str, digits: int) -> str:
        return _with_interval(values, key, digits) if intervals else tables.cell(values[key], digits)

    return tables.aligned(
        ["method", *(title for title, _, _ in TABLE)],
        (
            [name, *(cell(values, key, digits) for _, key, digits in TABLE)]
            for name, values in report["methods"].items()
        ),
    )


def verdict(values: dict, clips: int, seconds: float) -> str:
    """Whether the mouth follows the speech very well, usably or not, in one sentence; what to do, where it does not.

    Args:
        values: measures of a method.
        clips: number of clips that these were measured on.
        seconds: of speech that the model learned from.
    """
    correlation, explained = values["correlation"], values["explained_variance"] or 0.0
    others = values["swapped_correlation"]
    grade = 2
    if explained > 0:
        for place, (least, better) in enumerate(zip((VERY_WELL, USABLY), BETTER, strict=True)):
            if correlation >= least and (others is None or correlation - others >= better):
                grade = min(grade, place)
    follows = ("follows the speech very well", "follows the speech usably", "does not follow the speech")[grade]
    found = f"correlation {correlation:.2f} with the real mouth on {clips} held-out clip{'s' * (clips != 1)}"
    found += "" if others is None else f", {others:.2f} with the motion of other sentences"
    found += f"; it explains {explained:.2f} of the motion, a mouth at rest 0"
    return f"The mouth {follows}: {found}{_remedy(grade, seconds)}."


def _remedy(grade: int, seconds: float) -> str:
    """What to do about a grade of `verdict`, or nothing."""
    if not grade:
        return ""
    missing = ENOUGH[grade - 1] - seconds / 60
    if missing > 0:
        return f". It learned from {seconds:.0f} s of speech: record {np.ceil(2 * missing) / 2:.1f} more minutes"
    return (
        f". It learned from {seconds / 60:.1f} minutes of speech, which mostly is enough: check in preview.mp4 that "
        "sound and picture are in sync, and that the voice is this person's"
    )


def format_verdict(report: dict[str, Any]) -> list[str]:
    """The verdict on each model, with its name where there are several."""
    verdicts = report["verdict"]
    return [f"{name}: {line}" if len(verdicts) > 1 else line for name, line in verdicts.items()]
