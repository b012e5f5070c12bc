import json
import os
import shutil
import signal
import subprocess
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from audio2faces.config import PRESETS, RegressorConfig
from audio2faces.regressor.network import Regressor, build_regressor
from audio2faces.regressor.training import RegressorTask, choose_reference, train_regressor
from audio2faces.trained.face import load_model
from audio2faces.training_speech import nonspeech_maps
from began.networks.audio_network import build_audio_network
from began.networks.decoder import build_decoder
from began.networks.inference import BATCH
from media.pixels import to_signed
from preprocessing.dataset import Dataset
from preprocessing.faces.alignment import mouth_slices
from runtime.errors import InputError
from training.checkpoints import load_weights
from training.frames import FrameSet, FrameStore, batch_indices
from training.run_folder import choose_precision

from .conftest import ROOT, TINY, TINY_TRAINING, compiled, one_line, run_program, with_one_bit_changed


def test_shapes_of_the_networks():
    assert build_audio_network(35, 13, (8, 16), 12).output_shape == (None, 12)
    assert build_decoder(12, 32, (8, 4)).output_shape == (None, 32, 32, 3)
    with pytest.raises(ValueError, match="2 widths make a picture of 32 pixels, not 64"):
        build_decoder(12, 64, (8, 4))


def test_the_last_convolution_paints_each_square_from_one_place():
    decoder = build_decoder(4, 16, (8,))
    *_, last = (layer for layer in decoder.layers if isinstance(layer, keras.layers.Conv2D))
    kernel, bias = np.zeros_like(last.get_weights()[0]), np.arange(12.0)
    last.set_weights([kernel, bias])
    picture = decoder.predict_on_batch(np.ones((1, 4)))[0]
    np.testing.assert_allclose(picture[6:8, 4:6], bias.reshape(2, 2, 3))


def test_the_published_size_fits_into_twelve_megabytes():
    model = build_regressor(PRESETS["hours"].regressor)
    assert model.output_shape == (None, 64, 64, 3)
    assert model.count_params() < 3_000_000


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("size", [32, 64, 128])
def test_every_preset_has_a_regressor_of_every_size(preset, size):
    config = PRESETS[preset].regressor.updated(size=size)
    expected = size if preset == "2017" else min(size, 64)
    assert build_regressor(config).output_shape == (None, expected, expected, 3)


def test_one_step_changes_every_weight(tiny_config):
    model = compiled(Regressor(tiny_config))
    before = [np.array(weight) for weight in model.trainable_weights]
    generator = np.random.default_rng(0)
    model.train_on_batch(
        {
            "speech": generator.normal(size=(4, 35, 13)).astype(np.float32),
            "motion": generator.normal(size=(4, 16, 16, 3)).astype(np.float32),
        }
    )
    for old, variable in zip(before, model.trainable_weights, strict=True):
        assert (old != np.array(variable)).any(), variable.path


def test_the_mouth_weighted_loss_by_hand(tiny_config):
    rows, columns = mouth_slices(16)
    inside = (rows.stop - rows.start) * (columns.stop - columns.start)
    outside = 16 * 16 - inside
    real = np.zeros((2, 16, 16, 3), np.float32)
    generated = real.copy()
    generated[0, rows, columns] = 1.0
    generated[1] = 2.0
    expected = [8 * inside / (8 * inside + outside), 4.0]
    loss = Regressor(tiny_config).compute_loss(x={"motion": real}, y_pred=generated)
    assert float(loss) == pytest.approx(np.mean(expected))


def test_each_epoch_sees_each_frame_once():
    drawn = np.concatenate([batch_indices(10, 4, step, seed=3) for step in range(5)])
    assert sorted(drawn[:10]) == sorted(drawn[10:]) == list(range(10))
    assert list(drawn[:10]) != list(drawn[10:]) != list(range(10))
    np.testing.assert_array_equal(batch_indices(10, 4, 2, seed=3), drawn[8:12])
    assert list(batch_indices(10, 4, 2, seed=4)) != list(drawn[8:12])


def test_motion_is_the_face_less_the_mean_of_its_own_clip(tiny_dataset, tiny_config):
    frames = FrameSet(tiny_dataset.split("train"), tiny_config.speech.feature_settings)
    assert len(frames) == 100
    clip = frames.clips[2]
    expected = to_signed(clip.faces[5]) - to_signed(clip.faces).mean(axis=0)
    np.testing.assert_allclose(frames.motion(np.array([45]))[0], expected, atol=1e-6)


def test_the_reference_is_a_quiet_frame_of_the_training_clips(tiny_dataset, tiny_config):
    frames = FrameSet(tiny_dataset.split("train"), tiny_config.speech.feature_settings)
    clip, frame = divmod(choose_reference(frames, frames), 20)
    assert frame in np.argsort(frames.maps[clip][:, :, 0].mean(axis=1))[:5]


def test_sharpness_of_the_reference_is_that_of_the_full_size(tiny_dataset, tiny_config):
    frames = FrameSet(tiny_dataset.split("train"), tiny_config.speech.feature_settings)
    large = np.random.default_rng(0).integers(256, size=(100, 32, 32, 3), dtype=np.uint8)
    full = SimpleNamespace(faces=lambda indices: large[indices])
    first = choose_reference(frames, full)
    large[first] = 127  # not sharp any more
    second = choose_reference(frames, full)
    assert second != first
    large[second] = 127
    assert choose_reference(frames, full) not in (first, second)


def test_at_rest_a_clip_shows_its_quietest_frames(tiny_dataset, tiny_config, tmp_path):
    training = RegressorTask(tiny_config, FrameStore(tiny_dataset), tmp_path)
    targets = training.targets(np.array([3, 45]), np.array([False, True]))
    np.testing.assert_array_equal(targets[0], training.frames.motion(np.array([3]))[0])
    quietest = np.argsort(training.frames.maps[2][:, :, 0].mean(axis=1), kind="stable")[:5]
    np.testing.assert_allclose(targets[1], training.frames.motion(40 + quietest).mean(axis=0), atol=1e-6)


def test_a_tiny_regressor_learns_that_loud_opens_the_mouth(tiny_dataset, tiny_config, tmp_path):
    config = tiny_config.updated(
        versions=0,
        speech={"dropout": 0.0, "noise": 0.0},
        training={"steps": 400, "evaluate_every": 400, "batch_size": 16, "learning_rate": 3e-3},
    )
    train_regressor(config, FrameStore(tiny_dataset), tmp_path / "run")
    header, row = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    values = dict(zip(header.split(","), map(float, row.split(",")), strict=True))
    assert values["correlation"] > 0.75 and values["explained_variance"] > 0.25


def test_a_run_leaves_what_the_contract_says(tiny_model_folder):
    assert {path.name for path in tiny_model_folder.parent.iterdir()} == {
        "regressor", "refiner", "model", "evaluation.json",
    }  # fmt: skip
    run = tiny_model_folder.parent / "regressor"
    assert {path.name for path in run.iterdir()} == {
        "config.json", "checkpoint.weights.h5", "previous.weights.h5", "best.weights.h5", "done.json",
        "metrics.csv", "curves.png", "samples", "tensorboard", "mouth.npz",
    }  # fmt: skip
    assert sorted(os.listdir(run / "samples")) == ["faces-000004.png", "faces-000008.png"]
    assert len((run / "metrics.csv").read_text().splitlines()) == 3
    assert any(name.startswith("events.") for name in os.listdir(run / "tensorboard"))
    config = json.loads((tiny_model_folder / "config.json").read_text())
    assert config["frame_rate"] == 25 and config["name"] == "tiny"
    assert config["left_context_seconds"] == config["look_ahead_seconds"] == 0.1825


def checkpoint_of(config, run):
    model = compiled(Regressor(config))
    load_weights(run / "checkpoint.weights.h5", model)
    return model


def assert_same_state(one, other):
    one, other = (checkpoint_of(RegressorConfig().updated(**TINY), run) for run in (one, other))
    assert int(one.optimizer.iterations) == int(one.steps_done) == int(other.steps_done) == TINY_TRAINING["steps"]
    for x, y in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(x, y, err_msg=x.path)
    for x, y in zip(one.optimizer.variables, other.optimizer.variables, strict=True):
        np.testing.assert_array_equal(x, y, err_msg=x.path)


def test_an_interrupted_run_goes_on_to_the_same_bits(
    tiny_dataset, tiny_config, tiny_model_folder, tmp_path, monkeypatch, capsys
):
    def interrupted(count, batch_size, step, seed):
        if step == 6:
            raise KeyboardInterrupt
        return batch_indices(count, batch_size, step, seed)

    monkeypatch.setattr("runtime.progress.SHORT", 0.0)  # or phases of so little data would not show
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("audio2faces.regressor.training.batch_indices", interrupted)
        train_regressor(tiny_config, FrameStore(tiny_dataset), tmp_path / "run")
    assert "\nreading mouths: 5/5 clips" in capsys.readouterr().err
    nonspeech_maps.cache_clear()  # as in another process
    train_regressor(tiny_config, FrameStore(tiny_dataset), tmp_path / "run")
    told = capsys.readouterr().err
    for phase in ("augmenting speech", "synthesising noise and music", "training the regressor", "validation"):
        assert f"\n{phase}: " in told
    assert "reading mouths" not in told  # the run keeps it
    run = tiny_model_folder.parent / "regressor"
    assert_same_state(tmp_path / "run", run)
    whole = (run / "metrics.csv").read_text().splitlines()
    resumed = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    assert [line.rsplit(",", 2)[0] for line in resumed] == [line.rsplit(",", 2)[0] for line in whole]


def test_a_run_goes_on_with_the_components_that_it_keeps(tiny_dataset, tiny_config, tiny_model_folder, tmp_path):
    run = shutil.copytree(tiny_model_folder.parent / "regressor", tmp_path / "run")
    bases = dict(np.load(run / "mouth.npz"))
    np.savez(run / "mouth.npz", motion=-bases["motion"], full=bases["full"])
    trained = train_regressor(tiny_config, FrameStore(tiny_dataset), run)
    np.testing.assert_array_equal(trained.task.mouth.basis, -bases["motion"])
    (run / "mouth.npz").write_bytes((run / "mouth.npz").read_bytes()[:-40])
    with pytest.raises(InputError, match=r"mouth.npz: missing or damaged .*; restore it, or start a new run"):
        train_regressor(tiny_config, FrameStore(tiny_dataset), run)


def test_another_seed_gives_another_network(tiny_dataset, tiny_config, tiny_model_folder, tmp_path):
    other = train_regressor(
        tiny_config.updated(training={"seed": 1}), FrameStore(tiny_dataset), tmp_path / "run"
    ).network
    maps = np.zeros((1, 35, 13))
    assert (other.predict_on_batch(maps) != load_model(tiny_model_folder).network.predict_on_batch(maps)).any()


def test_a_run_of_other_settings_is_refused_by_field(tiny_dataset, tiny_config, tiny_model_folder, tmp_path):
    run = tiny_model_folder.parent / "regressor"
    with pytest.raises(InputError, match="batch_size 4, now 5"):
        train_regressor(tiny_config.updated(training={"batch_size": 5}), FrameStore(tiny_dataset), run)
    clips = tiny_dataset.manifest["clips"][1:]
    other_data = Dataset(tiny_dataset.folder, {**tiny_dataset.manifest, "clips": clips})
    with pytest.raises(InputError, match="other settings \\(data "):
        train_regressor(tiny_config, FrameStore(other_data), run)
    (tmp_path / "letter.txt").touch()
    with pytest.raises(InputError, match="holds something else"):
        train_regressor(tiny_config, FrameStore(tiny_dataset), tmp_path)


def test_a_loaded_model_gives_the_reference_at_its_own_moment(tiny_model_folder):
    model = load_model(tiny_model_folder)
    np.testing.assert_array_equal(model.faces(model.reference_map[None], refined=False)[0], model.reference)


def test_a_frame_does_not_depend_on_how_many_are_generated(tiny_model_folder):
    model = load_model(tiny_model_folder)
    maps = np.random.default_rng(0).normal(size=(BATCH + 3, 35, 13))
    np.testing.assert_array_equal(model.motion(maps)[-1], model.motion(maps[-1:])[0])


@pytest.mark.parametrize(
    "missing",
    ["config.json", "regressor.keras", "refiner.keras", "reference.png", "reference_map.npy", "likeness.npy"],
)
def test_a_model_folder_with_a_missing_file_is_refused(tiny_model_folder, tmp_path, missing):
    folder = tmp_path / "model"
    folder.mkdir()
    for path in tiny_model_folder.iterdir():
        if path.name != missing:
            (folder / path.name).write_bytes(path.read_bytes())
    with pytest.raises(InputError, match=missing):
        load_model(folder)


def test_damaged_and_foreign_model_folders_are_refused(tiny_model_folder, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for path in tiny_model_folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    whole = (tiny_model_folder / "regressor.keras").read_bytes()
    for damaged in (whole[:2000], with_one_bit_changed(whole)):
        (folder / "regressor.keras").write_bytes(damaged)
        with pytest.raises(InputError, match="damaged model"):
            load_model(folder)
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**content, "schema": 7}))
    with pytest.raises(InputError, match="and schema 7, this version reads"):
        load_model(folder)
    with pytest.raises(InputError, match="this is a run; its model is "):
        load_model(tiny_model_folder.parent)
    with pytest.raises(InputError, match="no such model folder"):
        load_model(tmp_path / "nowhere")


def test_unknown_settings_fail():
    plain = RegressorConfig().as_json()
    assert RegressorConfig.from_json(json.loads(json.dumps(plain))) == RegressorConfig()
    with pytest.raises(InputError, match="unknown settings colour"):
        RegressorConfig.from_json({**plain, "colour": 1})


def test_settings_written_before_a_field_was_added_take_its_default():
    plain = RegressorConfig(size=32).as_json()
    del plain["versions"], plain["training"]["smallest_rate"]
    assert RegressorConfig.from_json(plain) == RegressorConfig(size=32)


def test_precision_is_chosen_or_given():
    assert choose_precision("float32") == "float32"
    assert choose_precision("auto") in ("float32", "mixed_bfloat16")


def test_the_program_checks_its_arguments(tiny_dataset, tmp_path):
    assert run_program("train.py", "--mode", "nothing").returncode == 2
    for arguments in (("--steps", "0"), ("--seed", "-1"), ("--seed", str(2**32))):
        assert run_program("train.py", "--mode", "audio2faces", *arguments).returncode == 2
    error = one_line(run_program("train.py", "--mode", "audio2faces", "--data", tmp_path))
    assert "no video in this folder" in error
    error = one_line(
        run_program("train.py", "--mode", "audio2faces", "--data", tiny_dataset.folder, "--run", tmp_path / "r")
    )
    assert "faces of 16 pixels, the model has 64; prepare them with --size 64" in error
    assert not (tmp_path / "r").exists()


def test_a_run_killed_after_its_first_checkpoint_goes_on_to_the_same_bits(tiny_dataset, tiny_model_folder, tmp_path):
    program = tmp_path / "train_tiny.py"
    program.write_text(
        "import sys\n"
        "from audio2faces.config import RegressorConfig\n"
        "from audio2faces.regressor.training import train_regressor\n"
        "from preprocessing.dataset import open_dataset\n"
        "from training.frames import FrameStore\n"
        f"config = RegressorConfig().updated(**{TINY!r})\n"
        "train_regressor(config, FrameStore(open_dataset(sys.argv[1])), sys.argv[2])\n"
    )
    command = [sys.executable, str(program), str(tiny_dataset.folder), str(tmp_path / "run")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (tmp_path / "run" / "checkpoint.weights.h5").exists():
        os.sched_yield()
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run(command, env=environment, check=True, stderr=subprocess.DEVNULL)
    assert_same_state(tmp_path / "run", tiny_model_folder.parent / "regressor")
