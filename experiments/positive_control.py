"""Whether this BEGAN covers many modes: an unconditional one, as in the paper, on pictures of known classes.

The classes are the speakers of several datasets (--data, once for each) or the ten digits of scikit-learn (--digits).
Each class gives as many pictures, of 32 pixels. Networks, latent code, losses and control are those of the paper
(Berthelot, Schumm, Metz, arXiv 1703.10717): no speech, z uniform in [-1, 1], a linear bottleneck as long as z, nothing
but the adversary to learn from. With --energy the generator also lowers the energy distance between generated and real
pictures, which rewards variety and which the paper's does not know; --weight 0 leaves it that alone. With --torch, the
path of an interpreter that has PyTorch, the same networks learn there instead, in two passes by code that shares
nothing with ours (benchmarks/began_torch.py).

A sample counts for the class of the nearest training picture; how often that is right for real pictures that were held
out is printed beside it. Trainings keep their checkpoints in --runs and resume from them; those in PyTorch start over.
"""

import sys
from pathlib import Path

import numpy as np

from experiments.control_pictures import digits, speakers
from preprocessing.dataset import open_dataset
from runtime import tables
from runtime.backend import import_keras
from runtime.errors import InputError
from runtime.files import exclusive, make_folder, write_json
from runtime.program import ArgumentParser, number, program
from runtime.progress import with_progress

GAMMAS = (0.3, 0.5, 0.7)  # of the paper
COLUMNS = (
    ("classes", "classes", 0),
    ("rarest class, of its even share", "rarest", 2),
    ("diversity", "diversity", 2),
    ("sharpness", "sharpness", 2),
    ("M_global", "m_global", 4),
    ("k", "k", 3),
)
ASKED = 250  # steps in PyTorch between two signs of life


def parse_arguments():
    """Reads the command line."""
    parser = ArgumentParser(prog="python -m experiments.positive_control", description=__doc__)
    parser.add_argument("--data", metavar="DATASET", action="append", default=[], help="of one speaker; give several")
    parser.add_argument("--digits", action="store_true", help="the digits of scikit-learn in their place")
    parser.add_argument("--gamma", type=number(0.0, 1.0), action="append", help=f"default: {GAMMAS}, in turn")
    parser.add_argument("--energy", type=number(0.0, 1e6), default=0.0, metavar="WEIGHT", help="default: 0")
    parser.add_argument("--weight", type=number(0.0, 1e6), default=1.0, help="of L(G) for the generator (default: 1)")
    parser.add_argument("--rate", type=number(0.0, 1.0), default=1e-4, help="learning rate (default: the paper's 1e-4)")
    parser.add_argument("--torch", metavar="PYTHON", help="an interpreter that has PyTorch, to learn there")
    parser.add_argument("--steps", type=number(1, 10**6, int), default=20000, help="default: 20000")
    parser.add_argument("--channels", type=number(1, 256, int), default=32, help="n of both networks (default: 32)")
    parser.add_argument("--seed", type=number(0, 2**32 - 1, int), default=0, help="default: 0")
    parser.add_argument("--runs", metavar="FOLDER", type=Path, required=True, help="of the trainings, which go on")
    return parser.parse_args()


@program
def main():
    """Trains what is missing, and prints a table."""
    arguments = parse_arguments()
    if bool(arguments.data) == arguments.digits:
        raise InputError("give --data several times, or --digits")
    train, held_out = digits() if arguments.digits else speakers([open_dataset(folder) for folder in arguments.data])
    if arguments.torch and (arguments.energy or arguments.weight != 1 or arguments.rate != 1e-4):
        raise InputError("--torch: takes no --energy, --weight or --rate; leave these out")
    import_keras()
    from experiments.control_task import ControlTask, config_of
    from training.run_folder import with_precision

    folder = make_folder(arguments.runs)
    held = f"{folder}: another process is at work there; wait for it, or choose another --runs"
    with exclusive(folder, held):
        for gamma in arguments.gamma or GAMMAS:
            own = arguments.rate, arguments.energy, arguments.weight
            config = with_precision(config_of(gamma, arguments.steps, arguments.channels, arguments.seed, *own))
            kind = "digits" if arguments.digits else f"{len(train)}-speakers"
            variant = "torch" if arguments.torch else "rate-{:g}-energy-{:g}-weight-{:g}".format(*own)
            run = folder / f"{kind}-gamma-{gamma:g}-{variant}-seed-{arguments.seed}"
            task = ControlTask(config, train, held_out)
            if arguments.torch:
                samples, balance = learned_in_torch(task, arguments.torch, make_folder(run))
            else:
                samples, balance = learned_here(task, run)
            values, shares = task.measures(samples) | balance, task.shares(samples)
            write_json(run / "measures.json", values | {"shares": shares})
            if gamma == (arguments.gamma or GAMMAS)[0]:
                print(f"{len(train)} classes, {sum(map(len, train.values()))} training pictures; ", end="")
                print(f"the nearest one tells the class of {task.told:.1%} of the held-out ones\n")
                print(tables.head(["shares", "gamma", *(title for title, _, _ in COLUMNS)]))
            cells = [f"{values[key]:.{digits}f}" for _, key, digits in COLUMNS]
            listed = ", ".join(f"{name} {share:.3f}" for name, share in shares.items())
            print(tables.row([listed, f"{gamma:g}", *cells]), flush=True)


def learned_here(task, run):
    """Samples after a training, uint8 RGB, and {"k", "m_global"}."""
    from training.loop import train
    from training.run_folder import RunSettings, open_run

    open_run(run, RunSettings("began", task.config, task.fingerprint))
    model = train(task, run)
    return task.samples(model), {"k": float(model.adversary.k), "m_global": task.last_m_global(run)}


def learned_in_torch(task, interpreter, folder):
    """The same by the two-pass step in PyTorch; what it learns from and its samples are kept in a folder."""
    from began.losses import global_convergence
    from benchmarks.began_step import TorchStep, torch_settings
    from experiments.control_task import SAMPLES

    config, pictures, samples = task.config, folder / "pictures.npy", folder / "samples.npy"
    np.save(pictures, task.pictures)
    step = TorchStep(interpreter, torch_settings(config) | {"pictures": str(pictures)})
    for asked in with_progress(range(0, config.training.steps, ASKED), "part", f"{ASKED} steps in PyTorch"):
        step.ask({"steps": min(ASKED, config.training.steps - asked)})
    answer = step.ask({"samples": str(samples), "count": SAMPLES})
    step.close()
    m_global = global_convergence(answer["real_error"], answer["generated_error"], config.adversary.gamma)
    return np.load(samples), {"k": answer["k"], "m_global": float(m_global)}


if __name__ == "__main__":
    sys.exit(main())
