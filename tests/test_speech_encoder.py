import json
import shutil

import keras
import numpy as np
import pytest

from audio2faces.config import FROM_NOTHING, PRESETS, RegressorConfig, default_preset, starting_from, suited
from audio2faces.published import DEFAULT_ENCODER, find_encoder, published_models
from audio2faces.regressor.linear_decoder import LINEAR_DECODER, fit_linear_decoder
from audio2faces.regressor.network import Regressor, build_regressor
from audio2faces.speech_encoder.config import SpeechEncoderConfig
from audio2faces.speech_encoder.network import SpeechEncoder
from audio2faces.speech_encoder.saved_encoder import load_encoder
from audio2faces.speech_encoder.training import SpeechEncoderTask, pooled, train_speech_encoder
from audio2faces.speech_encoder.voices import Voice
from audio2faces.train import little_speech
from audio2faces.train_began import train_began
from audio2faces.train_system import train_system
from audio2faces.trained.face import load_model
from audio2faces.training_speech import TrainingSpeech
from began.config import BeganConfig
from began.face import load_model as load_began
from began.networks.audio_network import AUDIO_NETWORK
from measures.mouth import COMPONENTS
from preprocessing.speech.audio_features import FeatureStatistics
from runtime.errors import InputError
from training.frames import FrameStore

from .conftest import TINY, compiled, dataset_of, drawn_clip, one_line, run_program


@pytest.fixture(scope="module")
def tiny_encoder_config():
    training = {"steps": 4, "batch_size": 8, "evaluate_every": 2, "precision": "float32"}
    return SpeechEncoderConfig().updated(speech=TINY["speech"], augmented_frames=200, training=training)


@pytest.fixture(scope="module")
def other_speaker(tmp_path_factory):
    folder = tmp_path_factory.mktemp("other")
    splits = ["train", "train", "validation"]
    return dataset_of(folder, [drawn_clip(folder, f"o{n}", split, 20 + n) for n, split in enumerate(splits)])


@pytest.fixture(scope="module")
def tiny_encoder(tiny_dataset, other_speaker, tiny_encoder_config, tmp_path_factory):
    """The folder of an encoder of two speakers."""
    run = tmp_path_factory.mktemp("runs") / "encoder"
    return train_speech_encoder(tiny_encoder_config, [tiny_dataset, other_speaker], run)


@pytest.fixture
def from_encoder(tiny_system, tiny_encoder):
    """Settings of a system whose regressor starts from it."""
    return starting_from(tiny_system, str(tiny_encoder), load_encoder(tiny_encoder).speech)


def test_each_speaker_counts_as_one_in_the_statistics():
    quiet = FeatureStatistics(np.array([0.0, 1.0]), np.array([1.0, 2.0]))
    loud = FeatureStatistics(np.array([4.0, 1.0]), np.array([3.0, 2.0]))
    both = pooled([quiet, loud])
    np.testing.assert_allclose(both.mean, [2, 1])
    np.testing.assert_allclose(both.deviation, [np.sqrt(5 + 4), 2])  # within speakers, and between them


def test_the_first_component_is_positive_where_the_mouth_is_open(other_speaker, tiny_encoder_config):
    voice = Voice(FrameStore(other_speaker), tiny_encoder_config.speech.feature_settings)
    dark = np.concatenate([(clip.faces[:, 12:16, 5:11, 0] == 40).mean(axis=(1, 2)) for clip in voice.frames.clips])
    assert np.corrcoef(voice.mouth[:, 0], dark)[0, 1] > 0.9
    assert voice.mouth[:, 0].std() == pytest.approx(1, abs=1e-4)


def test_a_speaker_learns_from_its_own_outputs_and_the_shared_one(tiny_encoder_config):
    model = SpeechEncoder(tiny_encoder_config, 2)
    batch = {
        "speech": np.zeros((3, *tiny_encoder_config.speech.map_shape), np.float32),
        "mouth": np.full((3, COMPONENTS), 2.0, np.float32),
        "speaker": np.array([0, 1, 1], np.int32),
    }
    shared, of_speakers = np.zeros((3, 1), np.float32), np.zeros((3, 2, COMPONENTS), np.float32)
    of_speakers[0, 0], of_speakers[1:, 1] = 2.0, 1.0  # right; wrong by 1
    of_speakers[0, 1], of_speakers[1:, 0] = 99.0, 99.0  # of the other one: no matter
    loss = float(model.compute_loss(batch, y_pred=(shared, of_speakers)))
    assert loss == pytest.approx(4 + 2 / 3 * COMPONENTS / 2)


def test_one_step_changes_every_weight_and_a_rare_speaker_is_heard(tiny_dataset, other_speaker, tiny_encoder_config):
    voices = [
        Voice(FrameStore(data), tiny_encoder_config.speech.feature_settings) for data in (tiny_dataset, other_speaker)
    ]
    task = SpeechEncoderTask(tiny_encoder_config, voices)
    task.prepare()
    np.testing.assert_allclose(task.shares, np.sqrt([100, 40]) / np.sqrt([100, 40]).sum())
    batch = task.batch(0)
    assert set(batch["speaker"]) == {0, 1} and batch["mouth"].shape == (8, COMPONENTS)
    np.testing.assert_array_equal(batch["speech"], task.batch(0)["speech"])
    model = compiled(task.build())
    before = [np.array(weight) for weight in model.trainable_weights]
    model.train_on_batch(batch)
    for old, variable in zip(before, model.trainable_weights, strict=True):
        assert (old != np.array(variable)).any(), variable.path


def test_an_encoder_is_saved_with_its_speakers(tiny_encoder, tiny_dataset, other_speaker, tiny_encoder_config):
    saved = load_encoder(tiny_encoder)
    assert saved.speech == tiny_encoder_config.speech and saved.name == "encoder"
    assert load_encoder(tiny_encoder.parent).fingerprint == saved.fingerprint  # the run leads to it
    minutes = json.loads((tiny_encoder / "config.json").read_text())["minutes"]
    assert list(minutes) == [tiny_dataset.folder.name, other_speaker.folder.name]
    metrics = (tiny_encoder.parent / "metrics.csv").read_text()
    assert "lowest_correlation" in metrics and len(metrics.splitlines()) == 3


def test_a_frozen_encoder_keeps_its_weights(tiny_dataset, from_encoder, tmp_path):
    config = from_encoder.updated(regressor={"frozen": True})
    face = load_model(train_system(config, tiny_dataset, tmp_path / "run", "regressor"))
    encoder = load_encoder(find_encoder(config.regressor.encoder))
    kept = face.network.get_layer(AUDIO_NETWORK).get_weights()
    for ours, theirs in zip(kept, encoder.network.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(face.statistics.mean, encoder.statistics.mean)


def test_an_encoder_that_is_not_frozen_is_where_training_starts(from_encoder, tiny_encoder):
    model, encoder = Regressor(from_encoder.regressor), load_encoder(tiny_encoder)
    model.start_from(encoder.network)
    maps = np.random.default_rng(0).normal(size=(3, *encoder.speech.map_shape)).astype(np.float32)
    code = model.network.get_layer(AUDIO_NETWORK)(maps)
    np.testing.assert_allclose(np.asarray(code), np.asarray(encoder.network(maps)), atol=1e-6)
    assert len(model.trainable_weights) == len(build_regressor(from_encoder.regressor).trainable_weights)


def test_a_linear_decoder_finds_what_is_linear(tiny_dataset, from_encoder, tiny_encoder):
    """Motion that is a linear function of the code is found again, and noise in it costs only a little."""
    config = from_encoder.updated(regressor={"frozen": True, "decoder_widths": (), "versions": 0}).regressor
    encoder, store = load_encoder(tiny_encoder), FrameStore(tiny_dataset)
    network = build_regressor(config)
    network.get_layer(AUDIO_NETWORK).set_weights(encoder.network.get_weights())
    true = np.random.default_rng(0).normal(size=network.get_layer(LINEAR_DECODER).get_weights()[0].shape)
    standardise = encoder.statistics.standardise

    class Frames:
        """Frames whose motion is what the true decoder makes of their speech."""

        def __init__(self, split):
            self.frames = store.frames(split, config.speech.feature_settings)
            self.standardised, self.clips = self.frames.standardised, self.frames.clips

        def __len__(self):
            return len(self.frames)

        def motion(self, indices):
            codes = encoder.network.predict_on_batch(self.standardised(standardise))
            return (100 * codes @ true)[indices].reshape(-1, 16, 16, 3)

    frames, held_out = Frames("train"), Frames("validation")
    speech = TrainingSpeech(frames.frames, config.speech.feature_settings, 0, standardise)
    fitted = fit_linear_decoder(network, frames, speech, held_out, standardise, np.ones((16, 16, 1)))
    network.get_layer(LINEAR_DECODER).set_weights([fitted["kernel"], fitted["bias"]])
    made = network.predict_on_batch(held_out.standardised(standardise))
    real = held_out.motion(np.arange(len(held_out)))
    assert np.square(made - real).mean() < 0.1 * real.var()


def test_a_face_of_little_speech_takes_no_steps(tiny_dataset, from_encoder, tmp_path, capfd):
    config = from_encoder.updated(regressor={"frozen": True, "decoder_widths": ()})
    folder = train_system(config, tiny_dataset, tmp_path / "run")
    assert "training the regressor" not in capfd.readouterr().err
    face = load_model(folder)
    assert face.refiner is not None and face.articulation is not None
    card = (folder / "README.md").read_text()
    assert "The mouth " in card and "the speech encoder speech-encoder, which was left as it is" in card
    assert "5 clips" in card and "| model, refined |" in " ".join(card.split())
    capfd.readouterr()
    assert train_system(config, tiny_dataset, tmp_path / "run") == folder
    assert "augmenting speech" not in capfd.readouterr().err  # done: nothing is learned again
    other = config.updated(regressor={"encoder": ""} | {"frozen": False, "decoder_widths": (8,)})
    with pytest.raises(InputError, match=r"a run of other settings \(.*encoder"):
        train_system(other, tiny_dataset, tmp_path / "run")


def test_a_face_of_some_minutes_adapts_the_encoder_alone(tiny_dataset, from_encoder, tiny_encoder, tmp_path, capfd):
    config = from_encoder.updated(regressor={"decoder_widths": ()})
    face = load_model(train_system(config, tiny_dataset, tmp_path / "run", "regressor"))
    assert "training the speech encoder" in capfd.readouterr().err
    alone = config.updated(regressor={"adapted": 1.0})
    of_speaker = load_model(train_system(alone, tiny_dataset, tmp_path / "alone", "regressor"))
    encoder = load_encoder(tiny_encoder)
    ours, adapted = (each.network.get_layer(AUDIO_NETWORK).get_weights() for each in (face, of_speaker))
    for mean, before, after in zip(ours, encoder.network.get_weights(), adapted, strict=True):
        assert (before != after).any()
        np.testing.assert_allclose(mean, (before + after) / 2, rtol=2e-3, atol=1e-5)  # rounded to float16
    np.testing.assert_array_equal(face.statistics.mean, encoder.statistics.mean)  # those that it was trained with


def test_combinations_that_do_not_go_together():
    with pytest.raises(InputError, match="frozen: there is no speech encoder to freeze"):
        RegressorConfig().updated(frozen=True)
    with pytest.raises(InputError, match="a linear decoder makes the motion of a face from a speech encoder"):
        RegressorConfig().updated(decoder_widths=())


def test_the_amount_of_speech_chooses_the_preset():
    assert [default_preset(minutes) for minutes in (0.3, 4.9, 5.0, 44.0)] == ["minutes", "minutes", "hours", "hours"]
    for name, alone in FROM_NOTHING.items():
        assert not alone.regressor.encoder and alone.regressor.decoder_widths  # all of it is trained
        assert suited(alone, 0.3) == alone and alone.refiner == PRESETS[name].refiner
        assert PRESETS[name].regressor.encoder == DEFAULT_ENCODER
        assert [suited(PRESETS[name], minutes).regressor.frozen for minutes in (0.3, 1.0)] == [True, False]


def test_too_little_speech_is_told(tiny_dataset, tmp_path):
    assert "4 s of training speech; a mouth that follows needs 20 or more" in little_speech(tiny_dataset)
    entries = [
        drawn_clip(tmp_path, f"long{n}", split, n, frames=510) for n, split in enumerate(["train", "validation"])
    ]
    assert not little_speech(dataset_of(tmp_path, entries))


def test_the_published_encoder_is_no_face():
    assert DEFAULT_ENCODER not in published_models()
    encoder = load_encoder(find_encoder(DEFAULT_ENCODER))
    assert encoder.speech == RegressorConfig().speech
    assert isinstance(encoder.network, keras.Model) and encoder.network.output_shape == (None, 128)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "encoder.keras").write_bytes(b"nothing"), "damaged speech encoder"),
        (lambda folder: (folder / "encoder.keras").unlink(), "encoder.keras: missing; copy the whole folder again"),
        (
            lambda folder: (folder / "config.json").unlink(),
            "no such speech encoder; give the folder of one, or nothing",
        ),
        (lambda folder: _change(folder, schema=0), "schema 0, this version reads 1"),
        (lambda folder: _change(folder, kind="vae"), "vae, no speech encoder; give the folder of a speech encoder"),
    ],
)
def test_a_damaged_encoder_is_refused(tiny_encoder, tmp_path, damage, message):
    folder = shutil.copytree(tiny_encoder, tmp_path / "encoder")
    damage(folder)
    with pytest.raises(InputError, match=message):
        load_encoder(folder)


def _change(folder, **changes):
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(content | changes))


def test_training_refuses_an_encoder_before_it_begins(tiny_dataset, tmp_path):
    arguments = ("train.py", "--mode", "audio2faces", "--data", tiny_dataset.folder, "--run", tmp_path / "run")
    assert "no such speech encoder" in one_line(run_program(*arguments, "--from", tmp_path / "nobody"))
    assert not (tmp_path / "run").exists()


def test_other_trainings_start_from_nothing(tiny_dataset):
    for mode in (("vae",), ("began", "--audio-encoder", "vae:any"), ("began", "--preset", "2017-audio")):
        error = one_line(run_program("train.py", "--mode", *mode, "--data", tiny_dataset.folder, "--from", "any"))
        assert "--from: mode vae, presets of 2017 and --audio-encoder do not take it" in error


def test_a_speaker_is_given_once(tiny_dataset, tmp_path):
    arguments = ["--data", tiny_dataset.folder] * 2
    done = run_program("-m", "audio2faces.speech_encoder", *arguments, "--run", tmp_path / "run")
    assert "--data: a dataset is given twice; give one of each speaker" in one_line(done)


def test_a_began_starts_from_an_encoder(tiny_dataset, tiny_encoder, tmp_path):
    encoder = load_encoder(tiny_encoder)
    small = {"size": TINY["size"], "z_size": 4, "generator_n": 4, "adversary": {"n": 4, "code_size": 4}}
    training = {"steps": 2, "batch_size": 4, "evaluate_every": 2, "learning_rate": 1e-3, "precision": "float32"}
    config = starting_from(BeganConfig().updated(**small, training=training), str(tiny_encoder), encoder.speech)
    face = load_began(train_began(config, tiny_dataset, tmp_path / "run"))
    assert face.config.encoder == str(tiny_encoder)
    np.testing.assert_array_equal(face.statistics.mean, encoder.statistics.mean)
    audio_network = face.network.get_layer(AUDIO_NETWORK)
    pairs = zip(encoder.network.get_weights(), audio_network.get_weights(), strict=True)
    moved = max(np.abs(before - after).max() for before, after in pairs)
    assert 0 < moved <= 2.5e-3  # two steps of Adam, and weights rounded to float16
