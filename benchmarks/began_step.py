"""BEGAN's one-pass step timed: python -m benchmarks.began_step [--torch PYTHON] [--precision mixed_bfloat16].

Prints the step's time, its arithmetic as a share of the rate of a large matrix product and of what its own convolutions
and dense layers reach when run bare, one by one, and the peak memory of the process. With --torch, the path of an
interpreter that has PyTorch, also how many times as fast it is as the usual two-pass step there
(benchmarks/began_torch.py): the same networks (the paper's), batch, machine and number of threads, in turn round by
round, since the machine's speed drifts. PyTorch computes in the memory format that is the faster. With --sub-pixel our
networks have the sub-pixel ends of the presets, those in PyTorch are still the paper's.

The arithmetic of a step is one forward pass and two backward ones (for the input and for the weights), each of D over
the real faces, of D over the generated ones and of G.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np

from began.config import AdversaryConfig, BeganConfig
from began.model import Began
from benchmarks.training_rate import arithmetic_layers, bare_seconds, median_seconds, multiplications, product_rate
from runtime.program import ArgumentParser, peak_memory, program
from training.config import SpeechConfig, TrainingConfig
from training.run_folder import choose_precision
from training.step import compile_step

GAMMA, LAMBDA_K = 0.5, 0.001


def paper_config(size, n, batch_size, skips, sub_pixel=False):
    """The paper's networks: a generator that hears nothing, z of 64 numbers, all blocks at full size."""
    return BeganConfig(
        size=size,
        speech=SpeechConfig(code_size=0),
        z="uniform",
        z_size=64,
        generator_n=n,
        skips=skips,
        sub_pixel=sub_pixel,
        adversary=AdversaryConfig(n=n, gamma=GAMMA, lambda_k=LAMBDA_K, weight=1.0),
        paired=0.0,
        training=TrainingConfig(batch_size=batch_size),
    )


def compiled_model(config):
    """The model with Adam, as the training has it."""
    model = Began(config, audio_network=None)
    model.compile(keras.optimizers.Adam(1e-4, beta_1=0.5), jit_compile=False)
    return model


def random_batch(config):
    """A batch of noise; the arithmetic is that of faces."""
    generator = np.random.default_rng(0)
    count = config.training.batch_size
    faces = generator.uniform(-1, 1, (count, config.size, config.size, 3)).astype(np.float32)
    speech = np.zeros((count, *config.speech.map_shape), np.float32)
    z = generator.uniform(-1, 1, (count, config.z_size)).astype(np.float32)
    return {"face": faces, "speech": speech, "z": z}


def step_multiplications(model):
    """Multiply-adds of a step over one example; the gradients of the inputs, z and the real faces, are not wanted."""
    of_generator, of_discriminator = (
        [multiplications(layer) for layer in arithmetic_layers(player)]
        for player in (model.generator, model.adversary.discriminator)
    )
    return 3 * sum(of_generator) - of_generator[0] + 6 * sum(of_discriminator) - of_discriminator[0]


def bare_step_seconds(model, batch_size):
    """Time of the layers of a step run one by one: D over real and over generated faces, and G."""
    return sum(
        times * bare_seconds(layer, batch_size, rounds=5)
        for player, times in ((model.generator, 1), (model.adversary.discriminator, 2))
        for layer in arithmetic_layers(player)
    )


def torch_settings(config):
    """What the two-pass step has to know of a configuration."""
    settings = {name: getattr(config, name) for name in ("size", "z_size", "skips")}
    settings |= {name: getattr(config.adversary, name) for name in ("n", "code_size", "gamma", "lambda_k")}
    settings |= {"batch_size": config.training.batch_size, "threads": len(os.sched_getaffinity(0))}
    return settings | {"precision": "float32"}


class TorchStep:
    """The two-pass step in another interpreter, one JSON object a line each way."""

    def __init__(self, interpreter, settings):
        script = Path(__file__).with_name("began_torch.py")
        self.process = subprocess.Popen(
            [interpreter, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.about = self.ask(settings)

    def ask(self, question):
        """Sends a line and waits for the answer."""
        self.process.stdin.write(json.dumps(question) + "\n")
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"error: the PyTorch side ended with status {self.process.wait()}")
        return json.loads(answer)

    def close(self):
        """Ends the process."""
        self.process.stdin.close()
        self.process.wait()


def in_words(values, unit=""):
    """Median and range."""
    return f"{statistics.median(values):.2f}{unit} ({min(values):.2f}-{max(values):.2f})"


@program
def main():
    import tensorflow as tf

    parser = ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch", metavar="PYTHON", help="an interpreter that has PyTorch")
    parser.add_argument("--precision", choices=["float32", "mixed_bfloat16"], default="float32")
    parser.add_argument("--torch-precision", choices=["float32", "mixed_bfloat16"], default="float32")
    parser.add_argument("--size", type=int, default=64, help="side of the faces in pixels (default: %(default)s)")
    parser.add_argument("--n", type=int, default=32, help="channels of the networks (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=16, help="default: %(default)s")
    parser.add_argument("--skips", action="store_true", help="skip connections in the decoders, on both sides")
    parser.add_argument("--sub-pixel", action="store_true", help="ours compute at half the size, as in the presets")
    parser.add_argument("--rounds", type=int, default=7, help="default: %(default)s")
    parser.add_argument("--steps", type=int, default=5, help="of each side in a round (default: %(default)s)")
    arguments = parser.parse_args()

    threads = len(os.sched_getaffinity(0))
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    if arguments.precision == "mixed_bfloat16" and choose_precision("auto") != "mixed_bfloat16":
        print("this processor has no bfloat16 instructions: mixed_bfloat16 is emulated, and slower than float32")
    keras.config.set_dtype_policy(arguments.precision)
    config = paper_config(arguments.size, arguments.n, arguments.batch_size, arguments.skips, arguments.sub_pixel)
    model, batch = compiled_model(config), random_batch(config)
    step = compile_step(model)
    step(batch)
    multiply_adds = step_multiplications(model) * config.training.batch_size
    weights = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    print(
        f"{config.size} px, n {config.adversary.n}, batch of {config.training.batch_size}, "
        f"{'skips' if config.skips else 'no skips'}{', sub-pixel ends' if config.sub_pixel else ''}, "
        f"{weights / 1e6:.2f} M weights, {threads} threads; {2 * multiply_adds / 1e9:.0f} GFLOP a step"
    )

    other = None
    if arguments.torch:
        other = TorchStep(arguments.torch, torch_settings(config) | {"precision": arguments.torch_precision})
        if other.about["weights"] != weights and not config.sub_pixel:
            raise SystemExit(f"error: the networks differ: {weights} weights here, {other.about['weights']} there")
        print(f"PyTorch {other.about['version']}, {arguments.torch_precision}, {other.about['memory_format']}")

    ours, theirs, rates, bare, peak = [], [], [], [], 0
    for _ in range(arguments.rounds):  # in turn, since the machine's speed drifts
        ours.append(median_seconds(lambda: step(batch), arguments.steps))
        peak = peak or peak_memory()  # before the large matrices
        if other:
            answer = other.ask({"steps": arguments.steps})
            theirs.append(answer["seconds"])
        rates.append(product_rate("float32" if arguments.precision == "float32" else "bfloat16", rounds=3))
        bare.append(bare_step_seconds(model, config.training.batch_size))
    share = [multiply_adds / seconds / rate for seconds, rate in zip(ours, rates, strict=True)]
    print(
        f"one-pass step, {arguments.precision}: {in_words(ours, ' s')}, "
        f"{2 * multiply_adds / statistics.median(ours) / 1e9:.0f} GFLOP/s; matrix product "
        f"{2 * statistics.median(rates) / 1e9:.0f} GFLOP/s; share {in_words(share)}; peak memory {peak / 1e9:.2f} GB"
    )
    print(f"its layers run bare take {in_words([one / own for one, own in zip(bare, ours, strict=True)])} of that time")
    if other:
        ratio = statistics.median(theirs) / statistics.median(ours)
        each = [one / own for one, own in zip(theirs, ours, strict=True)]
        print(
            f"two-pass step in PyTorch: {in_words(theirs, ' s')}, peak memory {answer['peak'] / 1e9:.2f} GB; "
            f"the one-pass step is {ratio:.2f} times as fast ({min(each):.2f}-{max(each):.2f} over the rounds)"
        )
        other.close()


if __name__ == "__main__":
    sys.exit(main())
