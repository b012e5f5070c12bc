"""Figures with axes and words: the curves of a run, and the strip that sets methods side by side."""

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot

from preprocessing.files import whole_file
from preprocessing.pictures import tile

STRIP_FACES = 12  # columns of a strip
STRIP_SPAN = (0.2, 0.8)  # of the clip: where people speak


def draw_curves(path, rows):
    """Writes a PNG of the losses and of the mouth measures over the steps.

    Args:
        path: of the PNG.
        rows: dictionaries of metrics.csv.
    """
    steps = [int(row["step"]) for row in rows]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    panels = {
        left: ("train_loss", "validation_loss"),
        right: ("correlation", "explained_variance", "amplitude"),
    }
    for axes, names in panels.items():
        for name in names:
            axes.plot(steps, [float(row[name]) for row in rows], label=name.replace("_", " "))
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=3)
    left.set_title("loss")
    right.set_title("mouth motion on validation clips")
    _save(figure, path)


def draw_strip(path, clips):
    """Writes a PNG with a labelled row of faces for each method, the same moments in all of them.

    Args:
        path: of the PNG.
        clips: dictionary from label to faces, uint8 RGB [shape=(frames, size, size, 3)].
    """
    frames = len(next(iter(clips.values())))
    chosen = np.linspace(STRIP_SPAN[0] * (frames - 1), STRIP_SPAN[1] * (frames - 1), STRIP_FACES).round().astype(int)
    sheet = tile(np.concatenate([faces[chosen] for faces in clips.values()]), STRIP_FACES)
    height, width, _ = sheet.shape
    figure, axes = pyplot.subplots(figsize=(14, 11.5 * height / width), layout="constrained")
    axes.imshow(sheet, interpolation="lanczos")
    axes.set_xticks([])
    axes.set_yticks((np.arange(len(clips)) + 0.5) * height / len(clips), clips, fontsize=12)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    _save(figure, path)


def _save(figure, path):
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=110, format="png", bbox_inches="tight")
    pyplot.close(figure)
