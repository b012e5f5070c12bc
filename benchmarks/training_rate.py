"""How near training comes to the machine's arithmetic: python -m benchmarks.training_rate [--precision float32].

Prints the rate of a large matrix product, the step rate that the regressor's convolutions and dense layers would have
at that rate, the rate that these layers reach when run bare, one by one, and the measured step rate. A step costs three
forward passes of arithmetic: one forward, one for the gradient of the input, one for that of the weights.
"""

import argparse
import statistics
import sys
import time

import keras
import numpy as np

from runtime.program import ArgumentParser, program
from training.step import compile_step


def arithmetic_layers(model):
    """The convolutions and dense layers of a model, nested ones included."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from arithmetic_layers(layer)
        elif isinstance(layer, keras.layers.Conv1D | keras.layers.Conv2D | keras.layers.Dense):
            yield layer


def multiplications(layer):
    """Multiply-adds of one forward pass over one example."""
    return int(np.prod(layer.output.shape[1:-1])) * int(np.prod(layer.kernel.shape))


def bare_seconds(layer, batch_size, rounds=9):
    """Median time of a layer's convolution or product and its two gradients, without bias and activation."""
    import tensorflow as tf

    dtype = layer.compute_dtype
    x = tf.cast(tf.random.stateless_normal((batch_size, *layer.input.shape[1:]), (0, 0)), dtype)
    kernel = tf.cast(layer.kernel.value, dtype)
    upstream = tf.ones((batch_size, *layer.output.shape[1:]), dtype)

    @tf.function
    def gradients(x, kernel):
        if isinstance(layer, keras.layers.Dense):
            return tf.matmul(x, kernel), tf.matmul(upstream, kernel, transpose_b=True), tf.matmul(x, upstream, True)
        y = tf.nn.convolution(x, kernel, strides=layer.strides, padding="SAME")
        return y, *tf.gradients(y, [x, kernel], upstream)

    return median_seconds(lambda: gradients(x, kernel), rounds)


def median_seconds(function, rounds):
    """Median time of a call, the first three left out."""
    seconds = []
    for _ in range(rounds + 3):
        started = time.monotonic()
        function()
        seconds.append(time.monotonic() - started)
    return statistics.median(seconds[3:])


def product_rate(dtype, side=3072, rounds=9):
    """Multiply-adds per second of a large square matrix product: the median of the rounds."""
    import tensorflow as tf

    generator = tf.random.Generator.from_seed(0)
    one, other = (tf.cast(generator.normal((side, side)), dtype) for _ in range(2))
    return side**3 / median_seconds(lambda: tf.matmul(one, other), rounds)


def compiled(config):
    """A regressor with Adam, as the training has it."""
    from audio2faces.regressor.network import Regressor

    keras.config.set_dtype_policy(config.training.precision)
    model = Regressor(config)
    keras.config.set_dtype_policy("float32")
    model.compile(keras.optimizers.Adam(config.training.learning_rate), jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


def step_seconds(model, config, rounds=30):
    """Median time of a training step."""
    generator, count = np.random.default_rng(0), config.training.batch_size
    batch = {
        "speech": generator.normal(size=(count, *config.speech.map_shape)).astype("float32"),
        "motion": generator.normal(size=(count, config.motion_size, config.motion_size, 3)).astype("float32"),
    }
    step = compile_step(model)
    return median_seconds(lambda: float(step(batch)["loss"]), rounds)


@program
def main():
    from audio2faces.config import RegressorConfig

    parser = ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--precision", choices=["float32", "mixed_bfloat16"], nargs="*", default=["float32"])
    for precision in parser.parse_args().precision:
        config = RegressorConfig().updated(training={"precision": precision})
        model, count = compiled(config), config.training.batch_size
        layers = list(arithmetic_layers(model.network))
        of_frame = sum(map(multiplications, layers))
        rates, steps, bare = [], [], []
        for _ in range(3):  # in turn, since the machine's speed drifts
            rates.append(product_rate(layers[0].compute_dtype))
            steps.append(step_seconds(model, config))
            bare.append(sum(bare_seconds(layer, count) for layer in layers))
        rate, seconds, bare = map(statistics.median, (rates, steps, bare))
        ideal = 3 * of_frame * count / rate
        print(
            f"{precision}, {count} frames of {2 * of_frame / 1e9:.2f} GFLOP a step: "
            f"matrix product {2 * rate / 1e9:.0f} GFLOP/s, which would give {1 / ideal:.2f} steps/s; "
            f"bare layers {1 / bare:.2f} ({ideal / bare:.0%}); training {1 / seconds:.2f} ({ideal / seconds:.0%})"
        )


if __name__ == "__main__":
    sys.exit(main())
