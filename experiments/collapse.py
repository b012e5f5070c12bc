"""Why the 2017 project's BEGAN gave one face, and what cures it: a ladder of trainings that differ by one thing.

python -m experiments.collapse --data DATASET (faces of 32 pixels); every row that is finished is kept in --out, so that
the program goes on where it stopped. At the end, and with --draw at any time, it writes the table, the curves and the
faces of docs/collapse.md. With --model, a trained BEGAN, and its --model-data, it also draws what the attempts of 2017
and that model make of one sentence.
"""

import argparse
import csv
import re
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np

from experiments.collapse_rows import VAES, VariantConfig, ladder
from media.pictures import GAP, read_picture, tile, write_png
from preprocessing.dataset import open_dataset
from runtime import tables
from runtime.backend import import_keras
from runtime.errors import InputError
from runtime.files import exclusive, make_folder, read_json, write_json
from runtime.program import ArgumentParser, program
from training.config import OF_VAE

DOCUMENT = Path(__file__).parent.parent / "docs" / "collapse"
THEN = {"2017: audio and noise": "2017, 3000 steps", "2017 + B8 more steps": "2017, 9000 steps"}  # rows beside --model
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
    ("amplitude", "amplitude", 2),
    ("k", "k", 3),
)


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
        self.validations, self.components = {}, None

    def path(self, row, seed):
        """Path of a result without its suffix."""
        name = "".join(letter if letter.isalnum() else "-" for letter in row.name.lower())
        return self.out / f"{'-'.join(filter(None, name.split('-')))}-{seed}"

    def finished(self, row, seed):
        """What came out of a row and seed, of these very settings: a JSON object, or None."""
        path = self.path(row, seed).with_suffix(".json")
        if not path.is_file():
            return None
        result = read_json(path)
        trained = VariantConfig.from_json(result["config"])  # a setting that did not exist then had its default
        return result if trained == row.config.updated(training={"seed": seed}) else None

    def train(self, row, seed):
        """Trains and measures a row with a seed."""
        from began.face import load_model
        from began.training import train_began
        from experiments.variants import VariantTask
        from training.run_folder import DivergenceError

        config = row.config.updated(training={"seed": seed})
        path = self.path(row, seed)
        run = self.runs / path.name
        result = {"row": row.name, "seed": seed, "split": self.split, "config": config.as_json(), "diverged": None}
        if config.speech.network.startswith(OF_VAE):
            vae = self.trained_vae(config.speech.network.removeprefix(OF_VAE))
            config = config.updated(speech={"network": f"{OF_VAE}{vae}"})
        try:
            train_began(config, self.dataset, run, VariantTask)
        except DivergenceError as error:
            result["diverged"] = f"diverged after step {error.step}"
        else:
            measured, rows = self.validation(config.speech)(load_model(run / "last", VariantConfig))
            write_png(path.with_suffix(".png"), tile(rows["generated"], len(rows["generated"])))
            result["measures"] = measured
        result["history"] = history(run / "metrics.csv")
        write_json(path.with_suffix(".json"), result)
        shutil.rmtree(run)

    def trained_vae(self, name):
        """The run of one of `VAES`, trained if it is not."""
        from began.vae.training import train_vae

        run = self.runs / f"vae-{name}"
        train_vae(VAES[name], self.dataset, run)
        return run

    def validation(self, speech):
        """The real faces and the speech of the split, for these features."""
        from began.validation import BeganValidation
        from measures.mouth import MouthComponents
        from training.frames import FrameStore

        if speech.features not in self.validations:
            store = FrameStore(self.dataset)
            train, held_out = (store.frames(part, speech.feature_settings) for part in ("train", self.split))
            self.components = self.components or MouthComponents.fit(train.clips)
            self.validations[speech.features] = BeganValidation(train, held_out, self.components)
        return self.validations[speech.features]


def history(path):
    """Columns of metrics.csv that the curves need, as lists of numbers; empty where there is none."""
    if not path.exists():
        return {}
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = ("step", "k", "m_global", "real_error", "generated_error", "diversity", "mouth_diversity", "correlation")
    return {name: [float(row[name]) if row[name] else None for row in rows] for name in names}


def format_table(rows, results):
    """The finished rows as a Markdown table: the mean over seeds, and their range where there are several."""
    titles = ["trained", "seeds", *(title for title, _, _ in TABLE)]
    lines = [tables.head(titles)]
    for row in rows:
        done = [result for result in results[row.name] if not result["diverged"]]
        if not results[row.name]:
            continue
        if not done:
            lines.append(tables.row([row.name, str(len(results[row.name])), results[row.name][0]["diverged"]]))
            continue
        cells = []
        for _, key, digits in TABLE:
            values = [r["history"]["k"][-1] if key == "k" else r["measures"][key] for r in done]
            if None in values:  # a ratio to nothing
                cells.append("-")
                continue
            cell = f"{np.mean(values):.{digits}f}"
            cells.append(f"{cell} ({min(values):.{digits}f}-{max(values):.{digits}f})" if len(values) > 1 else cell)
        lost = len(results[row.name]) - len(done)
        seeds = f"{len(done)}, {lost} diverged" if lost else str(len(done))
        lines.append(tables.row([row.name, seeds, *cells]))
    return "\n".join(lines)


def draw(rows, results, climbing):
    """Writes the curves, the faces and the table."""
    from matplotlib.figure import Figure

    from began.figures import save_figure

    figure = Figure(figsize=(12, 5), layout="constrained")
    panels = figure.subplots(1, 2)
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
    save_figure(figure, climbing.out / "curves.png")
    shown = [row for row in rows if results[row.name] and not results[row.name][0]["diverged"]]
    if not shown:
        raise InputError(f"{climbing.out}: no finished row; leave out --draw to train some")
    sheets = [read_picture(climbing.path(row, results[row.name][0]["seed"]).with_suffix(".png")) for row in shown]
    figure = Figure(figsize=(8.5, 0.45 * len(sheets)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(np.concatenate(sheets))
    height = sheets[0].shape[0]
    axes.set_yticks((np.arange(len(sheets)) + 0.5) * height, [row.name for row in shown], fontsize=8)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    save_figure(figure, climbing.out / "faces.png")
    (climbing.out / "table.md").write_text(f"# The ladder\n\n{format_table(rows, results)}\n", encoding="utf-8")


def draw_then_and_now(path, climbing, face, clip):
    """Writes what some rows and a model make of speech, below real frames.

    Args:
        path: of the PNG.
        climbing: `Ladder` whose rows are drawn.
        face: `began.face.BeganFace`.
        clip: the sentence that the model hears.
    """
    from began.figures import draw_rows
    from training.frames import SHOWN, clip_maps, shown_moments

    moments, size = shown_moments(len(clip.faces)), face.config.size
    shown = {"real": clip.faces[moments]}
    for name, label in THEN.items():
        (row,) = (row for row in ladder() if row.name == name)
        sheet = read_picture(climbing.path(row, 0).with_suffix(".png"))
        columns = np.split(sheet[GAP:-GAP, GAP:], SHOWN, axis=1)
        small = [column[:, :-GAP] for column in columns]
        shown[label] = np.stack([cv2.resize(picture, (size, size), interpolation=cv2.INTER_CUBIC) for picture in small])
    maps = clip_maps(clip, face.config.speech.feature_settings)[moments]
    shown["today: the sentence, one z"] = face.faces(maps, face.draw(1, seed=0))
    shown["today: one sound, other z"] = face.faces(maps[[SHOWN // 2]].repeat(SHOWN, axis=0), face.draw(SHOWN, seed=9))
    draw_rows(path, shown)


@program
def main():
    """Trains the rows that are not finished, then draws."""
    parser = ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", metavar="DATASET", required=True, help="prepared with --size 32")
    parser.add_argument("--runs", metavar="FOLDER", default="runs/collapse", help="of what is under way")
    parser.add_argument("--out", metavar="FOLDER", default=DOCUMENT, help="of results (default: docs/collapse)")
    parser.add_argument(
        "--rows", metavar="PATTERN", default="", help="only rows whose name this regular expression finds"
    )
    parser.add_argument("--seeds", type=int, default=3, help="at most so many seeds of a row (default: 3)")
    parser.add_argument("--draw", action="store_true", help="train nothing")
    parser.add_argument("--model", metavar="MODEL", help="a BEGAN to draw beside the attempts of 2017")
    parser.add_argument("--model-data", metavar="DATASET", help="with faces of its size")
    arguments = parser.parse_args()
    if bool(arguments.model) != bool(arguments.model_data):
        raise InputError("--model and --model-data: give both, or neither")
    dataset = open_dataset(arguments.data)
    make_folder(Path(arguments.out))
    runs = make_folder(Path(arguments.runs))
    with exclusive(runs, f"{runs}: another process is at work there; wait for it, or choose another --runs"):
        climb(arguments, dataset)


def climb(arguments, dataset):
    """Trains the rows that are not finished, then draws."""
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
    if arguments.model:
        from began.face import load_model

        clip = open_dataset(arguments.model_data).split("test")[0]
        draw_then_and_now(climbing.out / "then-and-now.png", climbing, load_model(arguments.model), clip)
    print(format_table(rows, results))


if __name__ == "__main__":
    sys.exit(main())
