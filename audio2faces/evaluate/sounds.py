"""Evaluates a split by its sounds: whether the mouth closes at b, p and m and opens at open vowels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from measures.similarity import mouth_opening
from measures.sounds import closed_below, closures, read_phones, vowel_openings
from preprocessing.dataset import Clip
from runtime import tables
from runtime.errors import InputError
from runtime.progress import with_progress


def evaluate_sounds(clips: Sequence[Clip], faces: dict[str, Sequence[np.ndarray]], words: Path) -> dict[str, Any]:
    """Measures each method at the sounds of some clips, and on the faces of another clip at the same moments.

    Args:
        clips: of a split.
        faces: by method, one array per clip, "real" among them: the second result of `evaluation.evaluate`.
        words: folder of timings, see `measures.sounds`.

    Returns:
        dictionary: `bilabials` and `vowels`, how many there are; `methods`, from each method to `closure` (share of
        bilabials at which the mouth closes), `vowel_opening` (mean widest opening at open vowels, 1 for real mouths),
        and `closure_swapped` and `vowel_opening_swapped`, the same with the next clip's faces. None for what does not
        exist.

    Raises:
        InputError: a file of timings is missing or damaged, or none has a sound that counts.
    """
    phones = [read_phones(words, clip.name) for clip in clips]
    openings = {
        name: [mouth_opening(np.asarray(each)) for each in of_method]
        for name, of_method in with_progress(list(faces.items()), "method", "measuring sounds")
    }
    threshold = closed_below(openings["real"])

    def at_sounds(of_method: Sequence[np.ndarray]) -> tuple[list[bool], list[float]]:
        closed: list[bool] = []
        opened: list[float] = []
        for opening, clip, of_clip in zip(of_method, clips, phones, strict=True):
            count = min(len(opening), len(clip.times))  # the next clip's faces may be fewer
            closed += closures(opening[:count], clip.times[:count], of_clip, threshold)
            opened += vowel_openings(opening[:count], clip.times[:count], of_clip)
        return closed, opened

    real_closed, real_opened = at_sounds(openings["real"])
    if not real_closed and not real_opened:
        raise InputError(f"{words}: no b, p, m or open vowel among the sounds of {len(clips)} clips")
    widest = np.mean(real_opened) if real_opened else np.nan
    methods = {}
    for name, of_method in openings.items():
        values = {}
        for suffix, shown in (("", of_method), ("_swapped", [*of_method[1:], of_method[0]])):
            closed, opened = ([], []) if suffix and len(clips) == 1 else at_sounds(shown)
            values[f"closure{suffix}"] = float(np.mean(closed)) if closed else None
            values[f"vowel_opening{suffix}"] = float(np.mean(opened) / widest) if opened else None
        methods[name] = values
    return {"bilabials": len(real_closed), "vowels": len(real_opened), "methods": methods}


COLUMNS = (
    ("closed at b, p, m", "closure"),
    ("with another sentence", "closure_swapped"),
    ("opening at vowels", "vowel_opening"),
    ("with another sentence", "vowel_opening_swapped"),
)


def format_sounds(report: dict[str, Any]) -> str:
    """The report as a Markdown table, a line per method."""
    table = tables.aligned(
        ["method", *(title for title, _ in COLUMNS)],
        ([name, *(tables.cell(values[key], 2) for _, key in COLUMNS)] for name, values in report["methods"].items()),
    )
    return f"{report['bilabials']} b, p and m within speech, {report['vowels']} open vowels\n\n{table}"
