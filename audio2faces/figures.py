"""Figures with axes and words: the curves of a run, and the strip that sets methods side by side."""

import numpy as np
from matplotlib import pyplot

from began.figures import draw_rows, save_figure

STRIP_FACES = 12  # columns of a strip
STRIP_SPAN = (0.2, 0.8)  # of the clip: where people speak


def draw_curves(path, rows):
    """Writes a PNG of the losses and of the mouth measures over the steps.

    Args:
        path: of the PNG.
        rows: dictionaries of metrics.csv.
    """
    _draw_panels(
        path,
        rows,
        {
            "loss": ("train_loss", "validation_loss"),
            "mouth motion on validation clips": ("correlation", "explained_variance", "amplitude"),
        },
    )


def draw_refiner_curves(path, rows):
    """Writes a PNG of a refiner's errors, its balance and the mouth measures over the steps: see `draw_curves`."""
    _draw_panels(
        path,
        rows,
        {
            "errors": ("real_error", "generated_error", "paired_error"),
            "balance": ("k",),
            "validation clips": ("correlation", "explained_variance", "amplitude", "mouth_sharpness"),
        },
    )


def _draw_panels(path, rows, panels):
    steps = [int(row["step"]) for row in rows]
    figure, all_axes = pyplot.subplots(1, len(panels), figsize=(4.5 * len(panels), 3.2), layout="constrained")
    for axes, (title, names) in zip(all_axes, panels.items(), strict=True):
        for name in names:
            axes.plot(steps, [float(row[name]) for row in rows], label=name.replace("_", " "))
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)
        axes.set_title(title)
    save_figure(figure, path)


def draw_strip(path, clips):
    """Writes a PNG with a labelled row of faces for each method, the same moments in all of them.

    Args:
        path: of the PNG.
        clips: dictionary from label to faces, uint8 RGB [shape=(frames, size, size, 3)].
    """
    frames = len(next(iter(clips.values())))
    chosen = np.linspace(STRIP_SPAN[0] * (frames - 1), STRIP_SPAN[1] * (frames - 1), STRIP_FACES).round().astype(int)
    draw_rows(path, {label: faces[chosen] for label, faces in clips.items()})
