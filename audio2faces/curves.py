"""The curves of a run as a picture."""

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot

from preprocessing.files import whole_file


def draw_curves(path, rows):
    """Writes a PNG of the losses and of the mouth measures over the steps.

    Args:
        path: of the PNG.
        rows: dictionaries of metrics.csv.
    """
    steps = [int(row["step"]) for row in rows]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    panels = {
        left: ("train_loss", "validation_loss"),
        right: ("correlation", "explained_variance", "amplitude"),
    }
    for axes, names in panels.items():
        for name in names:
            axes.plot(steps, [float(row[name]) for row in rows], label=name.replace("_", " "))
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    left.set_title("loss")
    right.set_title("mouth motion on validation clips")
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=100)
    pyplot.close(figure)
