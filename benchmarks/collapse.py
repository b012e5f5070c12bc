"""Why the 2017 project's BEGAN gave one face, and what cures it: a ladder of trainings that differ by one thing.

python -m benchmarks.collapse --data DATASET (faces of 32 pixels); every row that is finished is kept in --out, so that
the program goes on where it stopped. At the end, and with --draw at any time, it writes the table, the curves and the
faces of docs/collapse.md.
"""

import argparse
import dataclasses
import re
import shutil
import sys
from pathlib import Path

import numpy as np

from began.audio_network import OF_VAE
from began.config import PRESETS, REPAIRS, BeganConfig
from began.vae_config import VAE_PRESETS, VaeConfig
from preprocessing.dataset import open_dataset
from preprocessing.files import make_folder, read_json, write_json
from preprocessing.pictures import read_png, tile, write_png
from preprocessing.program import InputError, import_keras, run_program

DOCUMENT = Path(__file__).parent.parent / "docs" / "collapse"
STEPS = 3000
SMALL = {  # of every row; the sub-pixel ends save time and are no suspect
    "size": 32,
    "n": 16,
    "generator_n": 16,
    "reference_n": 8,
    "sub_pixel": True,
    "steps": STEPS,
    "evaluate_every": STEPS // 6,
    "precision": "float32",
}
VAES = {  # whose encoders some rows hear through; 2017's, at its rate of 1e-7, would stay as it was drawn
    "convolutional": VaeConfig(steps=STEPS),
    "2017": dataclasses.replace(VAE_PRESETS["2017"], steps=STEPS, learning_rate=1e-3, decaying=True),
}
SHOWN = 12  # faces of a row in the picture
TABLE = (  # name in the table, key of the measure, digits
    ("diversity", "diversity", 2),
    ("mouth", "mouth_diversity", 2),
    ("learned speech", "learned_diversity", 2),
    ("rarer group", "rarer_group", 2),
    ("duplicates", "duplicates", 2),
    ("coverage", "coverage", 2),
    ("sharpness", "sharpness", 2),
    ("mouth swap", "mouth_swap", 2),
    ("correlation", "correlation", 2),
    ("k", "k", 3),
)


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the ladder: what is trained, and with how many seeds."""

    name: str
    config: BeganConfig
    seeds: int = 1


def ladder():
    """The rows, in the order in which they are trained."""
    attempts = {name: _small(PRESETS[f"2017-{name}"]) for name in ("audio", "audio-noise", "noise", "slow")}
    as_it_was = attempts["audio-noise"]
    repaired, repairs = as_it_was, []
    for name, change in REPAIRS.items():
        if name.startswith("B8"):
            change = {"steps": 3 * STEPS}
        repairs.append(Row(f"2017 + {name}", dataclasses.replace(as_it_was, **change)))
        if not name.startswith(("B3", "B4", "B8")):
            repaired = dataclasses.replace(repaired, **change)
    repaired = dataclasses.replace(repaired, z_size=32, **MODERN)
    hearing = dataclasses.replace(repaired, conditional=True, mismatched=0.5)
    paired = dataclasses.replace(hearing, paired=1.0)
    conditional = _small(PRESETS["conditional"])
    return [
        Row("2017: audio and noise", as_it_was, seeds=3),
        Row("2017: audio", attempts["audio"], seeds=3),
        Row("2017: noise", attempts["noise"]),
        Row("2017: audio, batch 1, tiny rate", attempts["slow"]),
        Row("conditional (the default)", conditional, seeds=3),
        Row("all repairs", repaired, seeds=3),
        *repairs,
        Row("2017 + frozen VAE", dataclasses.replace(as_it_was, audio_encoder=f"{OF_VAE}2017")),
        Row("all repairs, frozen VAE", dataclasses.replace(repaired, audio_encoder=f"{OF_VAE}convolutional")),
        Row("all repairs, k held at .1", dataclasses.replace(repaired, smallest_k=0.1)),
        Row("+ D hears, mismatched pairs", hearing, seeds=3),
        Row("+ paired error", paired, seeds=3),
        Row("+ code consistency", dataclasses.replace(paired, code_consistency=0.1)),
        Row("+ mode seeking", dataclasses.replace(paired, mode_seeking=0.02)),
        Row("+ speech ramped in", dataclasses.replace(paired, ramp_steps=STEPS // 2)),
        Row("conditional, z of another frame", dataclasses.replace(conditional, same_frame=False)),
        Row("conditional, z uniform noise", dataclasses.replace(conditional, z_source="uniform")),
        Row("conditional, z a learned code", dataclasses.replace(conditional, z_source="reference")),
        Row("conditional, z may tell of the mouth", dataclasses.replace(conditional, mouth_left_out=False)),
        Row("conditional, no face to add to", dataclasses.replace(conditional, linear_base=False)),
        Row("conditional, not paired", dataclasses.replace(conditional, paired=0.0)),
        Row("conditional, not adversarial", dataclasses.replace(conditional, adversarial=0.0)),
        Row("conditional, frozen VAE", dataclasses.replace(conditional, audio_encoder=f"{OF_VAE}convolutional")),
        Row("conditional, D hears", dataclasses.replace(conditional, conditional=True, mismatched=0.5)),
    ]


MODERN = {  # what a BEGAN of today has besides the repairs: the paper's skips, no schedule of the rate but the stall
    "audio_network": "time",
    "audio_widths": (32, 64, 64),
    "audio_code": 64,
    "skips": True,
    "patience": 3,
    "decay_every": 0,
    "smallest_rate": 2e-5,
}


def _small(config):
    """The configuration at 32 pixels, with as few channels and steps as all rows have."""
    changed = dict(SMALL)
    if config.decay_every:
        changed |= {"decay_every": STEPS // 2, "forget_every": STEPS // 4}
    changed["audio_widths"] = (32, 64, 64) if config.audio_network == "time" else (16, 32, 64, 128)
    return dataclasses.replace(config, **changed)


class Ladder:
    """Trains and measures rows, and keeps what came out as JSON and PNG.

    Args:
        dataset: faces of 32 pixels.
        runs: folder of the runs.
        out: folder of the results.
        split: whose speech they are measured on.
    """

    def __init__(self, dataset, runs, out, split):
        self.dataset, self.runs, self.out, self.split = dataset, Path(runs), Path(out), split
        self.examinations = {}

    def path(self, row, seed):
        """Path of a result without its suffix."""
        name = "".join(letter if letter.isalnum() else "-" for letter in row.name.lower())
        return self.out / f"{'-'.join(filter(None, name.split('-')))}-{seed}"

    def finished(self, row, seed):
        """What came out of a row and seed: a JSON object, or None."""
        path = self.path(row, seed).with_suffix(".json")
        return read_json(path) if path.is_file() else None

    def train(self, row, seed):
        """Trains and measures a row with a seed."""
        from began.model_folder import load_model
        from began.training import train_began

        config = dataclasses.replace(row.config, seed=seed)
        path = self.path(row, seed)
        run = self.runs / path.name
        result = {"row": row.name, "seed": seed, "split": self.split, "config": config.as_json(), "diverged": None}
        if config.audio_encoder.startswith(OF_VAE):
            vae = self.trained_vae(config.audio_encoder.removeprefix(OF_VAE))
            config = dataclasses.replace(config, audio_encoder=f"{OF_VAE}{vae}")
        try:
            train_began(config, self.dataset, run)
        except InputError as error:
            if "no number" not in str(error):
                raise
            result["diverged"] = str(error).partition(": ")[2].partition(";")[0]
        else:
            measured, rows = self.examination(config)(load_model(run / "last"))
            write_png(path.with_suffix(".png"), tile(rows["generated"][:SHOWN], SHOWN))
            result["measures"] = measured
        result["history"] = history(run / "metrics.csv")
        write_json(path.with_suffix(".json"), result)
        shutil.rmtree(run)

    def trained_vae(self, name):
        """The run of one of `VAES`, trained if it is not."""
        from began.vae_training import train_vae

        run = self.runs / f"vae-{name}"
        train_vae(VAES[name], self.dataset, run)
        return run

    def examination(self, config):
        """The real faces and the speech of the split, for these features."""
        from began.examination import Examination
        from began.frames import FrameSet

        if config.features not in self.examinations:
            parts = (self.dataset.split("train"), self.dataset.split(self.split))
            self.examinations[config.features] = Examination(
                *(FrameSet(clips, config.feature_settings) for clips in parts)
            )
        return self.examinations[config.features]


def history(path):
    """Columns of metrics.csv that the curves need, as lists of numbers; empty where there is none."""
    import csv

    if not path.exists():
        return {}
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = ("step", "k", "m_global", "real_error", "generated_error", "diversity", "mouth_diversity", "correlation")
    return {name: [float(row[name]) for row in rows] for name in names}


def format_table(rows, results):
    """The finished rows as a Markdown table: the mean over seeds, and their range where there are several."""
    lines = [["trained", "seeds", *(title for title, _, _ in TABLE)], ["---", "--:", *["--:"] * len(TABLE)]]
    for row in rows:
        done = [result for result in results[row.name] if not result["diverged"]]
        if not results[row.name]:
            continue
        if not done:
            lines.append([row.name, str(len(results[row.name])), results[row.name][0]["diverged"]])
            continue
        cells = []
        for _, key, digits in TABLE:
            values = [r["history"]["k"][-1] if key == "k" else r["measures"][key] for r in done]
            cell = f"{np.mean(values):.{digits}f}"
            cells.append(f"{cell} ({min(values):.{digits}f}-{max(values):.{digits}f})" if len(values) > 1 else cell)
        lines.append([row.name, str(len(results[row.name])), *cells])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def draw(rows, results, ladder_of):
    """Writes the curves, the faces and the table."""
    from matplotlib import pyplot

    from began.figures import save_figure

    figure, panels = pyplot.subplots(1, 2, figsize=(12, 5), layout="constrained")
    for row in rows:
        for result in results[row.name][:1]:
            told = result["history"]
            if told and row.seeds > 1:
                for axes, name in zip(panels, ("diversity", "k"), strict=True):
                    axes.plot(told["step"], told[name], label=row.name)
    for axes, title in zip(panels, ("diversity of faces (1: as real ones)", "balance k"), strict=True):
        axes.set_title(title)
        axes.set_xlabel("step")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    panels[0].legend(frameon=False, fontsize=8)
    save_figure(figure, ladder_of.out / "curves.png")
    shown = [row for row in rows if ladder_of.path(row, 0).with_suffix(".png").is_file()]
    sheets = [read_png(ladder_of.path(row, 0).with_suffix(".png")) for row in shown]
    figure, axes = pyplot.subplots(figsize=(11, 0.72 * len(sheets)), layout="constrained")
    axes.imshow(np.concatenate(sheets))
    height = sheets[0].shape[0]
    axes.set_yticks((np.arange(len(sheets)) + 0.5) * height, [row.name for row in shown], fontsize=9)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    save_figure(figure, ladder_of.out / "faces.png")
    (ladder_of.out / "table.md").write_text(format_table(rows, results) + "\n", encoding="utf-8")


def main():
    """Trains the rows that are not finished, then draws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", metavar="DATASET", required=True, help="prepared with --size 32")
    parser.add_argument("--runs", metavar="FOLDER", default="runs/collapse", help="of what is under way")
    parser.add_argument("--out", metavar="FOLDER", default=DOCUMENT, help="of results (default: docs/collapse)")
    parser.add_argument(
        "--rows", metavar="PATTERN", default="", help="only rows whose name this regular expression finds"
    )
    parser.add_argument("--seeds", type=int, default=3, help="at most so many seeds of a row (default: 3)")
    parser.add_argument("--draw", action="store_true", help="train nothing")
    arguments = parser.parse_args()
    dataset = open_dataset(arguments.data)
    make_folder(Path(arguments.out))
    make_folder(Path(arguments.runs))
    import_keras()

    rows = ladder()
    climbing = Ladder(dataset, arguments.runs, arguments.out, split="test")
    if not arguments.draw:
        for seed in range(arguments.seeds):  # the first seed of all rows comes first
            for row in rows:
                if seed < row.seeds and re.search(arguments.rows, row.name) and not climbing.finished(row, seed):
                    print(f"{row.name}, seed {seed}", file=sys.stderr)
                    climbing.train(row, seed)
    results = {
        row.name: [result for seed in range(row.seeds) if (result := climbing.finished(row, seed))] for row in rows
    }
    draw(rows, results, climbing)
    print(format_table(rows, results))


if __name__ == "__main__":
    sys.exit(run_program(main))
