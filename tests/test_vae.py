import io
import json
import os
import shutil
import zipfile

import keras
import numpy as np
import pytest

from began.config import BeganConfig
from began.face import build_network
from began.model import Began
from began.networks.audio_network import build_frozen_audio_network
from began.training import audio_network_of
from began.vae.config import VAE_PRESETS, VaeConfig
from began.vae.model import MapScaling, Vae, kl_divergence, map_error
from began.vae.saved_encoder import load_vae_encoder
from began.vae.training import train_vae
from media.pictures import read_picture
from preprocessing.speech.audio_features import FEATURE_PRESETS, FeatureStatistics
from runtime.errors import InputError
from training.checkpoints import DAMAGED, open_checkpoint
from training.config import SpeechConfig
from training.frames import batch_indices
from training.network_files import load_network

from .conftest import compiled, one_line, run_program, with_one_bit_changed

TINY_VAE = VaeConfig().updated(
    speech={"widths": (8,), "code_size": 4},
    training={"steps": 8, "batch_size": 16, "evaluate_every": 4, "schedule": "halved", "learning_rate": 3e-3},
)
TINY_BEGAN = BeganConfig().updated(
    size=16,
    z="uniform",
    z_size=4,
    generator_n=4,
    adversary={"n": 4, "code_size": 8},
    speech={"code_size": 4, "widths": (8,)},
)


def statistics_of(config, mean=2.0, deviation=5.0):
    _, coefficients = config.speech.map_shape
    return FeatureStatistics(np.full(coefficients, mean), np.full(coefficients, deviation))


def opened(run):
    """The VAE of a run's checkpoint."""
    return open_checkpoint(run, lambda: new_vae(TINY_VAE, statistics_of(TINY_VAE)))


def new_vae(config, statistics):
    return compiled(Vae(config, statistics))


def batch_of(config, count=6, seed=0):
    generator = np.random.default_rng(seed)
    return {
        "map": generator.normal(size=(count, *config.speech.map_shape)).astype(np.float32),
        "noise": generator.normal(size=(count, config.speech.code_size)).astype(np.float32),
    }


@pytest.fixture(scope="module")
def tiny_run(tiny_dataset, tmp_path_factory):
    run = tmp_path_factory.mktemp("vae") / "run"
    train_vae(TINY_VAE, tiny_dataset, run)
    return run


@pytest.mark.parametrize("preset", VAE_PRESETS)
def test_shapes_of_the_networks(preset):
    config = VAE_PRESETS[preset]
    (rows, coefficients), code_size = config.speech.map_shape, config.speech.code_size
    vae = Vae(config, statistics_of(config))
    made = vae(batch_of(config), training=True)
    assert made["map"].shape == made["scaled"].shape == (6, rows, coefficients)
    assert made["mean"].shape == made["log_variance"].shape == (6, code_size)
    assert vae.mean_encoder().output_shape == (None, code_size)


def test_the_2017_network_is_the_one_of_its_description():
    vae = Vae(VAE_PRESETS["2017"], statistics_of(VAE_PRESETS["2017"]))
    sizes = [layer.units for layer in vae.encoder.layers + vae.decoder.layers if isinstance(layer, keras.layers.Dense)]
    assert sizes == [500, 500, 20, 20, 500, 500, 385]
    activations = [layer.activation.__name__ for layer in vae.encoder.layers[2:4] + vae.decoder.layers[1:4]]
    assert activations == ["elu", "tanh", "tanh", "elu", "sigmoid"]


def test_maps_of_2017_are_clipped_at_forty_and_scaled():
    config = VAE_PRESETS["2017"]
    statistics = statistics_of(config)
    raw = np.zeros((1, 35, 11), np.float32)
    raw[0, 0, :4] = [-50, -40, 20, 90]
    vae = Vae(config, statistics)
    scaled = vae.scaling(statistics.standardise(raw, np.inf))
    np.testing.assert_allclose(scaled[0, 0, :5], [0, 0, 0.75, 1, 0.5], atol=1e-6)
    again = MapScaling.from_config(vae.scaling.get_config())
    np.testing.assert_array_equal(again(raw), vae.scaling(raw))


def test_losses_by_hand():
    mean, variance = np.array([[0.0, 2.0, 0.0]]), np.array([[1.0, 1.0, np.e]])
    expected = [[0.0, 2.0, (np.e - 2) / 2]]
    np.testing.assert_allclose(kl_divergence(mean, np.log(variance)), expected, rtol=1e-6, atol=1e-7)
    real, reconstructed = np.zeros((2, 3, 2)), np.zeros((2, 3, 2))
    reconstructed[1, 0] = [1.5, -2.0]
    np.testing.assert_allclose(map_error(real, reconstructed), [0.0, 3.5])


def test_the_loss_is_error_and_weighted_divergence():
    vae = Vae(TINY_VAE, statistics_of(TINY_VAE))
    batch = batch_of(TINY_VAE)
    made = vae(batch, training=True)
    error = np.abs(np.array(made["scaled"]) - np.array(made["map"])).sum() / 6
    mean, log_variance = np.array(made["mean"]), np.array(made["log_variance"])
    kl = ((mean**2 + np.exp(log_variance) - log_variance - 1) / 2).sum() / 6
    loss = float(vae.compute_loss(x=batch, y_pred=made))
    assert loss == pytest.approx(error + TINY_VAE.kl_weight * kl, rel=1e-5)


@pytest.mark.parametrize("config", [TINY_VAE, VAE_PRESETS["2017"]])
def test_one_step_changes_every_weight(config):
    vae = new_vae(config, statistics_of(config))
    before = [np.array(weight) for weight in vae.trainable_variables]
    vae.train_on_batch(batch_of(config))
    for old, new in zip(before, vae.trainable_variables, strict=True):
        assert (old != np.array(new)).any(), new.path


def test_a_tiny_vae_learns_better_than_the_mean_map(tiny_dataset, tmp_path):
    train_vae(TINY_VAE.updated(training={"steps": 300, "evaluate_every": 300}), tiny_dataset, tmp_path / "run")
    header, row = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    values = dict(zip(header.split(","), map(float, row.split(",")), strict=True))
    assert values["map_error"] < 0.8 * values["mean_map_error"]
    assert values["explained_variance"] > 0.4 and values["active_units"] >= 1 and values["kl_divergence"] > 0.5


def test_a_run_leaves_what_the_contract_says(tiny_run, tiny_dataset):
    assert {path.name for path in tiny_run.iterdir()} == {
        "config.json", "checkpoint.weights.h5", "previous.weights.h5", "best.weights.h5", "metrics.csv", "curves.png",
        "samples",
        "tensorboard", "vae",
    }  # fmt: skip
    pictures = [f"{name}-{step}.png" for name in ("codes", "maps") for step in ("000004", "000008")]
    assert sorted(os.listdir(tiny_run / "samples")) == pictures
    for picture in (*(tiny_run / "samples" / name for name in pictures), tiny_run / "curves.png"):
        image = read_picture(picture)
        assert min(image.shape[:2]) > 200 and image.std() > 10, picture
    settings = json.loads((tiny_run / "config.json").read_text())
    assert settings["mode"] == "vae" and settings["data"] == tiny_dataset.fingerprint
    content = json.loads((tiny_run / "vae" / "config.json").read_text())
    assert content["kind"] == "vae" and content["schema"] == 2 and content["data"] == tiny_dataset.fingerprint


def test_the_folder_holds_the_best_network_with_its_scaling(tiny_run):
    encoder, config, statistics = load_vae_encoder(tiny_run)
    assert config == TINY_VAE
    model = new_vae(config, statistics)
    model.load_weights(tiny_run / "best.weights.h5")
    maps = 3 * batch_of(config)["map"]
    expected, _ = model.encoder(np.clip(maps, -4, 4))
    np.testing.assert_allclose(encoder(maps), expected, rtol=1e-5, atol=1e-6)
    other, _, _ = load_vae_encoder(tiny_run / "vae")
    np.testing.assert_array_equal(other(maps), encoder(maps))


def test_an_interrupted_run_goes_on_to_the_same_bits(tiny_dataset, tiny_run, tmp_path, monkeypatch):
    def interrupted(count, batch_size, step, seed):
        if step == 6:
            raise KeyboardInterrupt
        return batch_indices(count, batch_size, step, seed)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("began.vae.training.batch_indices", interrupted)
        train_vae(TINY_VAE, tiny_dataset, tmp_path / "run")
    with pytest.raises(InputError, match=r"this run is not finished; give python train\.py --mode vae --run"):
        load_vae_encoder(tmp_path / "run")
    train_vae(TINY_VAE, tiny_dataset, tmp_path / "run")
    one, other = (opened(run) for run in (tiny_run, tmp_path / "run"))
    assert int(one.optimizer.iterations) == int(other.optimizer.iterations) == 8
    assert any(np.any(np.array(moment)) for moment in one.optimizer.variables[2:])
    for x, y in zip(one.variables + one.optimizer.variables, other.variables + other.optimizer.variables, strict=True):
        np.testing.assert_array_equal(x, y, err_msg=x.path)
    whole, resumed = ((run / "metrics.csv").read_text().splitlines() for run in (tiny_run, tmp_path / "run"))
    assert [line.rsplit(",", 2)[0] for line in resumed] == [line.rsplit(",", 2)[0] for line in whole]


def test_runs_of_other_settings_and_damaged_files_are_refused(tiny_dataset, tiny_run, tmp_path):
    with pytest.raises(InputError, match=r"speech.code_size 4, now 5"):
        train_vae(TINY_VAE.updated(speech={"code_size": 5}), tiny_dataset, tiny_run)
    with pytest.raises(InputError, match="no such run of a VAE"):
        load_vae_encoder(tmp_path / "nowhere")
    folder = tmp_path / "vae"
    folder.mkdir()
    with pytest.raises(InputError, match=r"config\.json: no such file"):
        load_vae_encoder(folder)
    content = json.loads((tiny_run / "vae" / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**content, "kind": "regressor"}))
    with pytest.raises(InputError, match="a regressor model, no vae; train one with"):
        load_vae_encoder(folder)
    (folder / "config.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"encoder\.keras: missing"):
        load_vae_encoder(folder)
    whole = (tiny_run / "vae" / "encoder.keras").read_bytes()
    for damaged in (whole[:900], with_one_bit_changed(whole)):
        (folder / "encoder.keras").write_bytes(damaged)
        with pytest.raises(InputError, match="damaged"):
            load_vae_encoder(folder)
    content["config"]["colour"] = 1
    (folder / "config.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="unknown settings colour"):
        load_vae_encoder(folder)
    with pytest.raises(InputError, match="this VAE was trained on another dataset"):
        load_vae_encoder(tiny_run, data="another")


def test_a_changed_bit_anywhere_in_a_network_is_noticed(tiny_run, tmp_path):
    whole = (tiny_run / "vae" / "encoder.keras").read_bytes()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        member = archive.getinfo("model.weights.h5")
    for share in np.linspace(0.02, 0.98, 25):
        place = member.header_offset + 60 + round(share * (member.compress_size - 60))
        (tmp_path / "encoder.keras").write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(DAMAGED, match="checksum"):
            load_network(tmp_path / "encoder.keras")


def test_a_checkpoint_cut_short_gives_way_to_the_one_before(tiny_dataset, tiny_run, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    (run / "checkpoint.weights.h5").write_bytes(b"nothing")
    train_vae(TINY_VAE, tiny_dataset, run)
    assert "checkpoint.weights.h5: missing or damaged" in capsys.readouterr().err
    assert int(opened(run).optimizer.iterations) == TINY_VAE.training.steps
    for name in ("checkpoint", "previous"):
        (run / f"{name}.weights.h5").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"damaged.*damaged.*train from the start"):
        opened(run)


def test_a_generator_uses_a_frozen_encoder(tiny_run, tmp_path):
    config = TINY_BEGAN.updated(
        speech={"network": f"vae:{tiny_run}"}, adversary={"conditional": True, "mismatched": 0.5}
    )
    began = compiled(Began(config, audio_network_of(config.speech)))
    assert not began.audio_network.trainable_variables
    heard_by_d = began.adversary.discriminator.get_layer("audio_network").trainable_variables
    generated_by = began.generator.trainable_variables
    before = [[np.array(weight) for weight in part] for part in (began.audio_network.weights, heard_by_d, generated_by)]
    began.train_on_batch(began_batch(config))
    frozen, of_d, of_generator = before
    for old, new in zip(frozen, began.audio_network.weights, strict=True):
        np.testing.assert_array_equal(old, new)
    for old, new in zip(of_d + of_generator, heard_by_d + generated_by, strict=True):
        assert (old != np.array(new)).any(), new.path
    encoder, _, _ = load_vae_encoder(tiny_run)
    maps = began_batch(config)["speech"]
    np.testing.assert_allclose(began.audio_network(maps, training=True), encoder(maps), rtol=1e-5, atol=1e-6)
    network = build_network(began)
    network.save(tmp_path / "generator.keras")  # needs the run of the VAE no more
    z = np.zeros((4, config.z_size), np.float32)
    again = keras.models.load_model(tmp_path / "generator.keras", compile=False)
    np.testing.assert_allclose(again([maps, z]), network([maps, z]), rtol=1e-5, atol=1e-6)


def began_batch(config, count=4):
    generator = np.random.default_rng(0)
    speech = (count, *config.speech.map_shape)
    shapes = {"face": (count, config.size, config.size, 3), "speech": speech, "foreign_speech": speech}
    batch = {name: generator.uniform(-1, 1, shape).astype(np.float32) for name, shape in shapes.items()}
    return {**batch, "z": generator.normal(size=(count, config.z_size)).astype(np.float32)}


def test_a_code_of_another_length_passes_one_dense_layer(tiny_run):
    network = audio_network_of(SpeechConfig(network=f"vae:{tiny_run}", code_size=6))()
    assert network.output_shape == (None, 6)
    assert [tuple(weight.shape) for weight in network.trainable_variables] == [(4, 6), (6,)]


def test_raw_and_standardised_maps_give_the_same_code(tiny_run):
    encoder, _, statistics = load_vae_encoder(tiny_run)
    raw = np.random.default_rng(0).normal(statistics.mean, 3 * statistics.deviation, (5, 35, 13))
    of_raw = build_frozen_audio_network(encoder, 4, statistics)(raw.astype(np.float32))
    of_standardised = build_frozen_audio_network(encoder, 4)(statistics.standardise(raw))
    np.testing.assert_allclose(of_raw, of_standardised, atol=1e-4)


def test_an_encoder_that_does_not_fit_is_refused(tiny_run):
    assert FEATURE_PRESETS["2017"].coefficients != FEATURE_PRESETS["wide"].coefficients
    with pytest.raises(InputError, match="this VAE was trained on the features 'wide', the BEGAN '2017'"):
        audio_network_of(SpeechConfig(network=f"vae:{tiny_run}", features="2017"))
    refused = run_program("train.py", "--mode", "began", "--audio-encoder", "wav2vec")
    assert "--audio-encoder wav2vec: unknown; give learned or vae:RUN" in one_line(refused)


def test_unknown_settings_fail():
    plain = json.loads(json.dumps(VaeConfig().as_json()))
    assert VaeConfig.from_json(plain) == VaeConfig()
    with pytest.raises(InputError, match="unknown settings colour"):
        VaeConfig.from_json({**plain, "colour": 1})


def test_the_program_trains_and_refuses(tiny_dataset, tmp_path):
    error = one_line(run_program("train.py", "--mode", "vae", "--preset", "full"))
    assert "--preset full: mode vae has 2017, convolutional, sample" in error
    assert "float32" in one_line(run_program("train.py", "--mode", "vae", "--precision", "float32"))
    command = ("train.py", "--mode", "vae", "--data", tiny_dataset.folder, "--run", tmp_path / "run")
    done = run_program(*command, "--steps", "2", "--batch-size", "4")
    assert done.returncode == 0 and f"wrote {tmp_path / 'run' / 'vae'}" in done.stdout, done.stderr
    assert f"--audio-encoder vae:{tmp_path / 'run'}" in done.stdout and "training: 2/2 steps" in done.stderr
