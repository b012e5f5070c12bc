"""Training of an unconditional BEGAN on pictures of known classes: what `experiments.positive_control` trains."""

import csv
import hashlib
from dataclasses import dataclass
from functools import partial

import numpy as np

from began.config import BeganConfig
from began.figures import draw_panels, draw_rows
from began.model import Began
from began.networks.inference import in_batches
from experiments.control_pictures import SIZE, evenly
from experiments.variants import energy_distance
from measures.collapse import diversity, nearest, ratio, sharpness
from media.pixels import to_signed, to_uint8
from training.frames import SHOWN, batch_indices
from training.loop import Task
from training.schedule import learning_rate

SAMPLES = 1000  # generated pictures that are measured
COMPARED = 500  # of these, and of real ones, whose distances in pairs are measured
Z_SIZE = 64  # of z, and of the bottleneck
LAMBDA_K = 0.01  # ten times the paper's, whose trainings are longer by as much or more
PANELS = {
    "reconstruction errors": ("real_error", "generated_error", "m_global"),
    "balance k": ("k",),
    "1: as real pictures": ("diversity", "sharpness", "rarest"),
    "classes": ("classes",),
}


@dataclass(frozen=True)
class ControlConfig(BeganConfig):
    """A BEGAN's settings, and what the paper's has not."""

    energy: float = 0.0  # weight of `energy_distance`


class ControlBegan(Began):
    """See `ControlConfig`."""

    config: ControlConfig

    def generator_losses(self, batch, made, training):
        """See `Began.generator_losses`."""
        loss, paired_error = super().generator_losses(batch, made, training)
        return loss + self.config.energy * energy_distance(batch["face"], made["face"]), paired_error


def config_of(gamma, steps, rate, channels=32, energy=0.0, weight=1.0, sub_pixel=False, seed=0):
    """The paper's settings with these: 64 numbers of z, rate halved when M_global stalls, k from 0.

    Args:
        gamma: L(G) / L(x) that the control aims at.
        steps: of the training.
        rate: learning rate at its beginning.
        channels: of both networks.
        energy: weight of `energy_distance`.
        weight: of L(G) for the generator.
        sub_pixel: the networks compute at half the size, as in the presets.
        seed: of weights, batches and z.
    """
    return ControlConfig().updated(
        energy=energy,
        size=SIZE,
        speech={"code_size": 0},
        z="uniform",
        z_size=Z_SIZE,
        generator_n=channels,
        sub_pixel=sub_pixel,
        adversary={"n": channels, "code_size": Z_SIZE, "gamma": gamma, "lambda_k": LAMBDA_K, "weight": weight},
        paired=0.0,
        training={
            "steps": steps,
            "learning_rate": rate,
            "halve_every": 0,
            "patience": 5,
            "smallest_rate": rate / 10,
            "evaluate_every": min(1000, steps),
            "seed": seed,
        },
    )


class ControlTask(Task):
    """What it adds to the loop.

    Args:
        config: `ControlConfig` with a precision that is chosen.
        train: from the name of each class to its training pictures, uint8 RGB [shape=(n, SIZE, SIZE, 3)], n alike.
        held_out: the same of other pictures.
    """

    measured = ("classes", "rarest", "diversity", "sharpness")
    beta_1 = 0.5

    def __init__(self, config, train, held_out):
        self.config, self.settings = config, config.training
        self.names = list(train)
        self.pictures = np.concatenate(list(train.values()))
        self.class_of = np.arange(len(train)).repeat([len(pictures) for pictures in train.values()])
        real = np.concatenate(list(held_out.values()))
        true = np.arange(len(held_out)).repeat([len(pictures) for pictures in held_out.values()])
        self.real = evenly(self.pictures, COMPARED)
        self.told = float(np.mean(self.class_of[nearest(real, self.pictures)] == true))
        self.fingerprint = hashlib.sha256(self.pictures.tobytes()).hexdigest()[:12]

    def build(self, **options):
        """See `Task.build`."""
        return ControlBegan(self.config, None, **options)

    def prepare(self):
        """See `Task.prepare`."""

    def batch(self, step):
        """See `Task.batch`: pictures of all classes alike, and z."""
        count, seed = self.settings.batch_size, self.settings.seed
        indices = batch_indices(len(self.pictures), count, step, seed)
        return {"face": to_signed(self.pictures[indices]), "z": draw(count, (seed, step))}

    def learning_rate(self, step, rows):
        """See `Task.learning_rate`: halved whenever M_global has stalled."""
        return learning_rate(self.settings, step, [row["m_global"] for row in rows])

    def samples(self, model):
        """The same SAMPLES pictures at every look, uint8 RGB."""
        generate = partial(model.generator, training=False)
        return to_uint8(in_batches(lambda z: np.asarray(generate(z)), draw(SAMPLES, 0)))

    def shares(self, samples):
        """The share of each class among samples, by name."""
        of_samples = self.class_of[nearest(samples, self.pictures)]
        return {name: float(np.mean(of_samples == index)) for index, name in enumerate(self.names)}

    def measures(self, samples):
        """What `measured` names, of samples."""
        shares = list(self.shares(samples).values())
        return {
            "classes": sum(share > 0 for share in shares),
            "rarest": min(shares) * len(shares),
            "diversity": diversity(samples[:COMPARED], self.real),
            "sharpness": ratio(sharpness(samples), sharpness(self.real)),
        }

    def validate(self, model):
        """See `Task.validate`; pictures: samples above the nearest training pictures."""
        samples = self.samples(model)
        shown = samples[: 3 * SHOWN].reshape(3, SHOWN, *samples.shape[1:])
        rows = {}
        for number, row in enumerate(shown, 1):
            rows |= {f"samples {number}": row, f"nearest {number}": self.pictures[nearest(row, self.pictures)]}
        return self.measures(samples), {"samples": partial(draw_rows, rows=rows)}

    def draw_curves(self, path, rows):
        """See `Task.draw_curves`."""
        draw_panels(path, rows, PANELS, columns=2, from_zero=True)

    def last_balance(self, run):
        """L(x), L(G) and k over the last steps of a run."""
        with open(run / "metrics.csv", newline="", encoding="utf-8") as file:
            last = list(csv.DictReader(file))[-1]
        return {name: float(last[name]) for name in ("real_error", "generated_error", "k")}


def draw(count, seed):
    """Latent codes, uniform in [-1, 1], float32 [shape=(count, Z_SIZE)]."""
    return np.random.default_rng(seed).uniform(-1, 1, (count, Z_SIZE)).astype(np.float32)
