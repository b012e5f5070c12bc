"""Figures with axes and words: the curves of a run, and the strip that sets methods side by side."""

from pathlib import Path
from typing import Any

from began.figures import draw_panels, draw_rows
from training.frames import shown_moments


def draw_curves(path: Path, rows: list[dict[str, Any]]) -> None:
    """Writes a PNG of a regressor's losses and of the mouth measures over the steps.

    Args:
        path: of the PNG.
        rows: of a `MetricsLog`.
    """
    draw_panels(
        path,
        rows,
        {
            "loss": ("loss", "validation_loss"),
            "mouth motion on validation clips": ("correlation", "explained_variance", "amplitude"),
        },
    )


def draw_refiner_curves(path: Path, rows: list[dict[str, Any]]) -> None:
    """Writes a PNG of a refiner's errors, its balance and the mouth measures over the steps: see `draw_curves`.

    What is 0 all along, as the balance where there is no discriminator, is left out.
    """
    panels = {
        "errors": ("real_error", "generated_error", "paired_error"),
        "balance": ("k",),
        "validation clips": ("correlation", "explained_variance", "amplitude", "mouth_sharpness"),
    }
    drawn = {title: [name for name in names if any(row[name] for row in rows)] for title, names in panels.items()}
    draw_panels(path, rows, {title: names for title, names in drawn.items() if names} or panels)


def draw_strip(path: str | Path, clips: Any) -> None:
    """Writes a PNG with a labelled row of faces for each method, the same moments in all of them.

    Args:
        path: of the PNG.
        clips: dictionary from label to faces, uint8 RGB [shape=(frames, size, size, 3)].
    """
    chosen = shown_moments(len(next(iter(clips.values()))))
    draw_rows(path, {label: faces[chosen] for label, faces in clips.items()})
