"""Both detectors side by side in one picture: boxes in frames, crops one after the other, places over time."""

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.lines import Line2D

from media.pictures import tile
from media.reading import read_frames
from preprocessing.compare_detectors.measures import centres, crop_places, match, sizes, tremble
from preprocessing.faces.alignment import crop_face, face_transform
from preprocessing.faces.detection import Face
from runtime.files import atomic_write

COLOURS = {"viola-jones": "#e07b00", "mtcnn": "#1f77d0", "mtcnn, tracked": "#2a9d4a"}
DRAWN = ("viola-jones", "mtcnn")  # in frames and as crops
MOST_FRAMES = 5
CROPS = 6  # consecutive ones
DRAWN_SIZE = 128  # pixels of a crop, about what the face has in the frame
SLICE = (0.4, 0.28, 0.92)  # of the crop's side: column, top and bottom; through brow, eye and a corner of the mouth
SLICE_FRAMES = 75
LEVELS = 30  # of each colour in the PNG: no difference to the eye, and half the size
VERTICAL = 1


def draw_comparison(path: Path, videos: list[Any]) -> None:
    """Writes a PNG of what both detectors found.

    Frames come from all parts of the list, of each part from the video in which most goes wrong, if anything does;
    crops and curves from the video in which the crops of Viola-Jones tremble neither least nor most.

    Args:
        path: of the PNG.
        videos: list of `ComparedVideo`, at least one.
    """
    typical = _typical(videos)
    figure = Figure(figsize=(13, 9.6), dpi=75, layout="constrained")
    parts: Any = figure.subfigures(3, 1, height_ratios=[1, 1.3, 0.95])
    in_frames, as_crops, over_time = parts
    _draw_frames(in_frames, videos)
    _draw_crops(as_crops, typical)
    _draw_curves(over_time, typical)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = np.asarray(canvas.buffer_rgba())[..., :3] / 255
    with atomic_write(path) as partial:
        imsave(partial, np.round(picture * LEVELS) / LEVELS, format="png")


def _faces(video: Any, method: str) -> list:
    """The true face of each frame, or None."""
    return match(video.faces[method], video.truth)[0]


def _typical(videos: list[Any]) -> Any:
    def crop_tremble(video):
        vectors = tremble(crop_places(_faces(video, "viola-jones")))
        return (vectors**2).mean() if len(vectors) else np.inf

    return sorted(videos, key=crop_tremble)[len(videos) // 2]


def _failures(video: Any) -> list[dict[str, str]]:
    """What each of DRAWN got wrong in each frame: "" or words, as a list of dictionaries."""
    of_methods = {method: match(video.faces[method], video.truth) for method in DRAWN}
    failures = []
    for index, box in enumerate(video.truth):
        words = {}
        for method, (right, wrong) in of_methods.items():
            missed = right[index] is None and not np.isnan(box[0])
            words[method] = " and ".join(["missed"] * missed + ["false face"] * bool(wrong[index]))
        failures.append(words)
    return failures


def _images(video: Any, indices: list[int]) -> dict[int, np.ndarray]:
    """Some frames of a video as a dictionary; a long one is read only as far as needed."""
    wanted = set(indices)
    frames = enumerate(islice(read_frames(video.path), max(wanted) + 1))
    return {index: image for index, (_, image) in frames if index in wanted}


def _draw_frames(figure: Any, videos: list[Any]) -> None:
    """A frame for each part of the list, with the boxes of both detectors and the landmarks of MTCNN."""
    parts = np.array_split(np.arange(len(videos)), min(MOST_FRAMES, len(videos)))
    for axes, part in zip(np.ravel(figure.subplots(1, len(parts))), parts, strict=True):
        failed = {index: [any(of.values()) for of in _failures(videos[index])] for index in part}
        video = videos[max(part, key=lambda index: sum(failed[index]))]
        failures = _failures(video)
        frame = next((i for i, of in enumerate(failures) if any(of.values())), len(failures) // 2)
        axes.imshow(_images(video, [frame])[frame])
        for method in DRAWN:
            wrong = match(video.faces[method], video.truth)[1][frame]
            for face in video.faces[method][frame]:
                is_wrong = any(face is other for other in wrong)
                _draw_face(axes, face, method, "--" if is_wrong else "-")
        words = [f"{method}: {what}" for method, what in failures[frame].items() if what]
        axes.set_title(f"{Path(video.path).stem}, frame {frame}", fontsize=10)
        axes.set_xlabel("; ".join(words) or "both right", fontsize=10)
        axes.set_xticks([])
        axes.set_yticks([])
    handles = [Line2D([], [], color=COLOURS[method], linewidth=2, label=method) for method in DRAWN]
    handles.append(Line2D([], [], color="#555555", linewidth=2, linestyle="--", label="false face"))
    figure.legend(handles=handles, frameon=False, loc="outside upper center", ncols=len(handles))


def _draw_face(axes: Any, face: Face, method: str, style: str) -> None:
    left, top, right, bottom = face.box
    x, y = [left, right, right, left, left], [top, top, bottom, bottom, top]
    axes.plot(x, y, style, color=COLOURS[method], linewidth=2)
    if method == "mtcnn":
        axes.plot(*face.landmarks.T, "o", color=COLOURS[method], markersize=3, markeredgecolor="white", mew=0.5)


def _draw_crops(figure: Any, video: Any) -> None:
    """For each detector consecutive crops, unsmoothed, and one column of the crops of all frames side by side."""
    faces = {method: _faces(video, method) for method in DRAWN}
    both = [index for index in range(len(video.truth)) if all(faces[method][index] for method in DRAWN)]
    if not both:
        figure.text(0.5, 0.5, "no frame in which both find the face", ha="center")
        return
    middle = max(len(both) // 2 - SLICE_FRAMES // 2, 0)
    shown = both[middle : middle + SLICE_FRAMES]
    images = _images(video, shown)
    panels = figure.subplots(2, 2, width_ratios=[CROPS, 3.6])
    column, top, bottom = (round(edge * DRAWN_SIZE) for edge in SLICE)
    for (left, right), method in zip(panels, DRAWN, strict=True):
        crops = [_crop(images[index], faces[method][index]) for index in shown]
        middle = max(len(crops) // 2 - CROPS // 2, 0)
        left.imshow(tile(np.stack(crops[middle : middle + CROPS]), CROPS))
        left.set_ylabel(method, color=COLOURS[method], fontsize=11)
        columns = np.stack([crop[top:bottom, column] for crop in crops], axis=1)
        right.imshow(columns, aspect="auto", interpolation="nearest")
        for axes in (left, right):
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
    panels[0, 0].set_title(f"{Path(video.path).stem}: consecutive crops, not smoothed", fontsize=10)
    panels[0, 1].set_title(f"a column of {len(shown)} crops, side by side: brow, eye, mouth", fontsize=10)


def _crop(image: np.ndarray, face: Face) -> np.ndarray:
    return crop_face(image, face_transform(face.landmarks, DRAWN_SIZE), DRAWN_SIZE)


def _draw_curves(figure: Any, video: Any) -> None:
    """Height of the box's centre, its size, and the height at which the crop's left eye is taken, frame by frame."""
    panels = figure.subplots(1, 3)
    for method, colour in COLOURS.items():
        faces = _faces(video, method)
        if any(faces):
            values = (
                centres(faces, video.truth)[:, 0, VERTICAL],
                sizes(faces)[:, 0, 0],
                crop_places(faces)[:, 0, VERTICAL],
            )
            for axes, of_frames in zip(panels, values, strict=True):
                axes.plot(of_frames - np.nanmedian(of_frames), color=colour, linewidth=1.3, label=method)
    titles = (
        "centre of the box, up and down, % of the face",
        "size of the box, %",
        "crop's left eye, up and down, pixels of 64",
    )
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("frame")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=len(COLOURS))
