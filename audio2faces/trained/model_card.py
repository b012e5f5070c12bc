"""The card that a run writes into its model folder: what the face learned from, and whether it follows speech."""

from pathlib import Path
from typing import Any

from audio2faces.config import RegressorConfig
from audio2faces.evaluate.evaluation import format_table, format_verdict
from audio2faces.trained.face import CARD
from preprocessing.dataset import Dataset
from runtime import __version__
from runtime.files import atomic_write

METHODS = (  # on the card, where there are any
    "mean face",
    "first frame held",
    "nearest audio",
    "model",
    "model, refined",
    "model, refined, in the clip's own frames",
    "model, refined, in the model's footage",
)


def write_card(folder: Path, config: RegressorConfig, dataset: Dataset, report: dict[str, Any]) -> None:
    """Writes the card of a model, whole or not at all.

    Args:
        folder: of the model.
        config: of its regressor.
        dataset: that it learned from.
        report: what `evaluate` gave for the validation clips.
    """
    licences = sorted({entry.get("licence") or "not stated" for entry in dataset.manifest["clips"]})
    start = "nothing"
    if config.encoder:
        start = f"the speech encoder {Path(config.encoder).name}{', which was left as it is' if config.frozen else ''}"
    measured = f"{report['clips']} validation clip{'s' * (report['clips'] != 1)} ({report['frames']} frames)"
    shown = {name: values for name, values in report["methods"].items() if name in METHODS}
    lines = [
        f"# {report['model']}",
        "",
        *format_verdict(report),
        "",
        "| | |",
        "|---|---|",
        f"| data | {report['training_seconds']:.0f} s of training speech in {report['training_clips']} clips |",
        f"| licence of the recordings | {'; '.join(licences)} |",
        f"| faces | {config.size} x {config.size} pixels, {dataset.frame_rate:g} frames/s |",
        f"| started from | {start} |",
        f"| seed | {config.training.seed} |",
        f"| made by | Audio2Faces {__version__} |",
        "",
        f"Measured on {measured}, by which weights and gains were chosen:",
        "",
        format_table({**report, "methods": shown}),
        "",
        "The face is a real person's. Use it with that person's consent, and do not pass a video off as a recording.",
        "",
    ]
    with atomic_write(folder / CARD) as partial:
        partial.write_text("\n".join(lines), encoding="utf-8")
