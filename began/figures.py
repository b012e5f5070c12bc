"""Figures with axes and words: curves of any run, and rows of faces set one below the other."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from media.pictures import read_picture, tile
from preprocessing.dataset import Clip
from runtime.files import atomic_write
from training.frames import SHOWN, clip_maps, shown_moments

TICKS, ROUND = 5, (1, 2, 2.5, 5, 10)  # at most so many on an axis, and what they may be multiples of
PANELS = {  # of a BEGAN's curves: title and columns of metrics.csv
    "reconstruction errors": ("real_error", "generated_error", "m_global"),
    "balance k": ("k",),
    "collapse meter (1: as real faces)": ("diversity", "mouth_diversity", "sharpness", "coverage"),
    "what the speech moves": ("correlation", "amplitude", "mouth_swap"),
}


def draw_curves(path: Path, rows: list[dict[str, Any]]) -> None:
    """Writes a PNG of a BEGAN's run: errors, k, collapse meter and mouth motion over the steps: see `draw_panels`."""
    draw_panels(path, rows, PANELS, columns=2, from_zero=True)


def draw_panels(
    path: Path,
    rows: list[dict[str, Any]],
    panels: Mapping[str, Sequence[str]],
    columns: int = 3,
    from_zero: bool = False,
) -> None:
    """Writes a PNG of curves over the steps of a run.

    Args:
        path: of the PNG.
        rows: of a `MetricsLog`.
        panels: dictionary from the title of each panel to the columns of metrics.csv that it shows.
        columns: most panels beside each other.
        from_zero: whether the panels reach down to 0 at least.
    """
    across = min(columns, len(panels))
    down = -(-len(panels) // across)
    steps = [row["step"] for row in rows]
    figure = Figure(figsize=(4.7 * across, 3.6 * down), layout="constrained")
    for axes, (title, names) in zip(figure.subplots(down, across, squeeze=False).flat, panels.items(), strict=False):
        for name in names:
            axes.plot(steps, np.array([row[name] for row in rows], float), marker=".", label=name.replace("_", " "))
        axes.set_title(title)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        # As many ticks whatever the room: else the layout gives new ones room for the old ones' labels, and cuts them.
        axes.xaxis.set_major_locator(MaxNLocator(TICKS, steps=ROUND, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(TICKS, steps=ROUND))
        axes.ticklabel_format(useOffset=False, style="plain")
        if from_zero and axes.get_ylim()[0] > 0:
            axes.set_ylim(bottom=0)
        axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)
    save_figure(figure, path)


def draw_rows(path: str | Path, rows: dict[str, np.ndarray]) -> np.ndarray:
    """Writes a PNG with a labelled row of faces for each method.

    Args:
        path: of the PNG.
        rows: dictionary from label to faces, uint8 RGB [shape=(columns, size, size, 3)], as many in each.

    Returns:
        the picture as uint8 RGB.
    """
    columns = len(next(iter(rows.values())))
    sheet = tile(np.concatenate(list(rows.values())), columns)
    height, width, _ = sheet.shape
    figure = Figure(figsize=(14, 11.5 * height / width), layout="constrained")
    axes = figure.subplots()
    axes.imshow(sheet, interpolation="lanczos")
    axes.set_xticks([])
    axes.set_yticks((np.arange(len(rows)) + 0.5) * height / len(rows), rows, fontsize=12)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return save_figure(figure, path)


def save_figure(figure: Figure, path: str | Path) -> np.ndarray:
    """Writes a figure as PNG, whole or not at all, and gives the picture as uint8 RGB [shape=(height, width, 3)]."""
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=110, format="png", bbox_inches="tight")
    return read_picture(path)


def draw_grid(path: str | Path, face: Any, clips: Sequence[Clip]) -> None:
    """Writes a PNG that shows what drives what: a sentence, the same with z held, one sound with z varied.

    Args:
        path: of the PNG.
        face: `began.face.BeganFace`.
        clips: held-out clips; the first is the sentence.
    """
    clip = clips[0]
    features = face.config.speech.feature_settings
    moments = shown_moments(len(clip.faces))
    maps = clip_maps(clip, features)[moments]
    rows = {"real": clip.faces[moments]}
    for seed in range(4):
        rows[f"z {seed + 1}, speech varied"] = face.faces(maps, face.draw(1, seed))
    for place in (0, SHOWN // 2):
        rows[f"speech {place + 1}, z varied"] = face.faces(
            maps[[place]].repeat(SHOWN, axis=0), face.draw(SHOWN, seed=9)
        )
    draw_rows(path, rows)
