import importlib.util
import json
import shutil
from types import SimpleNamespace

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from audio2faces.config import PRESETS, RefinerConfig
from audio2faces.lower_face import hidden_mask, painted_mask
from audio2faces.refiner.light import Light, lit
from audio2faces.refiner.network import LIGHT, Refiner, build_refiner
from audio2faces.refiner.training import RefinerTask, augmented
from audio2faces.regressor.training import RegressorTask, TrainedRegressor
from audio2faces.train_system import train_system
from audio2faces.trained.face import load_model
from audio2faces.trained.motion import add_motion
from media.pixels import to_signed
from preprocessing.faces.alignment import mouth_slices
from runtime.errors import InputError
from training.frames import FrameSet, FrameStore

from .conftest import TINY_REFINER, compiled, dataset_of, drawn_clip, one_line, run_program


def config_of(**changes):
    """Settings of a tiny refiner, of which `adversary` is given by its weight."""
    return RefinerConfig().updated(**TINY_REFINER).updated(**changes)


def new_model(config):
    keras.utils.set_random_seed(0)
    return compiled(Refiner(config))


def batch_of(frames=4, size=16, seed=0):
    generator = np.random.default_rng(seed)
    names = "face", "frame", "moving", "reference"
    faces = {name: generator.uniform(-1, 1, (frames, size, size, 3)) for name in names}
    maps = {name: generator.normal(size=(frames, 35, 13)) for name in ("speech", "foreign_speech")}
    return {name: part.astype(np.float32) for name, part in (faces | maps).items()}


@pytest.fixture(scope="module")
def training(tiny_dataset, tiny_config, tiny_model_folder):
    return RegressorTask(tiny_config, FrameStore(tiny_dataset), tiny_model_folder.parent / "regressor")


@pytest.fixture(scope="module")
def trained(training, tiny_model_folder):
    return TrainedRegressor(training, load_model(tiny_model_folder).network)


@pytest.mark.parametrize("size", [16, 64, 128, 256])
def test_an_untrained_refiner_paints_the_moving_face_as_it_is(size):
    refiner = build_refiner(config_of(size=size))
    moving, frame = np.random.default_rng(0).uniform(-1, 1, (2, 1, size, size, 3)).astype(np.float32)
    expected = frame + painted_mask(size) * (moving - frame)
    np.testing.assert_allclose(refiner.predict_on_batch([moving, frame, frame]), expected, atol=1e-6)


@pytest.mark.parametrize("size", [72, 128])
def test_the_light_of_a_frame_is_found_whatever_the_mouth_does(size):
    generator = np.random.default_rng(0)
    columns = np.linspace(-1, 1, size + 1)[:-1] + 1 / size
    light = np.exp(np.array([0.3, 0.2, -0.4]) + np.array([0.2, 0, -0.2]) * columns[:, None]).astype(np.float32)
    reference = cv2.GaussianBlur(generator.uniform(-1, 1, (size, size, 3)), (0, 0), size / 20).astype(np.float32)
    frame = (reference + 1) * light - 1
    frame[round(0.55 * size) :] = generator.uniform(-1, 1)  # an open mouth
    frame[round(0.34 * size) : round(0.4 * size), round(0.3 * size) : round(0.4 * size)] -= 0.5  # and a shut eye
    measure = Light(size)
    measure.adapt(reference)
    slightly = ((reference + 1) * (1 + 0.04 * columns[:, None]) - 1).astype(np.float32)  # as within a take
    found = ops.convert_to_numpy(measure(np.stack([frame, slightly])))
    assert found.shape == (2, 1, size, 3)
    np.testing.assert_allclose(found[0, 0], light, rtol=0.12)
    np.testing.assert_allclose(found[1], 1, rtol=1e-6)


def test_a_refiner_paints_the_same_mouth_in_any_light():
    refiner = build_refiner(config_of(size=64))
    generator = np.random.default_rng(0)
    for weight in refiner.trainable_weights:
        weight.assign(generator.normal(0, 0.05, weight.shape))
    reference = cv2.GaussianBlur(generator.uniform(-0.5, 0.5, (64, 64, 3)), (0, 0), 3)[None].astype(np.float32)
    refiner.get_layer(LIGHT).adapt(reference[0])
    moving, dim = reference + 0.1, 0.7
    light = np.array([1.5, 1.2, 0.6], np.float32)
    plain = refiner.predict_on_batch([moving, reference, reference])
    tinted = refiner.predict_on_batch([moving, reference, lit(reference, light)])
    np.testing.assert_allclose((tinted + 1) / light, plain + 1, rtol=0.1)
    assert np.abs(tinted - plain).max() > 0.3
    from_dim = refiner.predict_on_batch([lit(moving, dim), lit(reference, dim), reference])
    np.testing.assert_allclose(from_dim + 1, plain + 1, rtol=0.1)


def test_a_refiner_paints_the_lower_face_alone_and_sees_nothing_of_what_is_hidden():
    refiner = build_refiner(config_of(size=64))
    generator = np.random.default_rng(0)
    for weight in refiner.trainable_weights:
        weight.assign(generator.normal(0, 0.2, weight.shape))
    moving, reference, frame = generator.uniform(-1, 1, (3, 3, 64, 64, 3)).astype(np.float32)
    painted = refiner.predict_on_batch([moving, reference, frame])
    opacity, hidden = painted_mask(64)[..., 0], hidden_mask(64)[..., 0] > 0
    np.testing.assert_array_equal(painted[:, opacity == 0], frame[:, opacity == 0])
    assert hidden[opacity > 0].all() and hidden[45:, 20:44].all() and not hidden[:25].any()
    other = np.where(hidden[..., None], generator.uniform(-1, 1, frame.shape), frame).astype(np.float32)
    again = refiner.predict_on_batch([moving, reference, other])
    np.testing.assert_array_equal(painted[:, opacity == 1], again[:, opacity == 1])
    beside = np.where(hidden[..., None], frame, -frame)
    assert (refiner.predict_on_batch([moving, reference, beside]) != painted)[:, opacity == 1].any()


def test_the_painted_part_holds_the_mouth_and_ends_within_the_crop():
    for size in (64, 128):
        opacity = painted_mask(size)[..., 0]
        lips = opacity[round(0.7 * size) : round(0.9 * size), round(0.35 * size) : round(0.65 * size)]
        assert lips.min() > 0.9
        assert max(opacity[0].max(), opacity[-1].max(), opacity[:, 0].max(), opacity[:, -1].max()) == 0


def test_the_refiner_of_2017_is_residual_and_sees_the_moving_face_alone():
    config = PRESETS["2017"].refiner.updated(size=16, n=3, adversary={"n": 2})
    refiner = build_refiner(config)
    assert len(refiner.inputs) == 1 and refiner.output_shape == (None, 16, 16, 3)
    kernels = [weight for weight in refiner.weights if weight.path.endswith("kernel")]
    assert len(kernels) == 1 + 4 * 2 + 1 and all(kernel.shape[:2] == (3, 3) for kernel in kernels)
    for kernel in kernels[1:-1]:
        kernel.assign(np.zeros(kernel.shape))
    faces = np.random.default_rng(0).uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32)
    first, last = (layer for layer in refiner.layers if layer.name in (refiner.layers[1].name, refiner.layers[-1].name))
    np.testing.assert_allclose(refiner(faces), last(first(faces)), atol=1e-6)  # past empty blocks all passes


@pytest.mark.parametrize(
    "changes",
    [
        {"adversary": {"weight": 1.0}},
        {"adversary": {"weight": 0.5, "matched": 0.5}},
        {"network": "2017", "adversary": {"weight": 1.0, "conditional": False, "mismatched": 0.0}},
    ],
)
def test_one_step_changes_every_weight(changes):
    model = new_model(config_of(size=32, **changes))
    for weight in model.generator.trainable_weights:
        weight.assign(np.random.default_rng(0).normal(0, 0.2, weight.shape))
    before = [np.array(weight) for weight in model.trainable_weights]
    model.train_on_batch(batch_of(size=32))
    for old, weight in zip(before, model.trainable_weights, strict=True):
        assert (old != np.array(weight)).any(), weight.path


def test_the_discriminator_sees_the_mouth_alone():
    model = new_model(config_of(size=64, adversary={"weight": 1.0}, temporal=0.0, detail=0.0, coarse=0.0, paired=0.0))
    assert model.adversary.discriminator.output_shape[0] == (None, 32, 32, 3)
    rows, columns = mouth_slices(64)

    def generated_error(batch):
        return float(model.compute_loss(x=batch, y_pred=batch["moving"], training=False))

    batch = batch_of(size=64)
    before = generated_error(batch)
    elsewhere = np.ones((64, 64, 1), np.float32)
    elsewhere[32:, 16:48] = 0
    assert elsewhere[rows, columns].max() == 0
    assert generated_error({**batch, "moving": batch["moving"] + elsewhere}) == before
    assert generated_error({**batch, "moving": batch["moving"] + 1 - elsewhere}) != before


def test_features_of_the_discriminator_are_matched_and_teach_it_nothing():
    adversary = new_model(config_of(size=32, adversary={"weight": 1.0, "matched": 1.0})).adversary
    real, other = np.random.default_rng(0).uniform(-1, 1, (2, 2, 16, 16, 3)).astype(np.float32)
    assert float(adversary.feature_error(real, real)) == 0 < float(adversary.feature_error(real, other))
    with tf.GradientTape() as tape:
        faces = tf.Variable(other)
        error = adversary.feature_error(real, faces)
    gradients = tape.gradient(error, [faces, *adversary.discriminator.trainable_variables])
    assert np.abs(gradients[0]).max() > 0 and all(gradient is None for gradient in gradients[1:])
    layers = adversary.discriminator.get_layer("encoder").layers
    first = next(layer for layer in layers if isinstance(layer, keras.layers.Conv2D))
    first.kernel.assign(100 * first.kernel)  # no map weighs more for being larger
    assert float(adversary.feature_error(real, other)) < 3 * float(error)


def test_without_an_adversary_there_is_no_discriminator():
    model = new_model(config_of())
    assert model.adversary is None
    values = model.train_on_batch(batch_of(), return_dict=True)
    assert values["real_error"] == values["generated_error"] == 0 < values["paired_error"]


def test_the_loss_by_hand():
    """Flat faces, two moments: error, that of small faces (no smaller here), change and nothing of detail."""
    config = config_of(paired=2.0, coarse=3.0, temporal=0.5, detail=0.0, mouth_weight=1.0)
    model = new_model(config)
    batch = batch_of(frames=2)
    batch["face"] = np.zeros((2, 16, 16, 3), np.float32) + np.array([0.1, 0.4], np.float32)[:, None, None, None]
    batch["moving"] = batch["frame"] = batch["reference"] = np.zeros((2, 16, 16, 3), np.float32)
    loss = float(model.compute_loss(x=batch, y_pred=model(batch)))
    assert loss == pytest.approx((2 + 3) * (0.1**2 + 0.4**2) / 2 + 2 * 0.5 * 0.3**2, rel=1e-5)


@pytest.mark.parametrize("frames", [1, 3])
def test_a_face_without_a_partner_changes_nothing_in_time(frames):
    model = new_model(config_of(temporal=1.0))
    losses = {}
    for count in (frames, frames - 1 or frames):
        batch = {name: part[:count] for name, part in batch_of(frames=3).items()}
        losses[count] = float(model.generator_losses(batch["face"], model(batch))[0])
        assert np.isfinite(losses[count])
    model.config = config_of(temporal=0.0)
    batch = {name: part[:frames] for name, part in batch_of(frames=3).items()}
    without = float(model.generator_losses(batch["face"], model(batch))[0])
    assert (losses[frames] > without) == (frames > 1)
    assert np.isfinite(model.train_on_batch(batch, return_dict=True)["loss"])


def test_small_faces_do_not_see_where_an_edge_lies():
    """A line of 128 pixels, one pixel off: as an error of small faces it is a fraction of what it is of large ones."""
    config = config_of(size=128, paired=1.0, coarse=1.0, temporal=0.0, detail=0.0, mouth_weight=1.0)
    model = new_model(config)
    face = np.zeros((2, 128, 128, 3), np.float32)
    face[:, 101] = 1
    loss, paired = (float(value) for value in model.generator_losses(face, np.roll(face, 1, axis=1)))
    assert paired == pytest.approx(2 / 128) and loss == pytest.approx(paired)  # both lines lie in the same four rows


def prepared(trained):
    """A refiner's task, ready for batches."""
    task = RefinerTask(config_of(), trained, trained.face("tiny"))
    task.prepare()
    return task


def test_batches_are_pairs_of_neighbours_on_a_quiet_face(training, trained, tiny_dataset, monkeypatch):
    counts = []

    def augmented(several, _):
        counts.append(len(several[0]))
        return several

    monkeypatch.setattr("audio2faces.refiner.training.augmented", augmented)
    faces = training.full
    batches = prepared(trained)
    monkeypatch.setattr("audio2faces.refiner.training.AUGMENTED", 1.0)
    batches.batch(7)  # of 8: in the end frames are as they were filmed; references, which come second, are augmented
    batch = batches.batch(3)
    assert (counts[0], counts[2]) == (0, 4)
    assert {part.shape[0] for part in batch.values()} == {4}
    every = to_signed(np.concatenate([clip.faces for clip in faces.clips]))
    maps = trained.maps
    places = [int(np.flatnonzero((maps == heard).all(axis=(1, 2)))[0]) for heard in batch["speech"]]
    assert places[1] == places[0] + 1 and places[3] == places[2] + 1 and places[0] // 20 == places[1] // 20
    opacity = painted_mask(16)
    np.testing.assert_allclose(batch["face"], batch["frame"] + opacity * (every[places] - batch["frame"]), atol=1e-6)
    moments = [int(np.flatnonzero((every == frame).all(axis=(1, 2, 3)))[0]) for frame in batch["frame"]]
    assert [moment // 20 for moment in moments] == [place // 20 for place in places] and moments != places
    quiet = training.frames.quietest(5)
    for place, reference, moving in zip(places, batch["reference"], batch["moving"], strict=True):
        candidates = [index for index in quiet.ravel() if (every[index] == reference).all()]
        assert candidates
        motion = trained.motion(np.array([place])) - trained.motion(np.array(candidates))
        expected = add_motion(reference[None], motion)
        assert np.abs(expected - moving).max(axis=(1, 2, 3)).min() < 2e-3  # kept as float16
    again = batches.batch(3)
    assert all((batch[name] == again[name]).all() for name in batch)


def test_frames_are_of_another_moment_in_which_the_head_is_held_alike(trained):
    batches = prepared(trained)
    first, generator = np.array([3, 25, 47]), np.random.default_rng(0)
    chosen = batches._other_moments(first, generator).reshape(-1, 2)
    starts = first // 20 * 20
    assert ((chosen >= starts[:, None]) & (chosen < starts[:, None] + 20)).all() and (np.diff(chosen) <= 1).all()
    drawn = np.concatenate([batches._other_moments(first, generator).reshape(-1, 2)[:, 0] - starts for _ in range(20)])
    assert len(set(drawn.tolist())) > 10  # any moment of a clip that stands still
    batches.upper[1::2] += 20
    assert (batches._other_moments(np.full(30, 4), generator)[::2] % 2 == 0).all()  # the others are lit otherwise


def test_faces_are_augmented_alike_within_a_pair():
    one, other = np.random.default_rng(0).uniform(-1, 1, (2, 4, 32, 32, 3)).astype(np.float32)
    one[1] = other[1] = one[0]
    augmented_one, augmented_other = augmented((one, other), np.random.default_rng(1))
    np.testing.assert_array_equal(augmented_one[1], augmented_other[1])
    np.testing.assert_array_equal(augmented_one[1], augmented_one[0])
    assert np.abs(augmented_one - one).mean(axis=(1, 2, 3)).min() > 0.01 and np.abs(augmented_one).max() <= 1
    shift, _ = cv2.phaseCorrelate(one[2, ..., 0].astype(float), augmented_one[2, ..., 0].astype(float))
    assert np.abs(shift).max() < 3


@pytest.mark.parametrize("size", [1, 3, 4])
def test_no_pair_joins_frames_across_dropped_ones(training, trained, tmp_path, size):
    """Frames 0 to 6, one alone, and 10 to 12 of each clip."""
    kept = np.r_[0:7, 8, 10:13]
    entries = [drawn_clip(tmp_path, f"clip{index}", "train", index) for index in range(5)]
    for entry in entries:
        clip = tmp_path / "clips" / entry["name"]
        np.save(clip / "faces.npy", np.load(clip / "faces.npy")[: len(kept)])
        np.savez(clip / "track.npz", time=kept / 25)
    faces = FrameSet(dataset_of(tmp_path, entries).split("train"), training.config.speech.feature_settings)
    assert [(faces.sequence_of == number).sum() for number in range(6)] == [7, 1, 3, 7, 1, 3]
    batches = RefinerTask.__new__(RefinerTask)
    config, seen = config_of(training={"batch_size": size}), []
    batches.config, batches.settings, batches.frames = config, config.training, faces
    batches.face = SimpleNamespace(config=SimpleNamespace(motion=False))
    batches.trained = SimpleNamespace(
        maps=trained.maps,
        motion=lambda indices: seen.append(indices) or np.zeros((len(indices), 16, 16, 3), np.float32),
    )
    for step in range(40):
        assert {part.shape[0] for part in batches.batch(step).values()} == {size}
    drawn = np.concatenate([indices[: size // 2 * 2].reshape(-1, 2) for indices in seen])
    clips, numbers = faces.clip_of[drawn], kept[drawn % len(kept)]
    steps = numbers[:, 1] - numbers[:, 0]
    assert (
        (clips[:, 0] == clips[:, 1]).all()
        and set(steps[numbers[:, 0] != 8]) <= {1}
        and not steps[numbers[:, 0] == 8].any()
    )


def test_motion_is_scaled_up_to_a_larger_reference():
    reference = np.zeros((1, 32, 32, 3), np.float32)
    motion = np.ones((2, 16, 16, 3), np.float32) * np.array([1, 2], np.float32)[:, None, None, None]
    faces = add_motion(reference, motion)
    assert faces.shape == (2, 32, 32, 3)
    np.testing.assert_allclose(faces, motion.repeat(2, axis=1).repeat(2, axis=2), rtol=1e-6)


@pytest.fixture
def run(tiny_model_folder, tmp_path):
    return shutil.copytree(tiny_model_folder.parent, tmp_path / "run")


def test_the_same_run_again_trains_nothing(run, tiny_dataset, tiny_system):
    before = {path: path.read_bytes() for path in run.rglob("*.weights.h5")}
    train_system(tiny_system, tiny_dataset, run)
    assert before == {path: path.read_bytes() for path in run.rglob("*.weights.h5")}


def test_a_stage_is_done_anew_and_the_old_one_set_aside(run, tiny_dataset, tiny_system):
    regressor = (run / "regressor" / "best.weights.h5").read_bytes()
    other = tiny_system.with_settings(["refiner"], detail=0.1)
    with pytest.raises(InputError, match=r"detail 6\.0, now 0\.1"):
        train_system(other, tiny_dataset, run)
    train_system(other, tiny_dataset, run, stage="refiner")
    assert json.loads((run / "refiner" / "config.json").read_text())["settings"]["detail"] == 0.1
    assert json.loads((run / "refiner-1" / "config.json").read_text())["settings"]["detail"] == 6.0
    assert (run / "regressor" / "best.weights.h5").read_bytes() == regressor


def test_a_refiner_of_another_regressor_is_refused(run, tiny_dataset, tiny_system):
    train_system(tiny_system.with_settings(["regressor"], training={"seed": 1}), tiny_dataset, run, stage="regressor")
    assert load_model(run / "model").refiner is None
    with pytest.raises(InputError, match="trained on another regressor; give --stage refiner"):
        train_system(tiny_system.with_settings(["regressor"], training={"seed": 1}), tiny_dataset, run)
    (run / "refiner" / "done.json").unlink()  # as if it had been interrupted
    train_system(tiny_system, tiny_dataset, run, stage="refiner")
    assert (run / "refiner-1").exists() and load_model(run / "model").refiner is not None


def test_a_folder_that_holds_something_else_is_left_alone(tiny_dataset, tiny_system, tmp_path):
    (tmp_path / "config.json").write_text("{}")  # as the run of a BEGAN has it
    with pytest.raises(InputError, match="holds something else"):
        train_system(tiny_system, tiny_dataset, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_a_refiner_needs_a_regressor(tiny_dataset, tiny_system, tmp_path):
    with pytest.raises(InputError, match="has no trained regressor yet"):
        train_system(tiny_system, tiny_dataset, tmp_path / "run", stage="refiner")
    error = one_line(run_program("train.py", "--mode", "began", "--stage", "refiner"))
    assert "only mode audio2faces takes it" in error


PHASES = (  # of a training whose regressor is done
    "speech features", "comparing poses", "motion of validation clips", "motion at rest",
    "validation", "training the refiner", "fitting articulation", "writing the model", "mean face", "evaluating",
    "measuring",
)  # fmt: skip


def test_an_interrupted_refiner_goes_on_to_the_same_bits(run, tiny_dataset, tiny_system, monkeypatch, capsys):
    whole = keras.models.load_model(run / "model" / "refiner.keras").get_weights()
    shutil.rmtree(run / "refiner")
    honest = RefinerTask.batch

    def interrupted(self, step):
        if step == 6:
            raise KeyboardInterrupt
        return honest(self, step)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(RefinerTask, "batch", interrupted)
        train_system(tiny_system, tiny_dataset, run)
    capsys.readouterr()
    monkeypatch.setattr("runtime.progress.SHORT", 0.0)  # or phases of so little data would not show
    train_system(tiny_system, tiny_dataset, run)
    told = capsys.readouterr().err
    assert not [phase for phase in PHASES if f"\n{phase}: " not in told]
    for old, new in zip(whole, keras.models.load_model(run / "model" / "refiner.keras").get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_two_networks_of_2017_train_in_a_row(tiny_dataset, tmp_path):
    steps = {"steps": 3, "evaluate_every": 2}
    system = PRESETS["2017"].updated(
        regressor={
            "size": 16,
            "speech": {"widths": (2, 2, 2, 2), "code_size": 4},
            "decoder_widths": (2, 2),
            "training": {**steps, "batch_size": 2},
        },
        refiner={"size": 16, "n": 2, "adversary": {"n": 2}, "training": steps},
    )
    model = load_model(train_system(system, tiny_dataset, tmp_path / "run"))
    assert len(model.refiner.inputs) == 1
    methods = json.loads((tmp_path / "run" / "evaluation.json").read_text())["methods"]
    assert list(methods)[3:] == ["model, regressor alone", "model, refined"]  # its faces have no reference
    maps = np.random.default_rng(0).normal(size=(3, 35, 11))
    assert model.faces(maps).shape == (3, 16, 16, 3)


UNDER_JAX = """
import json, sys
import keras
import numpy as np
from audio2faces.config import RefinerConfig
from audio2faces.refiner.network import Refiner
assert keras.backend.backend() == "jax"
folder, settings = sys.argv[1], json.loads(sys.argv[2])
model = Refiner(RefinerConfig.from_json(settings))
model.compile(keras.optimizers.Adam(1e-3))
model.optimizer.build(model.trainable_variables)
model.load_weights(folder + "/tensorflow.weights.h5")
batch = dict(np.load(folder + "/batch.npz"))
losses = []
for _ in range(3):
    model.reset_metrics()
    losses.append(model.train_on_batch(batch, return_dict=True))
np.save(folder + "/jax.npy", np.asarray(model(batch)))
print(json.dumps([{name: float(value) for name, value in values.items()} for values in losses]))
"""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs jax")
def test_jax_refines_as_tensorflow_does(tmp_path):
    config = config_of(size=32, adversary={"weight": 0.5}, speech={"noise": 0.0, "dropout": 0.0})
    model, batch = new_model(config), batch_of(size=32)
    model.save_weights(tmp_path / "tensorflow.weights.h5")
    np.savez(tmp_path / "batch.npz", **batch)
    done = run_program("-c", UNDER_JAX, tmp_path, json.dumps(config.as_json()), env={"KERAS_BACKEND": "jax"})
    assert done.returncode == 0, done.stderr
    for theirs in json.loads(done.stdout):
        model.reset_metrics()
        ours = model.train_on_batch(batch, return_dict=True)
        for name in ours:
            assert float(ours[name]) == pytest.approx(theirs[name], rel=1e-3, abs=1e-6), name
    np.testing.assert_allclose(model(batch), np.load(tmp_path / "jax.npy"), atol=1e-3)
