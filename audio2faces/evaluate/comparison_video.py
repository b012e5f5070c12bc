"""A video that sets methods side by side: sentences as they were filmed, and as a model speaks them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from audio2faces.generate.compositing import put_back
from audio2faces.generate.source import Source
from audio2faces.lower_face import painted_mask
from audio2faces.trained.footage_choice import source_pictures
from media.reading import SPEECH_RATE
from media.writing import SHORTEST_SIDE, SOUND_RATE, SYNTHETIC, TalkingVideo
from preprocessing.dataset import Clip
from runtime.errors import InputError
from runtime.files import atomic_write
from training.frames import frame_numbers

COMPARED_CLIPS = 3  # sentences
GAP = 16  # pixels between faces


def write_comparison(path: str | Path, model: Any, clips: list[Clip], faces: dict[str, list[np.ndarray]]) -> None:
    """Writes sentences side by side: real | painted into the same frames | in the model's footage.

    Where a model carries no footage: real | by the regressor | refined.

    Args:
        path: of an mp4 file, which gets COMPARED_CLIPS of them with their sound, or of a webp file, which gets the
            first as a moving picture; replaced whole or not at all.
        model: `FaceModel`.
        clips: of a split of the dataset.
        faces: what `evaluation.evaluate` gave for them.
    """
    name = model.name if model.name in {method.partition(", ")[0] for method in faces} else "model"
    methods = [name, f"{name}, regressor alone", f"{name}, refined"]  # the first, where there is no refiner
    if model.filmed is not None:
        methods = [f"{name}, refined, in the clip's own frames", f"{name}, refined, in the model's footage"]
    shown = [faces[method] for method in ["real", *methods] if method in faces]
    comment = f"Left: a real recording. The others are synthetic: {SYNTHETIC}, {model.name}."
    chosen = np.unique(np.linspace(0, len(clips) - 1, COMPARED_CLIPS).round().astype(int))
    sentences = (
        (clips[index], _pictures(model, clips[index], [of_clips[index] for of_clips in shown])) for index in chosen
    )
    with atomic_write(path) as partial:
        if str(path).lower().endswith(".webp"):
            pictures = [Image.fromarray(picture) for picture in _side_by_side(next(sentences)[1])]
            xmp = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{comment}</x:xmpmeta>".encode()
            options = {"duration": round(1000 / model.frame_rate), "loop": 0, "quality": 80, "xmp": xmp}
            pictures[0].save(partial, "WEBP", save_all=True, append_images=pictures[1:], **options)
            return
        with contextlib.ExitStack() as stack:
            video = None
            for clip, rows in sentences:
                places = _shown(clip.times, model.frame_rate)
                joined = list(_side_by_side([[row[place] for place in places] for row in rows]))
                if video is None:
                    height, width = joined[0].shape[:2]
                    video = stack.enter_context(TalkingVideo(partial, width, model.frame_rate, comment, height))
                video.write_faces(joined)
                samples = clip.speech()
                wanted = round(len(joined) / model.frame_rate * SOUND_RATE)
                times = np.arange(wanted) / SOUND_RATE + clip.times[0]
                sound = np.interp(times, np.arange(len(samples)) / SPEECH_RATE, samples)
                video.write_sound(sound.astype(np.float32))


def _pictures(model: Any, clip: Clip, faces: list[np.ndarray]) -> list[Any]:
    """Pictures of a clip by each method: in full, where the model has footage and the clip its source; else the faces.

    Args:
        model: `FaceModel`.
        clip: of a dataset.
        faces: real ones and those of the methods [shape=(frames, size, size, 3) each].
    """
    size = model.config.size
    with contextlib.suppress(InputError, OSError, KeyError):
        if model.filmed is not None:
            real, own, alone = faces
            opacity, footage = painted_mask(size)[..., 0], Source.of_footage(model.footage, size)
            frames, places = zip(*source_pictures(clip, 0, len(real)), strict=True)
            painted = [put_back(*parts) for parts in zip(frames, own, [opacity] * len(own), places, strict=True)]
            times = frame_numbers(clip) / clip.entry["fps"]
            speaking = [footage.with_face(face, time, painted=1.0) for face, time in zip(alone, times, strict=True)]
            return [frames, painted, speaking]
    side = -(-SHORTEST_SIDE // size) * size
    return [[cv2.resize(face, (side, side), interpolation=cv2.INTER_LANCZOS4) for face in row] for row in faces]


def _shown(times: np.ndarray, frame_rate: float) -> np.ndarray:
    """Which frame of a clip each frame of a video shows: where some were dropped, the last one stays [shape=(n,)]."""
    moments = times[0] + np.arange(round((times[-1] - times[0]) * frame_rate) + 1) / frame_rate
    return np.maximum(0, np.searchsorted(times, moments + 0.5 / frame_rate) - 1)


def _side_by_side(rows: list[Any]) -> Iterator[Any]:
    """Pictures of several methods next to each other, as high as those of the first: uint8 RGB, a frame at a time."""
    height = rows[0][0].shape[0]
    gap = np.full((height, GAP, 3), 255, np.uint8)
    for pictures in zip(*rows, strict=True):
        parts = [gap]
        for picture in pictures:
            width = 2 * round(picture.shape[1] * height / picture.shape[0] / 2)
            parts += [cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), gap]
        yield np.concatenate(parts[1:-1], axis=1)
