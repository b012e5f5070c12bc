import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from audio2faces.train import chosen_config, parse_arguments
from began.config import FORGETTING, PRESETS, REPAIRS, BeganConfig, repaired
from began.face import BeganFace, load_model
from began.model import Began
from began.training import BeganTask, audio_network_of, train_began
from preprocessing.dataset import Dataset
from runtime.errors import InputError
from training import run_folder
from training.devices import OneDevice
from training.run_folder import DivergenceError

from .conftest import ROOT, TINY_TRAINING, compiled, dataset_of, drawn_clip, one_line, run_program, with_one_bit_changed

TINY = BeganConfig().updated(
    size=16,
    speech={"widths": (8,), "code_size": 8},
    z_size=4,
    generator_n=4,
    adversary={"n": 4, "code_size": 8, "gamma": 2.0},  # with it k moves in a few steps
    paired=1.0,
    training=TINY_TRAINING,
)


def new_model(config):
    keras.utils.set_random_seed(0)
    return compiled(Began(config, audio_network_of(config.speech)))


@pytest.fixture(scope="module")
def tiny_run(tiny_dataset, tmp_path_factory):
    run = tmp_path_factory.mktemp("began") / "tiny"
    train_began(TINY, tiny_dataset, run)
    return run


def rows_of(run):
    """metrics.csv without what depends on the clock."""
    header, *lines = (run / "metrics.csv").read_text().splitlines()
    timed = [index for index, name in enumerate(header.split(",")) if name in ("steps_per_second", "loading_share")]
    return [[cell for index, cell in enumerate(line.split(",")) if index not in timed] for line in lines]


def assert_same_state(run, other):
    models = []
    for folder in (run, other):
        model = new_model(TINY)
        model.load_weights(folder / "checkpoint.weights.h5")
        models.append(model)
    for x, y in zip(models[0].variables, models[1].variables, strict=True):
        np.testing.assert_array_equal(x, y, err_msg=x.path)
    for x, y in zip(models[0].optimizer.variables, models[1].optimizer.variables, strict=True):
        np.testing.assert_array_equal(x, y, err_msg=x.path)
    assert int(models[0].optimizer.iterations) == int(models[0].steps_done) == TINY.training.steps
    assert float(models[0].adversary.k) > 0 and np.abs(models[0].optimizer.variables[2]).sum() > 0


def test_a_run_leaves_what_the_contract_says(tiny_run):
    assert {path.name for path in tiny_run.iterdir()} == {
        "config.json", "checkpoint.weights.h5", "previous.weights.h5", "best.weights.h5", "metrics.csv", "curves.png",
        "samples", "tensorboard", "model", "last", "mouth.npz", "eigenfaces.npz",
    }  # fmt: skip
    assert sorted(os.listdir(tiny_run / "samples")) == ["faces-000004.png", "faces-000008.png"]
    assert [row[0] for row in rows_of(tiny_run)] == ["4", "8"]
    assert {path.name for path in (tiny_run / "model").iterdir()} == {"config.json", "generator.keras", "codes.npy"}


def test_an_interrupted_run_goes_on_to_the_same_bits(tiny_dataset, tiny_run, tmp_path, monkeypatch):
    honest = BeganTask.batch

    def interrupted(self, step):
        if step == 6:
            raise KeyboardInterrupt
        return honest(self, step)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(BeganTask, "batch", interrupted)
        train_began(TINY, tiny_dataset, tmp_path / "run")
    assert not (tmp_path / "run" / "model").exists()
    train_began(TINY, tiny_dataset, tmp_path / "run")
    assert_same_state(tmp_path / "run", tiny_run)
    assert rows_of(tmp_path / "run") == rows_of(tiny_run)


KILLED = """
import json, os, signal, sys
from audio2faces.train import chosen_config, parse_arguments
from began.config import BeganConfig
from began.training import BeganTask, train_began
from preprocessing.dataset import open_dataset
honest = BeganTask.batch
def killed(self, step):
    if step == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return honest(self, step)
BeganTask.batch = killed
train_began(BeganConfig.from_json(json.loads(sys.argv[1])), open_dataset(sys.argv[2]), sys.argv[3])
"""


def test_a_killed_run_goes_on_to_the_same_bits(tiny_dataset, tiny_run, tmp_path):
    run = tmp_path / "run"
    arguments = [json.dumps(TINY.as_json()), tiny_dataset.folder, run]
    done = subprocess.run([sys.executable, "-c", KILLED, *map(str, arguments)], cwd=ROOT, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (run / "checkpoint.weights.h5").exists() and not (run / "model").exists()
    train_began(TINY, tiny_dataset, run)
    assert_same_state(run, tiny_run)
    assert rows_of(run) == rows_of(tiny_run)


def test_a_run_goes_on_with_the_eigenfaces_that_it_keeps(tiny_dataset, tiny_run, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    kept = dict(np.load(run / "eigenfaces.npz"))
    np.savez(run / "eigenfaces.npz", **kept | {"projection": -kept["projection"]})
    train_began(TINY, tiny_dataset, run)
    np.testing.assert_array_equal(load_model(run / "model").codes, -load_model(tiny_run / "model").codes)


def test_a_checkpoint_cut_short_gives_way_to_the_one_before(tiny_dataset, tiny_run, tmp_path, capsys):
    longer = TINY.updated(training={"steps": 12})
    run = tmp_path / "run"
    train_began(longer, tiny_dataset, run)
    wanted = rows_of(run)
    checkpoint = run / "checkpoint.weights.h5"
    checkpoint.write_bytes(checkpoint.read_bytes()[:3000])
    train_began(longer, tiny_dataset, run)
    assert "checkpoint.weights.h5: missing or damaged" in capsys.readouterr().err
    assert rows_of(run) == wanted
    previous = new_model(longer)
    previous.load_weights(run / "previous.weights.h5")  # not what was damaged
    assert int(previous.steps_done) == 8
    for name in ("checkpoint", "previous"):
        (run / f"{name}.weights.h5").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"damaged.*damaged.*train from the start"):
        train_began(longer, tiny_dataset, run)


class NanAtStepSix(BeganTask):
    def batch(self, step):
        batch = super().batch(step)
        return {**batch, "face": batch["face"] * (np.nan if step == 5 else 1)}


def test_a_nan_loss_stops_the_run_and_keeps_the_checkpoint(tiny_dataset, tmp_path):
    with pytest.raises(InputError, match="NaN or infinite after step 6; the last good checkpoint, of step 4, is kept"):
        train_began(TINY, tiny_dataset, tmp_path / "run", NanAtStepSix)
    kept = new_model(TINY)
    kept.load_weights(tmp_path / "run" / "checkpoint.weights.h5")
    assert all(np.isfinite(weight).all() for weight in kept.get_weights())


def test_nan_weights_are_not_kept(tiny_dataset, tmp_path, monkeypatch):
    honest = OneDevice.bring_back

    def broken(self, learner, model):
        honest(self, learner, model)
        if int(model.optimizer.iterations) == 8:
            model.trainable_variables[0].assign(np.full(model.trainable_variables[0].shape, np.nan))

    monkeypatch.setattr(OneDevice, "bring_back", broken)
    with pytest.raises(DivergenceError, match="after step 8; the last good checkpoint, of step 4, is kept"):
        train_began(TINY, tiny_dataset, tmp_path / "run")
    kept = new_model(TINY)
    kept.load_weights(tmp_path / "run" / "checkpoint.weights.h5")
    assert int(kept.steps_done) == 4 and all(np.isfinite(weight).all() for weight in kept.get_weights())


def test_collapse_and_a_closed_balance_are_reported_at_once(tiny_dataset, tmp_path, capsys):
    config = TINY.updated(
        adversary={"gamma": 0.0},
        z="none",
        z_size=0,
        speech={"code_size": 1, "widths": (1,)},
        training={"steps": 4, "evaluate_every": 2},
    )
    train_began(config, tiny_dataset, tmp_path / "run")
    for told in (capsys.readouterr().err, (tmp_path / "run" / "warnings.txt").read_text()):
        assert "step 4: k stays at 0.00000" in told and "as different as real ones" in told
        assert "step 2: k" not in told  # at first D may have nothing to tell apart


def test_the_model_makes_faces_with_z_held(tiny_run):
    face = load_model(tiny_run / "model")
    assert isinstance(face, BeganFace) and face.name == "tiny" and face.frame_rate == 25
    maps = np.random.default_rng(0).normal(size=(70, 35, 13))
    faces = face.faces(maps)
    assert faces.shape == (70, 16, 16, 3) and faces.dtype == np.uint8
    np.testing.assert_array_equal(faces[-1], face.faces(maps[-1:])[0])
    assert (face.faces(maps[:1], face.draw(1, seed=5)) != faces[:1]).any()


def test_a_video_holds_the_z_of_the_most_usual_face(tiny_run):
    face = load_model(tiny_run / "model")
    away = np.linalg.norm(face.codes - face.codes.mean(axis=0), axis=1)
    np.testing.assert_array_equal(face.z, face.codes[[away.argmin()]])
    assert (face.faces(np.zeros((1, 35, 13))) == face.faces(np.zeros((1, 35, 13)), face.z)).all()


def test_z_lies_where_the_codes_of_real_faces_do(tiny_run):
    face = load_model(tiny_run / "model")
    z = face.draw(5000, seed=1)
    np.testing.assert_allclose(z.mean(axis=0), face.codes.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(np.cov(z, rowvar=False), np.cov(face.codes, rowvar=False), atol=0.15)


PHASES = {
    "none": (
        "speech features",
        "reading mouths",
        "measuring real faces",
        "training",
        "validating",
        "writing the models",
    )
}
PHASES["eigenfaces"] = (*PHASES["none"], "eigenfaces", "separating pose from mouth motion", "encoding faces")


@pytest.mark.parametrize("source", ["eigenfaces", "none"])
def test_z_is_of_eigenfaces_or_there_is_none(tiny_dataset, tmp_path, source, capsys, monkeypatch):
    monkeypatch.setattr("runtime.progress.SHORT", 0.0)  # or phases of so little data would not show
    config = TINY.updated(z=source, z_size=4 if source == "eigenfaces" else 0, training={"steps": 4})
    train_began(config, tiny_dataset, tmp_path / "run")
    assert load_model(tmp_path / "run" / "model").faces(np.zeros((2, 35, 13))).shape == (2, 16, 16, 3)
    told = "\n" + capsys.readouterr().err
    assert not [phase for phase in PHASES[source] if f"\n{phase}: " not in told]


def test_the_model_is_the_generator_that_was_trained(tiny_run):
    model = new_model(TINY)
    model.load_weights(tiny_run / "best.weights.h5")
    face = load_model(tiny_run / "model")
    maps = np.random.default_rng(0).normal(size=(3, 35, 13))
    heard = model.audio_network(face.statistics.standardise(maps), training=False)
    z = np.repeat(face.z, 3, axis=0)
    made = model.generator(np.concatenate([heard, z], axis=1), training=False)
    half_a_grey_level = 1 / 255  # weights are rounded to float16
    np.testing.assert_allclose(
        np.asarray(made), face.network.predict([face.statistics.standardise(maps), z]), atol=half_a_grey_level
    )


@pytest.mark.parametrize("preset", [name for name in PRESETS if name.startswith("2017")])
def test_the_presets_of_2017_run(tiny_dataset, tmp_path, preset):
    small = {"size": 16, "generator_n": 4, "adversary": {"n": 4}, "training": {**TINY_TRAINING, "steps": 4}}
    config = PRESETS[preset].updated(**small)
    dataset = with_sound_at_44_khz(tiny_dataset, tmp_path)
    train_began(config, dataset, tmp_path / "run")
    face = load_model(tmp_path / "run" / "model")
    assert config.speech.map_shape == (35, 11)
    assert face.faces(np.zeros((2, 35, 11))).shape == (2, 16, 16, 3)


def with_sound_at_44_khz(dataset, folder):
    from media.writing import write_wav

    folder = folder / "dataset"
    folder.mkdir()
    entries = [
        drawn_clip(folder, f"clip{index}", clip.entry["split"], index) for index, clip in enumerate(dataset.clips)
    ]
    for clip in dataset_of(folder, entries).clips:
        speech = np.repeat(clip.speech(), 3)[: round(44100 * 0.8)]
        write_wav(clip.folder / "speech_44k.wav", speech, 44100)
    return dataset_of(folder, entries)


def test_each_defect_can_be_turned_off_alone():
    base = PRESETS["2017-audio-noise"]
    for defect in REPAIRS:
        config = repaired(base, defect)
        assert config != base, defect
        small = {"size": 16, "generator_n": 4, "adversary": {"n": 4}, "training": {"precision": "float32"}}
        new_model(config.updated(**small))


def test_the_schedule_of_2017_halves_the_rate_too_soon_and_forgets_it():
    config = PRESETS["2017-audio"]
    first = config.training.learning_rate
    rates = [rate_of(config, step) / first for step in (0, 1999, 2000, 3999, 4000, 6000)]
    assert rates == [1, 1, 0.5, 0.5, 1, 0.5]
    once = repaired(config, "B9 slower decay")
    assert [rate_of(once, step) for step in (2000, 3999, 6000)] == [first] * 3
    kept = repaired(config, "B10 exact resume")
    assert rate_of(kept, 6000) == first / 8


@pytest.mark.parametrize(
    ("capability", "flags", "precision"),
    [
        (None, "flags: avx2 avx512f", "float32"),
        (None, "flags: avx512f avx512_bf16", "mixed_bfloat16"),
        ((7, 5), "flags: avx512_bf16", "float32"),
        ((9, 0), "flags: avx2", "mixed_bfloat16"),
    ],
)
def test_precision_is_what_the_gpu_or_else_the_processor_has(capability, flags, precision, monkeypatch):
    monkeypatch.setattr(run_folder, "gpu_capability", lambda: capability)
    monkeypatch.setattr(Path, "read_text", lambda path, **options: flags)
    assert run_folder.choose_precision("auto") == precision
    assert run_folder.choose_precision("float32") == "float32"


def test_the_rate_is_halved_when_m_global_stalls():
    rows = [{"m_global": value} for value in (1.0, 0.9, 0.9, 0.9, 0.8, 0.8, 0.8, 0.8)]
    config = TINY.updated(training={"learning_rate": 8e-5, "smallest_rate": 3e-5, "patience": 2})
    rates = [rate_of(config, 0, rows[:count]) for count in range(9)]
    assert rates == [8e-5] * 4 + [4e-5] * 3 + [3e-5] * 2
    schedule = {"patience": 0, "halve_every": 10, "learning_rate": 8e-5, "smallest_rate": 0.0}
    assert [rate_of(TINY.updated(training=schedule), step) for step in (0, 9, 10, 29)] == [8e-5, 8e-5, 4e-5, 2e-5]


def rate_of(config, step, rows=()):
    """The rate of a step, as training sets it."""
    task = BeganTask.__new__(BeganTask)
    task.config, task.settings = config, config.training
    return task.learning_rate(step, rows)


def test_forgetting_loses_k_and_moments(tiny_dataset, tmp_path):
    config = TINY.updated(defects=(FORGETTING,), training={"halve_every": 4})
    train_began(config, tiny_dataset, tmp_path / "run")
    model = new_model(TINY)
    model.load_weights(tmp_path / "run" / "checkpoint.weights.h5")
    assert int(model.optimizer.iterations) == 4 and int(model.steps_done) == 8


def test_other_settings_and_other_modes_are_refused(tiny_dataset, tiny_run, tiny_model_folder):
    with pytest.raises(InputError, match=r"adversary.gamma 2.0, now 0.7"):
        train_began(TINY.updated(adversary={"gamma": 0.7}), tiny_dataset, tiny_run)
    with pytest.raises(InputError, match="mode audio2faces, now began"):
        train_began(TINY, tiny_dataset, tiny_model_folder.parent / "regressor")
    with pytest.raises(InputError, match="holds something else"):
        train_began(TINY, tiny_dataset, tiny_model_folder.parent)


def part_of(dataset, clips):
    return Dataset(dataset.folder, {**dataset.manifest, "clips": clips})


def test_datasets_that_cannot_be_learned_from_are_refused(tiny_dataset, tmp_path):
    clips = tiny_dataset.manifest["clips"]
    others = [clip for clip in clips if clip["split"] != "train"]
    learned = [clip for clip in clips if clip["split"] == "train"]
    with pytest.raises(InputError, match="1 clip to train on"):
        train_began(TINY, part_of(tiny_dataset, [learned[0], *others]), tmp_path / "one")
    with pytest.raises(InputError, match="100 frames to train on, a batch takes 101"):
        train_began(TINY.updated(training={"batch_size": 101}), tiny_dataset, tmp_path / "few")
    with pytest.raises(InputError, match="100 frames to train on, z takes more than 105"):
        train_began(TINY.updated(z_size=100), tiny_dataset, tmp_path / "few")
    with pytest.raises(InputError, match="faces of 16 pixels, the model has 32; prepare them with --size 32"):
        train_began(TINY.updated(size=32), tiny_dataset, tmp_path / "size")
    with pytest.raises(InputError, match="no clip in validation"):
        train_began(TINY, part_of(tiny_dataset, learned), tmp_path / "split")
    assert not any((tmp_path / name).exists() for name in ("one", "few", "size", "split"))


def test_speech_without_finite_features_is_refused(tiny_dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("training.frames.speech_maps", lambda samples, times, settings: np.full((20, 35, 13), np.nan))
    with pytest.raises(InputError, match="clip0: its speech gives no finite features"):
        train_began(TINY, tiny_dataset, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_program_refuses_what_does_not_exist(tiny_dataset, tmp_path):
    refused = run_program("train.py", "--mode", "began", "--preset", "2018")
    assert "--preset 2018: mode began has 2017-audio, 2017-audio-noise, 2017-noise, 2017-slow" in one_line(refused)
    refused = run_program("train.py", "--mode", "audio2faces", "--repair", "B1")
    assert "only mode began takes it" in one_line(refused)
    refused = run_program("train.py", "--mode", "began", "--repair", "B1")
    assert "preset sample has no defects of 2017" in one_line(refused)
    assert run_program("train.py", "--mode", "began", "--steps", "0").returncode == 2
    arguments = ["--data", tiny_dataset.folder, "--run", tmp_path / "run"]
    assert "prepare them with --size 64" in one_line(run_program("train.py", "--mode", "began", *arguments))
    assert not (tmp_path / "run").exists()


def test_damaged_models_are_refused(tiny_run, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for path in (tiny_run / "model").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    network = (folder / "generator.keras").read_bytes()
    (folder / "generator.keras").write_bytes(with_one_bit_changed(network))
    with pytest.raises(InputError, match="damaged model"):
        load_model(folder)
    (folder / "generator.keras").write_bytes(network)
    (folder / "codes.npy").write_bytes(b"PK")
    with pytest.raises(InputError, match="damaged model"):
        load_model(folder)
    (folder / "generator.keras").unlink()
    with pytest.raises(InputError, match=r"generator.keras: missing"):
        load_model(folder)


def test_a_generator_speaks(tiny_run, tmp_path):
    output = tmp_path / "talking.mp4"
    done = run_program("generate.py", "samples/speech.wav", "--model", tiny_run / "model", "--output", output)
    assert done.returncode == 0, done.stderr
    assert output.stat().st_size > 1000 and "by tiny" in done.stdout


def test_mixed_precision_keeps_weights_in_float32(tiny_dataset, tmp_path):
    config = TINY.updated(training={"precision": "mixed_bfloat16", "steps": 4})
    train_began(config, tiny_dataset, tmp_path / "run")
    network = keras.models.load_model(tmp_path / "run" / "model" / "generator.keras", compile=False)
    assert {weight.dtype for weight in network.trainable_weights} == {"float32"}
    assert network.output.dtype == "float32"


def test_faces_of_128_pixels_learn_at_a_lower_rate(monkeypatch):
    for size, preset in (("64", "conditional"), ("128", "conditional-128")):
        monkeypatch.setattr(sys, "argv", ["train.py", "--mode", "began", "--data", "any", "--size", size])
        assert chosen_config(parse_arguments()) == PRESETS[preset]
    assert PRESETS["conditional-128"].training.learning_rate < PRESETS["conditional"].training.learning_rate
