"""BEGAN's losses and its one step: numbers worked by hand, the textbook's gradients, other backends and precisions."""

import dataclasses
import importlib.util
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from began.config import BeganConfig
from began.losses import (
    code_distance,
    global_convergence,
    mode_seeking_loss,
    reconstruction_error,
    scale_gradient,
    updated_k,
    weighted_error,
)
from began.model import WATCHED, Began, mouth_weights
from preprocessing.faces.alignment import mouth_slices

from .conftest import run_program

TINY = BeganConfig(
    size=16,
    audio_widths=(4,),
    audio_code=4,
    noise=0.0,
    dropout=0.0,
    z_source="reference",
    z_size=3,
    z_noise=0.0,
    reference_n=4,
    n=4,
    generator_n=4,
    code_size=6,
    batch_size=4,
    gamma=0.5,
    paired=0.0,
    paired_power=1,
    mouth_weight=4.0,
    precision="float32",
)
PLAIN = dataclasses.replace(TINY, audio_code=0, z_source="uniform")
CONDITIONAL = dataclasses.replace(
    TINY,
    conditional=True,
    mismatched=0.5,
    swapped=True,
    adversarial=0.6,
    paired=2.0,
    paired_power=2,
    code_penalty=0.1,
)
CODE_MATCH = dataclasses.replace(TINY, z_source="none", z_size=0, bottleneck=False, code_match=0.7, pixel_scale=3.0)
WITH_BASE = dataclasses.replace(CONDITIONAL, z_source="eigenfaces")
EVERYTHING = dataclasses.replace(CONDITIONAL, code_match=0.7, code_consistency=0.1, mode_seeking=0.1)
GAMES = pytest.mark.parametrize(
    "config", [PLAIN, CONDITIONAL, CODE_MATCH, WITH_BASE], ids=["plain", "conditional", "code matching", "with a base"]
)


def batch_of(config, seed=0):
    generator = np.random.default_rng(seed)
    faces = (config.batch_size, config.size, config.size, 3)
    maps = (config.batch_size, config.rows, config.coefficients)
    batch = {
        "face": generator.uniform(-1, 1, faces),
        "speech": generator.normal(size=maps),
        "foreign_speech": generator.normal(size=maps),
        "reference": generator.uniform(-1, 1, faces),
        "noise": generator.uniform(-1, 1, (config.batch_size, config.z_size)),
        "z": generator.normal(size=(config.batch_size, config.z_size)),
    }
    return {name: array.astype(np.float32) for name, array in batch.items()}


def compiled(config, optimizer=None, seed=0):
    keras.utils.set_random_seed(seed)
    model = Began(config)
    model.compile(optimizer or keras.optimizers.Adam(1e-3, beta_1=0.5), jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


def step(model, batch):
    model.reset_metrics()
    return {name: float(value) for name, value in model.train_on_batch(batch, return_dict=True).items()}


# The losses.


def test_errors_by_hand():
    faces = np.zeros((2, 2, 2, 3), np.float32)
    other = faces.copy()
    other[0, 0, 0] = [1.0, -2.0, 3.0]  # 6 / 12
    other[1] = -0.25
    np.testing.assert_allclose(reconstruction_error(faces, other), [0.5, 0.25])
    weights = np.array([[[4.0], [0.0]], [[0.0], [0.0]]], np.float32)
    np.testing.assert_allclose(weighted_error(faces, other, weights), [2.0, 0.25])
    np.testing.assert_allclose(weighted_error(faces, other, weights, power=2), [56 / 12, 0.0625], rtol=1e-6)
    np.testing.assert_allclose(code_distance(np.float32([[1, 2], [0, 0]]), np.float32([[0, 4], [0, -1]])), [1.5, 0.5])


def tensors(*values):
    return [ops.convert_to_tensor(value) for value in values]


def test_the_balance_by_hand():
    # k + lambda_k (gamma L(x) - L(G)): 0.2 + 0.1 (0.5 * 0.6 - 0.1) = 0.22.
    assert float(updated_k(*tensors(0.2, 0.6, 0.1), 0.5, 0.1)) == pytest.approx(0.22)
    assert float(updated_k(*tensors(0.2, 0.6, 0.9), 0.5, 0.1)) == pytest.approx(0.14)
    assert float(updated_k(*tensors(0.2, 0.6, 0.9), 0.5, 1.0)) == 0.0
    assert float(updated_k(*tensors(0.2, 0.6, 0.9), 0.5, 1.0, smallest=0.1)) == pytest.approx(0.1)
    assert float(updated_k(*tensors(0.9, 0.6, 0.1), 0.5, 1.0)) == 1.0
    assert float(global_convergence(*tensors(0.6, 0.1), 0.5)) == pytest.approx(0.8)
    assert float(global_convergence(*tensors(0.6, 0.4), 0.5)) == pytest.approx(0.7)


def test_the_mode_seeking_loss_by_hand():
    faces, others = np.zeros((2, 2, 2, 3), np.float32), np.full((2, 2, 2, 3), 0.5, np.float32)
    others[1] = 0.0
    z, other_z = np.float32([[1, 0], [1, 0]]), np.float32([[0, 0], [1, 2]])
    np.testing.assert_allclose(mode_seeking_loss(faces, others, z, other_z), [0.5 / 0.50001, 1e5], rtol=1e-5)


def test_scale_gradient_is_the_identity_but_for_its_gradient():
    x, scale = tf.Variable([1.0, -2.0]), tf.Variable(0.3)
    with tf.GradientTape() as tape:
        y = scale_gradient(tf.convert_to_tensor(x), -tf.convert_to_tensor(scale))
        loss = tf.reduce_sum(y * tf.constant([2.0, 5.0]))
    np.testing.assert_array_equal(y, x)
    of_x, of_scale = tape.gradient(loss, [x, scale])
    np.testing.assert_allclose(of_x, [-0.6, -1.5])
    assert float(of_scale) == 0.0


def test_mouth_weights():
    weights, mouth = mouth_weights(16, 4.0), mouth_slices(16)
    assert weights.shape == (16, 16, 1) and weights.mean() == pytest.approx(1.0)
    assert weights[mouth].min() == weights[mouth].max() == pytest.approx(4 * weights[0, 0, 0])


# The step.


def paint(network, value):
    """Makes a decoder paint every pixel in one value, whatever it is fed."""
    *_, last = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    kernel, bias = last.get_weights()
    last.set_weights([np.zeros_like(kernel), np.full_like(bias, value)])


def test_k_over_several_steps_by_hand():
    config = dataclasses.replace(PLAIN, gamma=0.5, lambda_k=0.1)
    model, batch = compiled(config, keras.optimizers.SGD(0.0)), batch_of(config)
    batch["face"][:] = 0.6
    paint(model.discriminator.get_layer("decoder"), 0.0)  # L(v) = |v|: L(x) = 0.6
    expected = [
        # what G paints, L(G), M_global, k
        (0.1, 0.1, 0.8, 0.02),  # k moves by 0.1 (0.5 * 0.6 - 0.1)
        (0.1, 0.1, 0.8, 0.04),
        (-0.2, 0.2, 0.7, 0.05),
        (0.5, 0.5, 0.8, 0.03),
        (0.8, 0.8, 1.1, 0.0),  # 0.03 - 0.05 is below 0
        (0.0, 0.0, 0.9, 0.03),
    ]
    for painted, generated_error, m_global, k in expected:
        paint(model.generator, painted)
        values = step(model, batch)
        assert [values[name] for name in WATCHED] == pytest.approx(
            [0.6, generated_error, m_global, k, abs(0.6 - painted)], abs=1e-6
        )
        assert values["loss"] == pytest.approx(0.6 + generated_error, abs=1e-6)
        assert float(model.k) == pytest.approx(k, abs=1e-6)
    paint(model.generator, 0.0)
    model.k.assign(0.99)
    assert step(model, batch)["k"] == 1.0


def test_a_test_step_leaves_k_alone():
    model, batch = compiled(PLAIN), batch_of(PLAIN)
    model.k.assign(0.4)
    model.test_on_batch(batch)
    assert float(model.k) == pytest.approx(0.4)


def textbook_gradients(model, batch):
    """Two passes: D's gradients of L(x) - k L(G) with the faces held, then G's of L(G) and what else it is asked."""
    config, k, discriminator = model.config, float(model.k), model.discriminator
    batch = {name: tf.constant(array) for name, array in batch.items()}
    players = {"discriminator": discriminator.trainable_variables}
    players["generator"] = [
        variable
        for network in (model.generator, model.audio_network, model.reference_encoder)
        if network is not None
        for variable in network.trainable_variables
    ]

    def judge(faces, speech):
        seen = {"face": faces, "speech": speech} if config.conditional else {"face": faces}
        reconstructed, code = discriminator(seen, training=True)
        return tf.reduce_mean(tf.abs(faces - reconstructed)), code

    def generated_faces():
        parts, z = [], None
        if config.audio_code:
            parts.append(model.audio_network(batch["speech"], training=True))
        if config.z_source == "reference":
            z = model.reference_encoder(batch["reference"], training=True)
        elif config.z_source != "none":
            z = batch["z"]
        faces = [model.generator(tf.concat([*parts, *([] if z is None else [z])], axis=1), training=True)]
        if config.swapped:
            faces.append(model.generator(tf.concat([*parts, tf.roll(z, 1, axis=0)], axis=1), training=True))
        return faces, z

    def generated_error(faces, real_code):
        judged = [judge(face, batch["speech"]) for face in faces]
        error = config.pixel_scale * sum(error for error, _ in judged) / len(faces)
        return error + config.code_match * tf.reduce_mean(tf.abs(judged[0][1] - real_code))

    with tf.GradientTape() as tape:
        faces = [tf.stop_gradient(face) for face in generated_faces()[0]]
        real_error, real_code = judge(batch["face"], batch["speech"])
        loss = config.pixel_scale * real_error - k * generated_error(faces, real_code)
        if config.mismatched:
            loss -= k * config.mismatched * config.pixel_scale * judge(batch["face"], batch["foreign_speech"])[0]
    gradients = {"discriminator": tape.gradient(loss, players["discriminator"])}
    with tf.GradientTape() as tape:
        faces, z = generated_faces()
        loss = config.adversarial * generated_error(faces, tf.stop_gradient(judge(batch["face"], batch["speech"])[1]))
        weights = mouth_weights(config.size, config.mouth_weight)
        loss += config.paired * tf.reduce_mean(weights * tf.abs(batch["face"] - faces[0]) ** config.paired_power)
        if config.z_source == "reference":
            loss += config.code_penalty * tf.reduce_mean(z**2)
    gradients["generator"] = tape.gradient(loss, players["generator"])
    return {id(v): g for name in players for v, g in zip(players[name], gradients[name], strict=True)}


@GAMES
def test_one_pass_gives_the_gradients_of_two(config):
    model, batch = compiled(config), batch_of(config)
    model.k.assign(0.37)
    expected = textbook_gradients(model, batch)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x=batch, y_pred=model(batch, training=True))
    gradients = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    assert len(gradients) == len(expected)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        textbook = np.asarray(expected[id(variable)])
        assert np.linalg.norm(textbook) > 0, variable.path
        assert np.linalg.norm(gradient - textbook) <= 1e-5 * np.linalg.norm(textbook), variable.path


def test_one_step_changes_every_weight():
    model = compiled(EVERYTHING)
    before = [np.array(variable) for variable in model.trainable_variables]
    step(model, batch_of(EVERYTHING))
    for old, variable in zip(before, model.trainable_variables, strict=True):
        assert (old != np.array(variable)).any(), variable.path


def test_k_and_the_moments_survive_saving(tmp_path):
    path, batches = tmp_path / "began.weights.h5", [batch_of(CONDITIONAL, seed) for seed in range(3)]
    config = dataclasses.replace(CONDITIONAL, lambda_k=0.1)
    model = compiled(config)
    model.k.assign(0.4)
    for batch in batches[:2]:
        step(model, batch)
    model.save_weights(path)
    again = compiled(config, seed=1)
    again.load_weights(path)
    assert float(again.k) == float(model.k) != 0
    for mine, theirs in zip(again.variables, model.variables, strict=True):
        if "seed_generator" not in mine.path and mine.path.split("/")[0] not in WATCHED:
            np.testing.assert_array_equal(mine, theirs, err_msg=mine.path)
    assert int(again.optimizer.iterations) == 2
    for mine, theirs in zip(again.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(mine, theirs, err_msg=mine.path)
    assert step(model, batches[2]) == step(again, batches[2])
    for mine, theirs in zip(again.trainable_variables, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(mine, theirs, err_msg=mine.path)


# Residuals and speech led in.


def test_speech_is_ramped_up_in_training_alone():
    model = compiled(dataclasses.replace(TINY, ramp_steps=10, noise=0.0, dropout=0.0))
    model.begin_step(5)
    speech = batch_of(TINY)["speech"]
    np.testing.assert_allclose(
        model.encode_speech({"speech": speech}, training=True), model.encode_speech({"speech": speech}) / 2
    )


def test_what_depends_on_the_number_of_the_step():
    config = dataclasses.replace(TINY, vanishing_steps=100, ramp_steps=10)
    model = compiled(config)
    residuals = [v for v in model.non_trainable_variables if v.name == "carry"]
    for number, heard, carry in ((0, 0.0, 1.0), (5, 0.5, 0.95), (25, 1.0, 0.75), (100, 1.0, 0.0), (300, 1.0, 0.0)):
        model.begin_step(number)
        assert float(model.speech_ramp) == pytest.approx(heard)
        assert residuals and [float(v) for v in residuals] == pytest.approx([carry] * len(residuals))


# Other backends and precisions.

UNDER_JAX = """
import json, sys
import keras, numpy as np
from began.config import BeganConfig
from began.model import Began

assert keras.backend.backend() == "jax"
folder, settings = sys.argv[1], json.loads(sys.argv[2])
model = Began(BeganConfig.from_json(settings))
model.compile(keras.optimizers.Adam(1e-3, beta_1=0.5))
model.optimizer.build(model.trainable_variables)
model.load_weights(folder + "/tensorflow.weights.h5")
batch = dict(np.load(folder + "/batch.npz"))
faces, losses = [np.asarray(model(batch)["face"])], []
for _ in range(3):
    model.reset_metrics()
    losses.append(model.train_on_batch(batch, return_dict=True))
faces.append(np.asarray(model(batch)["face"]))
model.save_weights(folder + "/jax.weights.h5")
np.savez(folder + "/jax.npz", faces=faces)
print(json.dumps([{name: float(value) for name, value in values.items()} for values in losses]))
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs jax")
def test_jax_steps_as_tensorflow_does(tmp_path):
    config = dataclasses.replace(EVERYTHING, lambda_k=0.1)
    model, batch = compiled(config), batch_of(config)
    model.k.assign(0.4)
    step(model, batch)
    model.save_weights(tmp_path / "tensorflow.weights.h5")
    np.savez(tmp_path / "batch.npz", **batch)
    done = run_program("-c", UNDER_JAX, tmp_path, json.dumps(config.as_json()), env={"KERAS_BACKEND": "jax"})
    assert done.returncode == 0, done.stderr
    before, after = np.load(tmp_path / "jax.npz")["faces"]
    np.testing.assert_allclose(model(batch)["face"], before, atol=1e-4)
    for theirs in json.loads(done.stdout):
        ours = step(model, batch)
        assert theirs.keys() == ours.keys()
        for name in ours:
            assert ours[name] == pytest.approx(theirs[name], rel=1e-4), name
    again = compiled(config, seed=1)
    again.load_weights(tmp_path / "jax.weights.h5")
    np.testing.assert_allclose(again(batch)["face"], after, atol=1e-4)
    assert int(again.optimizer.iterations) == 4
    assert float(again.k) == pytest.approx(float(model.k), rel=1e-4)


@pytest.fixture(params=["float32", "mixed_bfloat16"])
def policy(request):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(before)


def test_variables_losses_and_pictures_are_float32_in_every_precision(policy):
    config = dataclasses.replace(EVERYTHING, vanishing_steps=5)
    model, batch = compiled(config), batch_of(config)
    model.k.assign(0.4)
    made = model(batch, training=True)
    loss = model.compute_loss(x=batch, y_pred=made)
    reconstructed, code = model.discriminator({name: batch[name] for name in ("face", "speech")})
    for value in (*made.values(), loss, reconstructed, code):
        assert keras.backend.standardize_dtype(value.dtype) == "float32"
    computed = {layer.compute_dtype for layer in model._flatten_layers() if isinstance(layer, keras.layers.Conv2D)}
    assert ("bfloat16" in computed) == (policy == "mixed_bfloat16")
    assert all(np.isfinite(value) for value in step(model, batch).values())
    for variable in (*model.variables, *model.optimizer.variables):
        assert variable.dtype in ("float32", "int32", "int64", "uint32"), variable.path
        assert np.isfinite(np.asarray(variable)).all(), variable.path
