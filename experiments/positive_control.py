"""Whether this BEGAN covers many modes: an unconditional one, as in the paper, on pictures of known classes.

The classes are the speakers of several datasets (--data, once for each) or the ten digits of scikit-learn (--digits).
Each class gives as many pictures, of 32 pixels. Networks, latent code, losses and control are those of the paper
(Berthelot, Schumm, Metz, arXiv 1703.10717): no speech, z uniform in [-1, 1], a linear bottleneck as long as z, nothing
but the adversary to learn from. In rows with the energy distance the generator also lowers that between generated and
real pictures, which rewards variety and which the paper's does not know. The row in PyTorch is trained by the
interpreter that --torch names, by code that shares nothing with ours (benchmarks/began_torch.py).

A sample counts for the class of the nearest training picture; how often that is right for real pictures that were held
out is printed above the table. Rows that were trained before are read again. An interrupted row goes on, except for
that in PyTorch.
"""

import sys
from pathlib import Path

import numpy as np

from experiments.control_pictures import digits, speakers
from preprocessing.dataset import open_dataset
from runtime import tables
from runtime.backend import import_keras
from runtime.errors import InputError
from runtime.files import exclusive, make_folder, read_json, write_json
from runtime.program import ArgumentParser, number, program
from runtime.progress import with_progress

RATE = 5e-4  # five times the paper's, since trainings are short
ROWS: dict[str, dict] = {  # name: settings of `control_task.config_of`
    "gamma 0.7": {"gamma": 0.7},
    "gamma 0.7, energy distance": {"gamma": 0.7, "energy": 1.0},
    "gamma 0.5, energy distance": {"gamma": 0.5, "energy": 1.0},
    "gamma 0.3, energy distance": {"gamma": 0.3, "energy": 1.0},
    "energy distance, no adversary": {"gamma": 0.7, "energy": 1.0, "weight": 0.0},
    "gamma 0.7, energy distance, sub-pixel ends": {"gamma": 0.7, "energy": 1.0, "sub_pixel": True},
    "gamma 0.5, the paper's learning rate, 10000 steps": {"gamma": 0.5, "rate": 1e-4, "steps": 10000},
    "gamma 0.7, the paper's learning rate, 10000 steps": {"gamma": 0.7, "rate": 1e-4, "steps": 10000},
    "gamma 0.5, the paper's learning rate, 16 channels, 3000 steps": {
        "gamma": 0.5, "rate": 1e-4, "channels": 16, "steps": 3000,
    },
    "the same in PyTorch": {"gamma": 0.5, "rate": 1e-4, "channels": 16, "steps": 3000},
}  # fmt: skip
IN_PYTORCH = "the same in PyTorch"
COLUMNS = (
    ("classes", "classes", 0),
    ("rarest class, of its even share", "rarest", 2),
    ("diversity", "diversity", 2),
    ("sharpness", "sharpness", 2),
    ("L(x)", "real_error", 4),
    ("L(G) / L(x)", "balance", 2),
    ("k", "k", 3),
)
ASKED = 250  # steps in PyTorch between two signs of life
SHOWN = 12  # samples of each row in the picture


def parse_arguments():
    """Reads the command line."""
    parser = ArgumentParser(prog="python -m experiments.positive_control", description=__doc__)
    parser.add_argument("--data", metavar="DATASET", action="append", default=[], help="of one speaker; give several")
    parser.add_argument("--digits", action="store_true", help="the digits of scikit-learn in their place")
    parser.add_argument("--rows", nargs="+", metavar="ROW", default=list(ROWS)[:5], help="default: the first five")
    parser.add_argument("--torch", metavar="PYTHON", help="an interpreter that has PyTorch")
    parser.add_argument("--steps", type=number(1, 10**6, int), default=6000, help="of most rows (default: 6000)")
    parser.add_argument("--seed", type=number(0, 2**32 - 1, int), default=0, help="default: 0")
    parser.add_argument("--runs", metavar="FOLDER", type=Path, required=True, help="of the trainings, which go on")
    parser.add_argument("--picture", metavar="PNG", type=Path, help="samples of each row to write")
    return parser.parse_args()


@program
def main():
    """Trains what is missing, and prints a table."""
    arguments = parse_arguments()
    if bool(arguments.data) == arguments.digits:
        raise InputError("give --data several times, or --digits")
    if unknown := [row for row in arguments.rows if row not in ROWS]:
        raise InputError(f"--rows {unknown[0]}: no such row; choose from: {', '.join(ROWS)}")
    if IN_PYTORCH in arguments.rows and not arguments.torch:
        raise InputError(f"--rows {IN_PYTORCH}: needs --torch, an interpreter that has PyTorch")
    train, held_out = digits() if arguments.digits else speakers([open_dataset(folder) for folder in arguments.data])
    folder = make_folder(arguments.runs / ("digits" if arguments.digits else f"{len(train)}-speakers"))
    held = f"{folder}: another process is at work there; wait for it, or choose another --runs"
    with exclusive(folder, held):
        measure(arguments, train, held_out, folder)


def measure(arguments, train, held_out, folder):
    """Trains what is missing, and prints a table."""
    import_keras()
    from began.figures import draw_rows
    from experiments.control_task import ControlTask, config_of
    from training.run_folder import with_precision

    shown = {}
    for row in arguments.rows:
        settings = {"steps": arguments.steps, "rate": RATE, "seed": arguments.seed} | ROWS[row]
        task = ControlTask(with_precision(config_of(**settings)), train, held_out)
        run = make_folder(folder / f"{row.replace(' ', '-').replace(',', '')}-seed-{arguments.seed}")
        samples, balance = learned_in_torch(task, arguments.torch, run) if row == IN_PYTORCH else learned(task, run)
        values, shares = task.measures(samples) | balance, task.shares(samples)
        values["balance"] = values["generated_error"] / values["real_error"]
        write_json(run / "measures.json", values | {"shares": shares})
        if row == arguments.rows[0]:
            print(f"{len(train)} classes, {sum(map(len, train.values()))} training pictures; ", end="")
            print(f"the nearest one tells the class of {task.told:.1%} of the held-out ones\n")
            print(tables.head(["trained", *(title for title, _, _ in COLUMNS), f"shares of {', '.join(shares)}"]))
        cells = [f"{values[key]:.{digits}f}" for _, key, digits in COLUMNS]
        print(tables.row([row, *cells, ", ".join(f"{share:.2f}" for share in shares.values())]), flush=True)
        shown[row] = samples[:SHOWN]
    if arguments.picture:
        real = np.concatenate([task.real[:: len(task.real) // SHOWN]])[:SHOWN]
        draw_rows(arguments.picture, {"real": real} | shown)


def learned(task, run):
    """Samples after a training, uint8 RGB, and the last values of the balance."""
    from training.loop import train
    from training.run_folder import RunSettings, open_run

    open_run(run, RunSettings("began", task.config, task.fingerprint))
    samples = task.samples(train(task, run))
    return samples, task.last_balance(run)


def learned_in_torch(task, interpreter, run):
    """The same by the two-pass step in PyTorch; the run keeps what it learns from, and its samples."""
    from benchmarks.began_step import TorchStep, torch_settings
    from experiments.control_task import SAMPLES

    config, pictures, samples = task.config, run / "pictures.npy", run / "samples.npy"
    if samples.exists():
        return np.load(samples), read_json(run / "balance.json")
    np.save(pictures, task.pictures)
    step = TorchStep(interpreter, torch_settings(config) | {"pictures": str(pictures)})
    for asked in with_progress(range(0, config.training.steps, ASKED), "part", f"{ASKED} steps in PyTorch"):
        step.ask({"steps": min(ASKED, config.training.steps - asked)})
    balance = step.ask({"samples": str(samples), "count": SAMPLES})
    step.close()
    write_json(run / "balance.json", balance)
    return np.load(samples), balance


if __name__ == "__main__":
    sys.exit(main())
