"""Pictures of an audio VAE: reconstructed maps, codes and what they stand for, the curves of its run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from began.figures import draw_panels, save_figure


def draw_reconstructions(path: Path, real: np.ndarray, reconstructed: np.ndarray) -> np.ndarray:
    """Writes a PNG of heat maps, time to the right and coefficients upwards: of each clip real above reconstructed.

    Args:
        path: of the PNG.
        real: standardised maps [shape=(clips, moments, rows, coefficients)].
        reconstructed: the same, reconstructed.

    Returns:
        the picture as uint8 RGB.
    """
    clips, moments = real.shape[:2]
    figure = Figure(figsize=(1.5 * moments + 1, 2.4 * clips + 0.6), layout="constrained")
    axes = figure.subplots()
    pairs = np.stack([real, reconstructed], axis=1)  # (clips, 2, moments, rows, coefficients)
    image = _draw_maps(axes, pairs.reshape(2 * clips, *real.shape[1:]), ("real", "reconstructed") * clips)
    figure.colorbar(image, ax=axes, label="standard deviations", aspect=40)
    axes.set_title("maps of validation speech: time to the right, coefficients upwards")
    return save_figure(figure, path)


def draw_codes(
    path: Path,
    codes: np.ndarray,
    loudness: np.ndarray,
    information: np.ndarray,
    units: np.ndarray,
    steps: np.ndarray,
    decoded: np.ndarray,
) -> np.ndarray:
    """Writes a PNG: codes along their two principal components, information of each unit, traversals.

    Args:
        path: of the PNG.
        codes: mean codes [shape=(frames, code_size)].
        loudness: of each frame in decibels [shape=(frames,)].
        information: KL divergence of each unit in nats [shape=(code_size,)].
        units: indices of the units traversed.
        steps: values given to them, the others being 0.
        decoded: standardised maps [shape=(units, steps, rows, coefficients)].

    Returns:
        the picture as uint8 RGB.
    """
    figure = Figure(figsize=(13, 6.2), layout="constrained")
    halves: Any = figure.subfigures(1, 2, width_ratios=(1, 1.25))
    left, right = halves
    cloud, bars = left.subplots(2, 1, height_ratios=(3, 1))
    centred = codes - codes.mean(axis=0)
    _, strengths, directions = np.linalg.svd(centred, full_matrices=False)
    shares = strengths**2 / max((strengths**2).sum(), 1e-12)
    low, high = np.percentile(loudness, (2, 98))
    dots = cloud.scatter(*(centred @ directions[:2].T).T, c=loudness, s=5, cmap="viridis", vmin=low, vmax=high)
    left.colorbar(dots, ax=cloud, label="loudness in dB")
    cloud.set_xlabel(f"first component, {100 * shares[0]:.0f} % of the variance")
    cloud.set_ylabel(f"second, {100 * shares[1]:.0f} %")
    cloud.set_title("codes of validation speech")
    bars.bar(range(len(information)), np.sort(information)[::-1], color="#2a78b5")
    bars.set_xlabel("units of the code, the most informed first")
    bars.set_ylabel("nats")
    bars.xaxis.get_major_locator().set_params(integer=True)
    for axes in (cloud, bars):
        axes.spines[["top", "right"]].set_visible(False)
    axes = right.subplots()
    values = [f"{step:+g}" if step else "0" for step in steps]
    image = _draw_maps(axes, decoded, [f"unit {unit}" for unit in units], values)
    right.colorbar(image, ax=axes, label="standard deviations", aspect=40)
    axes.set_title("maps decoded from one unit, the others being 0", pad=22)
    return save_figure(figure, path)


def draw_vae_curves(path: Path, rows: list[dict[str, Any]]) -> None:
    """Writes a PNG of the losses, the share of variance explained and the KL divergence over the steps.

    Args:
        path: of the PNG.
        rows: of a `MetricsLog`.
    """
    panels = {
        "loss": ("loss", "validation_loss"),
        "share of variance explained": ("explained_variance",),
        "nats of a code, units in use": ("kl_divergence", "active_units"),
    }
    draw_panels(path, rows, panels)


def _draw_maps(axes: Any, maps: np.ndarray, row_labels: Sequence[str], column_labels: Sequence[str] = ()) -> Any:
    """Draws heat maps [shape=(down, across, rows, coefficients)] as one image with gaps between; returns it."""
    down, across, rows, coefficients = maps.shape
    width, height = rows + 2, coefficients + 1  # with the gap
    padded = np.full((down, across, width, height), np.nan)
    padded[:, :, :rows, 1:] = maps  # the gap lies on the right of a map and, turned over, below it
    sheet = padded.transpose(0, 3, 1, 2)[:, ::-1].reshape(down * height, across * width)
    axes.set_yticks(np.arange(down) * height + coefficients / 2 - 0.5, row_labels)
    axes.set_xticks((np.arange(across) * width + rows / 2)[: len(column_labels)] - 0.5, column_labels)
    axes.tick_params(length=0, labelbottom=False, labeltop=True)
    axes.spines[:].set_visible(False)
    return axes.imshow(sheet, cmap="RdBu_r", vmin=-2.5, vmax=2.5, aspect="auto", interpolation="nearest")
