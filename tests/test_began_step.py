"""BEGAN's losses and its one step: numbers worked by hand, the textbook's gradients, other backends and precisions."""

import importlib.util
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from began.config import CODE_MATCHING, NO_BOTTLENECK, WIDE_ERRORS
from began.losses import (
    code_distance,
    detail_error,
    global_convergence,
    reconstruction_error,
    scale_gradient,
    updated_k,
    weighted_error,
)
from began.model import Began, mouth_weights
from began.training import audio_network_of
from experiments.collapse_rows import VariantConfig
from experiments.variants import CODE_PENALTY, VariantBegan, mode_seeking_loss
from preprocessing.faces.alignment import mouth_slices

from .conftest import compiled, run_program

TINY = VariantConfig().updated(
    size=16,
    speech={"widths": (4,), "code_size": 4, "noise": 0.0, "dropout": 0.0},
    learned_z=True,
    z_size=3,
    generator_n=4,
    adversary={"n": 4, "code_size": 6, "gamma": 0.5},
    paired=0.0,
    mouth_weight=4.0,
    training={"batch_size": 4, "precision": "float32"},
)
PLAIN = TINY.updated(speech={"code_size": 0}, z="uniform", learned_z=False)
CONDITIONAL = TINY.updated(adversary={"conditional": True, "mismatched": 0.5, "weight": 0.6}, swapped=True, paired=2.0)
DEFECTIVE = TINY.updated(
    learned_z=False,
    z="none",
    z_size=0,
    adversary={"defects": (NO_BOTTLENECK, CODE_MATCHING, WIDE_ERRORS)},
)
WITH_BASE = CONDITIONAL.updated(learned_z=False, detail=0.5)
EVERYTHING = CONDITIONAL.updated(adversary={"defects": (CODE_MATCHING,)}, code_consistency=0.1, mode_seeking=0.1)
GAMES = pytest.mark.parametrize(
    "config", [PLAIN, CONDITIONAL, DEFECTIVE, WITH_BASE], ids=["plain", "conditional", "2017", "with a base"]
)


def batch_of(config, seed=0):
    generator = np.random.default_rng(seed)
    count = config.training.batch_size
    faces, maps = (count, config.size, config.size, 3), (count, *config.speech.map_shape)
    batch = {
        "face": generator.uniform(-1, 1, faces),
        "speech": generator.normal(size=maps),
        "foreign_speech": generator.normal(size=maps),
        "reference": generator.uniform(-1, 1, faces),
        "noise": np.zeros((count, config.z_size)),
        "z": generator.normal(size=(count, config.z_size)),
    }
    return {name: array.astype(np.float32) for name, array in batch.items()}


def new_model(config, optimizer=None, seed=0):
    keras.utils.set_random_seed(seed)
    return compiled(
        VariantBegan(config, audio_network_of(config.speech)), optimizer or keras.optimizers.Adam(1e-3, 0.5)
    )


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
    np.testing.assert_allclose(weighted_error(faces, other, weights), [56 / 12, 0.0625], rtol=1e-6)
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


def test_detail_counts_wherever_in_its_window_it_lies():
    generator = np.random.default_rng(0)
    real = generator.uniform(-1, 1, (1, 64, 64, 3)).astype(np.float32)
    blurred = (real + np.roll(real, 1, 1) + np.roll(real, 1, 2) + np.roll(real, (1, 1), (1, 2))) / 4
    other = generator.uniform(-1, 1, (1, 64, 64, 3)).astype(np.float32)
    errors = [float(ops.mean(detail_error(real, faces))) for faces in (real, other, blurred)]
    assert errors[0] == 0 and 2 * errors[1] < errors[2]


def test_stripes_do_not_count_for_edges_that_lie_across_them():
    """Lines down and lines across have as much detail, of another direction."""
    across = np.zeros((1, 64, 64, 3), np.float32)
    across[:, ::4] = 1
    down, lower = across.transpose(0, 2, 1, 3), np.roll(across, 1, axis=1)
    turned, moved = (float(ops.mean(detail_error(across, faces))) for faces in (down, lower))
    assert turned > 0.5 and moved < turned / 4


def test_detail_is_compared_in_a_part():
    """Stripes in the upper half of a face are an error of the whole, and none of the lower half."""
    real = np.zeros((1, 32, 32, 3), np.float32)
    striped = real.copy()
    striped[:, :12:4] = 1
    lower = float(ops.mean(detail_error(real, striped, lambda size: (slice(size // 2, size), slice(0, size)))))
    assert lower == 0 and float(ops.mean(detail_error(real, striped))) > 0.1


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
    config = PLAIN.updated(adversary={"lambda_k": 0.1})
    model, batch = new_model(config, keras.optimizers.SGD(0.0)), batch_of(config)
    batch["face"][:] = 0.6
    paint(model.adversary.discriminator.get_layer("decoder"), 0.0)  # L(v) = |v|: L(x) = 0.6
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
        assert [values[name] for name in Began.watched] == pytest.approx(
            [0.6, generated_error, m_global, k, (0.6 - painted) ** 2], abs=1e-6
        )
        assert values["loss"] == pytest.approx(0.6 + generated_error, abs=1e-6)
        assert float(model.adversary.k) == pytest.approx(k, abs=1e-6)
    paint(model.generator, 0.0)
    model.adversary.k.assign(0.99)
    assert step(model, batch)["k"] == 1.0


def test_a_test_step_leaves_k_alone():
    model, batch = new_model(PLAIN), batch_of(PLAIN)
    model.adversary.k.assign(0.4)
    model.test_on_batch(batch)
    assert float(model.adversary.k) == pytest.approx(0.4)


def textbook_gradients(model, batch):
    """Two passes: D's gradients of L(x) - k L(G) with the faces held, then G's of L(G) and what else it is asked."""
    config, game = model.config, model.config.adversary
    k, discriminator = float(model.adversary.k), model.adversary.discriminator
    batch = {name: tf.constant(array) for name, array in batch.items()}
    players = {"discriminator": discriminator.trainable_variables}
    players["generator"] = [
        variable
        for network in (model.generator, model.audio_network, model.reference_encoder)
        if network is not None
        for variable in network.trainable_variables
    ]

    def judge(faces, speech):
        seen = {"face": faces, "speech": speech} if game.conditional else {"face": faces}
        reconstructed, code = discriminator(seen, training=True)
        return tf.reduce_mean(tf.abs(faces - reconstructed)), code

    def generated_faces():
        parts, z = [], None
        if model.audio_network is not None:
            parts.append(model.audio_network(batch["speech"], training=True))
        if config.learned_z:
            z = model.reference_encoder(batch["reference"], training=True)
        elif config.z_size:
            z = batch["z"]
        faces = [model.generator(tf.concat([*parts, *([] if z is None else [z])], axis=1), training=True)]
        if config.swapped:
            faces.append(model.generator(tf.concat([*parts, tf.roll(z, 1, axis=0)], axis=1), training=True))
        return faces, z

    def generated_error(faces, real_code):
        judged = [judge(face, batch["speech"]) for face in faces]
        error = game.pixel_scale * sum(error for error, _ in judged) / len(faces)
        matched = tf.reduce_mean(tf.abs(judged[0][1] - real_code))
        return error + matched if CODE_MATCHING in game.defects else error

    with tf.GradientTape() as tape:
        faces = [tf.stop_gradient(face) for face in generated_faces()[0]]
        real_error, real_code = judge(batch["face"], batch["speech"])
        loss = game.pixel_scale * real_error - k * generated_error(faces, real_code)
        if game.mismatched:
            loss -= k * game.mismatched * game.pixel_scale * judge(batch["face"], batch["foreign_speech"])[0]
    gradients = {"discriminator": tape.gradient(loss, players["discriminator"])}
    with tf.GradientTape() as tape:
        faces, z = generated_faces()
        loss = game.weight * generated_error(faces, tf.stop_gradient(judge(batch["face"], batch["speech"])[1]))
        weights = mouth_weights(config.size, config.mouth_weight)
        loss += config.paired * tf.reduce_mean(weights * tf.square(batch["face"] - faces[0]))
        if config.detail:
            loss += config.detail * tf.reduce_mean(detail_error(batch["face"], faces[0]))
        if config.learned_z:
            loss += CODE_PENALTY * tf.reduce_mean(z**2)
    gradients["generator"] = tape.gradient(loss, players["generator"])
    return {id(v): g for name in players for v, g in zip(players[name], gradients[name], strict=True)}


@GAMES
def test_one_pass_gives_the_gradients_of_two(config):
    model, batch = new_model(config), batch_of(config)
    model.adversary.k.assign(0.37)
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
    model = new_model(EVERYTHING)
    before = [np.array(variable) for variable in model.trainable_variables]
    step(model, batch_of(EVERYTHING))
    for old, variable in zip(before, model.trainable_variables, strict=True):
        assert (old != np.array(variable)).any(), variable.path


def test_k_and_the_moments_survive_saving(tmp_path):
    path, batches = tmp_path / "began.weights.h5", [batch_of(CONDITIONAL, seed) for seed in range(3)]
    config = CONDITIONAL.updated(adversary={"lambda_k": 0.1})
    model = new_model(config)
    model.adversary.k.assign(0.4)
    for batch in batches[:2]:
        step(model, batch)
    model.save_weights(path)
    again = new_model(config, seed=1)
    again.load_weights(path)
    assert float(again.adversary.k) == float(model.adversary.k) != 0
    for mine, theirs in zip(again.variables, model.variables, strict=True):
        if "seed_generator" not in mine.path and mine.path.split("/")[0] not in Began.watched:
            np.testing.assert_array_equal(mine, theirs, err_msg=mine.path)
    assert int(again.optimizer.iterations) == 2
    for mine, theirs in zip(again.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(mine, theirs, err_msg=mine.path)
    assert step(model, batches[2]) == step(again, batches[2])
    for mine, theirs in zip(again.trainable_variables, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(mine, theirs, err_msg=mine.path)


def test_speech_is_ramped_up_in_training_alone():
    model = new_model(TINY.updated(ramp_steps=10))
    for number, share in ((0, 0.0), (25, 1.0), (5, 0.5)):
        model.begin_step(number)
        assert float(model.speech_ramp) == pytest.approx(share)
    speech = batch_of(TINY)["speech"]
    np.testing.assert_allclose(
        model.encode_speech({"speech": speech}, training=True), model.encode_speech({"speech": speech}) / 2
    )


# Other backends and precisions.

UNDER_JAX = """
import json, sys
import keras, numpy as np
from began.training import audio_network_of
from experiments.variants import VariantBegan, VariantConfig

assert keras.backend.backend() == "jax"
folder, settings = sys.argv[1], json.loads(sys.argv[2])
config = VariantConfig.from_json(settings)
model = VariantBegan(config, audio_network_of(config.speech))
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
    config = EVERYTHING.updated(adversary={"lambda_k": 0.1})
    model, batch = new_model(config), batch_of(config)
    model.adversary.k.assign(0.4)
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
    again = new_model(config, seed=1)
    again.load_weights(tmp_path / "jax.weights.h5")
    np.testing.assert_allclose(again(batch)["face"], after, atol=1e-4)
    assert int(again.optimizer.iterations) == 4
    assert float(again.adversary.k) == pytest.approx(float(model.adversary.k), rel=1e-4)


@pytest.fixture(params=["float32", "mixed_bfloat16"])
def policy(request):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(before)


def test_variables_losses_and_pictures_are_float32_in_every_precision(policy):
    config = EVERYTHING
    model, batch = new_model(config), batch_of(config)
    model.adversary.k.assign(0.4)
    made = model(batch, training=True)
    loss = model.compute_loss(x=batch, y_pred=made)
    reconstructed, code = model.adversary.discriminator({name: batch[name] for name in ("face", "speech")})
    for value in (*made.values(), loss, reconstructed, code):
        assert keras.backend.standardize_dtype(value.dtype) == "float32"
    computed = {layer.compute_dtype for layer in model._flatten_layers() if isinstance(layer, keras.layers.Conv2D)}
    assert ("bfloat16" in computed) == (policy == "mixed_bfloat16")
    assert all(np.isfinite(value) for value in step(model, batch).values())
    for variable in (*model.variables, *model.optimizer.variables):
        assert variable.dtype in ("float32", "int32", "int64", "uint32"), variable.path
        assert np.isfinite(np.asarray(variable)).all(), variable.path
