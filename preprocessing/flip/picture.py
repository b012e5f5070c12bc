"""One picture of what a rule found: strip histograms, scores and threshold, mirrored faces before and after."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from media.pictures import tile
from preprocessing.flip.decision import KEPT, MIRRORED, UNDECIDED
from preprocessing.flip.histogram import side_histograms
from preprocessing.flip.mirror import mirror_faces
from preprocessing.flip.rule_2017 import strip_histograms
from runtime.files import atomic_write

COLOURS = {KEPT: "#2a78b5", MIRRORED: "#d1495b", UNDECIDED: "#8a8a8a"}
MOST_CLIPS = 60  # of each decision, in the histograms
MOST_FACES = 10
FRAME_STEP = 8  # every eighth frame is enough for a mean histogram
SCORE_NAMES = {
    "histogram": "score of a frame: fits the references as it is (+1) or mirrored (-1)",
    "landmarks": "yaw of a frame, in eye distances, positive on the usual side",
    "2017": "distance of a frame's left strip to the reference, in counts",
}


def draw_finding(path: Path, finding: Any) -> None:
    """Writes a PNG of what `finding.find_mirrored` found.

    Args:
        path: of the PNG.
        finding: `flip.finding.Finding`.
    """
    figure = Figure(figsize=(10.5, 9.2), layout="constrained")
    panels = figure.subplot_mosaic(
        [["values", "ranks"], ["scores", "scores"], ["faces", "faces"]], height_ratios=[1, 1, 0.85]
    )
    _draw_values(panels["values"], finding)
    _draw_ranks(panels["ranks"], finding)
    _draw_scores(panels["scores"], finding)
    _draw_faces(panels["faces"], finding)
    for name in ("values", "ranks", "scores"):
        panels[name].spines[["top", "right"]].set_visible(False)
        panels[name].grid(alpha=0.25)
    counts = ", ".join(f"{len(finding.of(decision))} {decision}" for decision in COLOURS)
    figure.suptitle(f"Rule {finding.rule}: {counts}", fontsize=14)
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=75, format="png")


def _some(finding: Any, decision: Any, most: Any) -> Any:
    """Faces of at most `most` clips that were so decided, spread evenly."""
    found = finding.of(decision)
    chosen = np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int)
    return [finding.clips[found[index]].faces for index in chosen]


def _reference(finding: Any) -> Any:
    """Faces of the reference clips; those of the histogram rule are turned to the usual side, as it does itself."""
    faces = [finding.clips[index].faces for index in finding.references]
    turned = [finding.rule == "histogram" and finding.decisions[index] == MIRRORED for index in finding.references]
    return [mirror_faces(of_clip) if turn else of_clip for of_clip, turn in zip(faces, turned, strict=True)]


def _draw_values(axes: Any, finding: Any) -> None:
    """Left-strip histograms as the 2017 rule sees them, eight values a bin for the eye."""

    def histogram(faces):
        return strip_histograms(faces).mean(axis=0).reshape(32, 8).sum(axis=1)

    _draw_curves(axes, np.arange(32) * 8 + 4, finding, histogram)
    axes.set_title("left strip: histogram of its values")
    axes.set_xlabel("value")
    axes.set_ylabel("counts")
    axes.legend(frameon=False)


def _draw_ranks(axes: Any, finding: Any) -> None:
    """Left-strip cumulative histograms of ranks, less those of the right strip: what the histogram rule sees."""

    def difference(faces):
        left, right = side_histograms(faces).mean(axis=0)
        return left - right

    _draw_curves(axes, np.arange(256) / 255, finding, difference)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_title("left less right strip: cumulative histogram of ranks")
    axes.set_xlabel("rank of the value among both strips of the clip")
    axes.set_ylabel("share")


def _draw_curves(axes: Any, x: Any, finding: Any, curve: Any) -> None:
    """For each decision the mean curve of its clips and the band that holds nine tenths of them; the reference."""
    for decision, colour in COLOURS.items():
        curves = [curve(faces[::FRAME_STEP]) for faces in _some(finding, decision, MOST_CLIPS)]
        if curves:
            low, high = np.quantile(curves, [0.05, 0.95], axis=0)
            axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
            axes.plot(x, np.mean(curves, axis=0), color=colour, label=f"{decision}: mean, 90 % of clips")
    if len(finding.references):
        reference = np.mean([curve(faces[::FRAME_STEP]) for faces in _reference(finding)], axis=0)
        axes.plot(x, reference, color="black", linestyle=":", linewidth=1.8, label="reference")


def _draw_scores(axes: Any, finding: Any) -> None:
    """How many frames have which score, coloured by the decision on their clip."""
    groups = {name: [finding.scores[index] for index in finding.of(name)] for name in COLOURS}
    drawn = {name: np.concatenate(scores) for name, scores in groups.items() if scores}
    lines = [line for line in finding.thresholds if np.isfinite(line)]
    every = np.concatenate([*drawn.values(), lines])
    bins = np.linspace(every.min(), every.max(), 81)
    axes.hist(drawn.values(), bins, stacked=True, color=[COLOURS[name] for name in drawn], label=list(drawn))
    for index, line in enumerate(lines):
        axes.axvline(line, color="black", linestyle="--", linewidth=1.2, label="_" * index + "threshold")
    axes.set_title(f"threshold {finding.why}", fontsize=10)
    axes.set_xlabel(SCORE_NAMES[finding.rule])
    axes.set_ylabel("frames")
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 0.98))


def _draw_faces(axes: Any, finding: Any) -> None:
    """Middle faces of mirrored clips as they are, the same mirrored, and those of other clips to compare with."""
    faces_of = {
        decision: np.array([faces[len(faces) // 2] for faces in _some(finding, decision, MOST_FACES)])
        for decision in COLOURS
    }
    mirrored = faces_of.pop(MIRRORED)
    rows = {"found\nmirrored": mirrored, "mirrored\nback": mirror_faces(mirrored) if len(mirrored) else mirrored}
    rows = {label: faces for label, faces in (rows | faces_of).items() if len(faces)}
    axes.set_axis_off()
    for row, (label, faces) in enumerate(rows.items()):
        blank = np.full((MOST_FACES - len(faces), *faces.shape[1:]), 255, np.uint8)
        sheet = tile(np.concatenate([faces, blank]), MOST_FACES)
        height, width, _ = sheet.shape
        axes.imshow(sheet, extent=(0, width, (row + 1) * height, row * height), interpolation="lanczos")
        axes.text(-6, (row + 0.5) * height, label, ha="right", va="center", fontsize=10)
    axes.set_xlim(0, width)
    axes.set_ylim(len(rows) * height, 0)
