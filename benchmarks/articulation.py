"""Measures the trade of amplitude against explained variance: articulation weaker and stronger, on held-out clips."""

import sys

import numpy as np

from preprocessing.dataset import open_dataset
from runtime import tables
from runtime.backend import import_keras
from runtime.files import check_output
from runtime.program import ArgumentParser, program

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
MEASURES = ("correlation", "opening_correlation", "amplitude", "explained_variance", "swap", "mouth_sharpness")


@program
def main():
    """Prints a row for each strength and draws the curve."""
    parser = ArgumentParser(prog="python -m benchmarks.articulation", description=__doc__)
    parser.add_argument("--model", required=True, metavar="MODEL", help="of train.py --mode audio2faces")
    parser.add_argument("--data", required=True, metavar="DATASET", help="of its speaker")
    parser.add_argument("--split", choices=["validation", "test"], default="validation", help="default: validation")
    parser.add_argument("--plot", metavar="FILE", help="also draw the curve as PNG")
    arguments = parser.parse_args()
    dataset = open_dataset(arguments.data)
    if arguments.plot:
        check_output(arguments.plot)
    import_keras()
    from matplotlib.figure import Figure

    from audio2faces.evaluate.evaluation import measure, real_measures
    from audio2faces.trained.face import load_model
    from began.figures import save_figure
    from measures.mouth import MouthComponents
    from training.frames import clip_maps, frame_numbers

    model = load_model(arguments.model)
    features = model.config.speech.feature_settings
    clips = dataset.split(arguments.split)
    maps = [clip_maps(clip, features) for clip in clips]
    real = [np.asarray(clip.faces) for clip in clips]
    components = MouthComponents.fit(dataset.split("train"))
    references = real_measures(real, components, [frame_numbers(clip) for clip in clips])
    print(f"{model.name}, {len(clips)} {arguments.split} clips; its own strength is {model.articulation.strength:g}\n")
    print(tables.head(["strength", *(name.replace("_", " ") for name in MEASURES)]))
    rows = []
    for strength in STRENGTHS:
        stronger = model.articulated(strength)
        values = measure(real, [stronger.faces(of_clip) for of_clip in maps], components, references)
        rows.append([values[name] for name in MEASURES])
        print(tables.row([f"{strength:g}", *(f"{value:.3f}" for value in rows[-1])]), flush=True)
    if arguments.plot:
        amplitude, explained = (np.array(rows)[:, MEASURES.index(name)] for name in ("amplitude", "explained_variance"))
        figure = Figure(figsize=(4.5, 3.2), layout="constrained")
        axes = figure.subplots()
        axes.plot(amplitude, explained, "o-")
        for strength, x, y in zip(STRENGTHS, amplitude, explained, strict=True):
            axes.annotate(f"{strength:g}", (x, y), xytext=(4, 4), textcoords="offset points", fontsize=8)
        axes.set_xlabel("amplitude of the mouth, relative to real")
        axes.set_ylabel("variance of mouth motion explained")
        axes.grid(alpha=0.3)
        save_figure(figure, arguments.plot)
        print(f"\nwrote {arguments.plot}")


if __name__ == "__main__":
    sys.exit(main())
