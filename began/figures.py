"""Figures with axes and words: curves of a run, and rows of faces set one below the other."""

import numpy as np
from matplotlib.figure import Figure

from preprocessing.audio_features import speech_maps
from preprocessing.files import whole_file
from preprocessing.pictures import read_png, tile

from .frames import SHOWN, shown_moments

PANELS = {  # of a BEGAN's curves: title and columns of metrics.csv
    "reconstruction errors": ("real_error", "generated_error", "m_global"),
    "balance k": ("k",),
    "collapse meter (1: as real faces)": ("diversity", "mouth_diversity", "sharpness", "coverage"),
    "what the speech moves": ("correlation", "amplitude", "mouth_swap"),
}


def draw_curves(path, rows):
    """Writes a PNG of a BEGAN's run: errors, k, collapse meter and mouth motion over the steps.

    Args:
        path: of the PNG.
        rows: dictionaries of metrics.csv.
    """
    steps = [int(row["step"]) for row in rows]
    figure = Figure(figsize=(10, 7), layout="constrained")
    panels = figure.subplots(2, 2)
    for axes, (title, names) in zip(panels.flat, PANELS.items(), strict=True):
        for name in names:
            axes.plot(steps, [float(row[name]) for row in rows], marker=".", label=name.replace("_", " "))
        axes.set_title(title)
        axes.set_xlabel("step")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8)
    save_figure(figure, path)


def draw_rows(path, rows):
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
    save_figure(figure, path)
    return read_png(path)


def save_figure(figure, path):
    """Writes a figure as PNG, whole or not at all."""
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=110, format="png", bbox_inches="tight")


def draw_grid(path, face, clips):
    """Writes a PNG that shows what drives what: a sentence, the same with z held, one sound with z varied.

    Args:
        path: of the PNG.
        face: `model_folder.BeganFace`.
        clips: held-out clips; the first is the sentence.
    """
    clip = clips[0]
    features = face.config.feature_settings
    moments = shown_moments(len(clip.faces))
    maps = speech_maps(clip.speech(features.sample_rate), clip.times, features)[moments]
    rows = {"real": clip.faces[moments]}
    for seed in range(4):
        rows[f"z {seed + 1}, speech varied"] = face.faces(maps, face.draw(1, seed))
    for place in (0, SHOWN // 2):
        rows[f"speech {place + 1}, z varied"] = face.faces(
            maps[[place]].repeat(SHOWN, axis=0), face.draw(SHOWN, seed=9)
        )
    draw_rows(path, rows)
