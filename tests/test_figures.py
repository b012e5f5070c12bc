"""Pictures that a training draws: nothing is cut off or drawn over, rows have names."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

import audio2faces.figures
import began.figures
import began.vae.pictures
from media.pictures import read_picture

NAMES = (
    "loss", "validation_loss", "correlation", "explained_variance", "amplitude", "real_error", "generated_error",
    "paired_error", "k", "mouth_sharpness", "m_global", "diversity", "mouth_diversity", "sharpness", "coverage",
    "mouth_swap", "kl_divergence", "active_units",
)  # fmt: skip
DRAWN = [
    audio2faces.figures.draw_curves, audio2faces.figures.draw_refiner_curves, began.figures.draw_curves,
    began.vae.pictures.draw_vae_curves,
]  # fmt: skip


def told(steps):
    """Rows of metrics.csv whose values are small and negative, large and in between."""
    values = np.linspace(-0.72, 0.83, len(steps))
    return [
        {"step": step} | {name: value * (-1) ** place * 0.1 ** (place % 4) for place, name in enumerate(NAMES)}
        for step, value in zip(steps, values, strict=True)
    ]


@pytest.mark.parametrize("draw", DRAWN, ids=lambda draw: f"{draw.__module__}.{draw.__name__}")
@pytest.mark.parametrize("steps", [range(100, 401, 100), range(10_000, 200_001, 10_000), [8]], ids=len)
def test_labels_of_curves_are_whole_and_apart(draw, steps, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(began.figures, "save_figure", lambda figure, path: figures.append(figure))
    draw(tmp_path / "curves.png", told(list(steps)))
    (figure,) = figures
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    whole = figure.bbox
    for axes in figure.axes:
        ticks = [
            [label.get_window_extent() for label in axis.get_ticklabels() if label.get_text() and _seen(label, axis)]
            for axis in (axes.xaxis, axes.yaxis)
        ]
        for box in [box for of_axis in ticks for box in of_axis]:
            assert box.x0 >= whole.x0 and box.x1 <= whole.x1 and box.y0 >= whole.y0
            assert not any(box.overlaps(other.bbox) for other in figure.axes)
        for of_axis in ticks:
            assert len(of_axis) > (len(steps) > 1) and not any(a.overlaps(b) for a, b in combinations(of_axis, 2))
        assert all(len(line.get_xdata()) > 1 or line.get_marker() == "." for line in axes.lines)  # one point is seen
        low, high = sorted(axes.get_ylim())
        assert all(low <= value <= high for line in axes.lines for value in line.get_ydata())


def _seen(label, axis):
    place = label.get_position()[0 if axis.axis_name == "x" else 1]
    low, high = sorted(axis.get_view_interval())
    return low <= place <= high


def test_rows_of_a_regressor_s_samples_have_names(tiny_model_folder):
    (picture, *_) = sorted((tiny_model_folder.parent / "regressor" / "samples").glob("faces-*.png"))
    image = read_picture(picture)
    margin = image[:, : image.shape[1] // 9]
    assert (margin < 100).any(axis=(1, 2)).sum() > 20  # rows of letters
