"""The report of a dataset as histograms: lengths, pose, brightness, size of the faces, frames kept and dropped."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from preprocessing.dataset import SPLITS
from preprocessing.faces.quality import LARGEST_YAW, PITCHES
from runtime.files import atomic_write

BINS = 30
COLOURS = dict(zip(SPLITS, ("#2a78b5", "#e08a1e", "#d1495b"), strict=True))
KEPT, DROPPED = "#2a9d6f", "#8a8a8a"


def draw_report(path: Path, survey: Any, kept: int, dropped: dict[str, int]) -> None:
    """Writes the report's PNG.

    Args:
        path: of the PNG.
        survey: `survey.Survey`.
        kept: number of frames kept.
        dropped: Counter of frames dropped, by reason.
    """
    figure = Figure(figsize=(12, 6.8), layout="constrained")
    panels = figure.subplots(2, 3)
    seconds = np.array([of_clip.seconds for of_clip in survey.measures])
    yaw, pitch, eye_distance = (survey.values(name) for name in ("yaw", "pitch", "eye_distance"))
    # Of poses, all that is let through, so that one sees how much of it is used.
    poses = [np.linspace(*ends, 2 * BINS + 1) for ends in ((-LARGEST_YAW, LARGEST_YAW), PITCHES)]
    for axes, values, edges, title, unit in (
        (panels[0, 0], seconds, _edges(seconds, 1.0), "length of the clips", "seconds of speech"),
        (panels[0, 1], yaw, poses[0], "yaw: nose left or right of the middle", "eye distances"),
        (panels[0, 2], pitch, poses[1], "pitch: from the eyes to the mouth", "eye distances"),
        (
            panels[1, 1],
            eye_distance,
            _edges(eye_distance, 10.0),
            "size of the face in the source",
            "pixels between eyes",
        ),
    ):
        axes.hist(values, edges, color=COLOURS["train"])
        axes.set_title(title)
        axes.set_xlabel(unit)
    panels[0, 0].set_ylabel("clips")
    for axes in (panels[0, 1], panels[0, 2], panels[1, 1]):
        axes.set_ylabel("frames")
    _draw_brightness(panels[1, 0], survey)
    _draw_frames(panels[1, 2], kept, dropped)
    for axes in panels.flat:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25, axis="x" if axes is panels[1, 2] else "y")
        axes.set_axisbelow(True)
    figure.suptitle(f"{len(seconds)} clips, {seconds.sum() / 60:.1f} minutes of speech, {kept} faces", fontsize=14)
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=100, format="png")


def _edges(values: np.ndarray, least_span: float) -> np.ndarray:
    """Edges of bins that hold all values and span at least so much, or the smallest differences would look large."""
    low, high = values.min(), values.max()
    margin = max(0.0, least_span - (high - low)) / 2
    return np.linspace(low - margin, high + margin, BINS + 1)


def _draw_brightness(axes: Any, survey: Any) -> None:
    """A line for each split: shares, so that a small split is seen beside a large one."""
    edges = _edges(survey.values("brightness"), 40.0)
    for split, colour in COLOURS.items():
        values = survey.values("brightness", split)
        if len(values):
            shares = np.histogram(values, edges)[0] / len(values) * 100
            axes.stairs(shares, edges, color=colour, linewidth=1.8, label=split)
    axes.set_title("brightness of the faces")
    axes.set_xlabel("0 (black) to 255 (white)")
    axes.set_ylabel("% of the split's frames")
    axes.legend(frameon=False)


def _draw_frames(axes: Any, kept: int, dropped: Any) -> None:
    """A bar for the frames kept and for each reason why frames were dropped, its name above it."""
    counts = {"kept": kept, **dict(dropped.most_common())}
    axes.barh(range(len(counts)), counts.values(), height=0.4, color=[KEPT] + [DROPPED] * len(dropped))
    for row, (name, count) in enumerate(counts.items()):
        axes.text(0, row - 0.26, f" {name}: {count} ({100 * count / sum(counts.values()):.1f} %)")
    axes.set_ylim(max(len(counts), 4) - 0.5, -0.6)
    axes.set_yticks([])
    axes.set_title("frames kept and dropped")
    axes.set_xlabel("frames")
