"""The exported SavedModel: the frames of generate.py, out of TensorFlow alone."""

import errno
import json
import os
import re
import subprocess
import sys
import textwrap
import urllib.error

import numpy as np
import pytest
import tensorflow as tf

from audio2faces.config import PRESETS
from audio2faces.export.__main__ import main
from audio2faces.export.onnx_model import write_onnx_model
from audio2faces.export.saved_model import write_saved_model
from audio2faces.export.single_file import write_litert, write_onnx
from audio2faces.export.warm_up import prediction_log
from audio2faces.generate.video import Options, stream_faces
from audio2faces.regressor.network import build_regressor
from audio2faces.trained.face import FaceModel, load_model
from media.reading import read_speech
from media.writing import is_synthetic
from preprocessing.faces.alignment import mouth_slices
from preprocessing.speech.audio_features import FeatureStatistics, speech_maps
from runtime.errors import InputError
from training.frames import FrameSet

from .conftest import ROOT, SAMPLES, full_disk, one_line, run_program
from .serving_stand_in import Served, grpc_server, rest_server

MODELS = ROOT / "models"
SPEECH = SAMPLES / "speech.wav"


@pytest.fixture(scope="module")
def samples():
    """What speech.wav holds: float32 [shape=(samples,)]."""
    return read_speech(SPEECH).astype(np.float32)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Version 1 of the published model of 64 pixels."""
    return write_saved_model(load_model(MODELS / "grid-s1-64"), tmp_path_factory.mktemp("served") / "face")


@pytest.fixture(scope="module")
def served(exported):
    """Its signatures, loaded again."""
    return tf.saved_model.load(str(exported)).signatures


def whole(signatures, samples, lengths=None):
    """Frames, times and counts of some speeches, as NumPy arrays."""
    samples = np.atleast_2d(samples)
    lengths = np.int32([samples.shape[1]] if lengths is None else lengths)
    return {name: out.numpy() for name, out in signatures["serving_default"](samples=samples, lengths=lengths).items()}


@pytest.mark.parametrize("name", ["grid-s1-64", "began-grid-s1"])
def test_tensorflow_alone_makes_the_frames_of_generate(name, tmp_path, samples):
    model = load_model(MODELS / name)
    folder = write_saved_model(model, tmp_path / "served")
    np.save(tmp_path / "samples.npy", samples)
    script = """
        import sys, numpy as np, tensorflow as tf
        samples = np.load("samples.npy")
        speak = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
        out = speak(samples=samples[None], lengths=np.int32([len(samples)]))
        np.savez("out.npz", **{name: value.numpy() for name, value in out.items()})
        assert not {"audio2faces", "began", "preprocessing"} & set(sys.modules)
    """
    command = [sys.executable, "-I", "-c", textwrap.dedent(script), folder]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    out = np.load(tmp_path / "out.npz")
    expected = np.concatenate(list(stream_faces(model, SPEECH, model.frame_rate, Options())))
    assert out["frames"].dtype == np.uint8 and out["frames"].shape == (1, *expected.shape)
    differences = np.abs(out["frames"][0].astype(int) - expected)
    assert differences.max() <= 1 and (differences > 0).mean() < 1e-3
    np.testing.assert_allclose(out["times"][0], np.arange(74) / 25, atol=1e-6)
    assert out["counts"].tolist() == [74]


def test_half_the_size_gives_the_same_frames(exported, served, samples, tmp_path):
    model = load_model(MODELS / "grid-s1-64")  # its weights were rounded to float16 when it was written
    folder = write_saved_model(model, tmp_path, dtype="float16", still=True)
    sizes = [sum(p.stat().st_size for p in (f / "variables").iterdir()) for f in (folder, exported)]
    assert sizes[0] < 0.55 * sizes[1]
    frames = whole(tf.saved_model.load(str(folder)).signatures, samples)["frames"][0]
    expected = np.concatenate(list(stream_faces(model, SPEECH, 25.0, Options(still=True))))
    assert np.abs(frames.astype(int) - expected).max() <= 1


def assert_same_frames(made, expected):
    """Equal but for single grey levels: the order of a sum may depend on how many frames the networks see at once."""
    differences = np.abs(made.astype(int) - expected)
    assert differences.max() <= 1 and (differences > 0).mean() < 1e-4


@pytest.mark.parametrize("chunk", [640, 999, 16000])
def test_a_stream_gives_the_frames_of_the_whole(served, exported, samples, chunk):
    about = json.loads((exported / "assets.extra" / "model.json").read_text())
    context, look_ahead = about["context_samples"], about["look_ahead_samples"]
    assert context >= 0.2625 * 16000 and look_ahead == 4200
    around = np.concatenate([np.full(context, np.nan, np.float32), samples])
    made, times, start, last = [], [], 0, False
    while not last:
        piece = around[start : start + context + chunk + look_ahead]
        last = len(piece) == len(around) - start
        padded = np.pad(piece, (0, 7000), constant_values=np.nan)  # as beside a longer one in a batch
        inputs = {"lengths": np.int32([len(piece)]), "start": np.int32([start]), "last": np.array([last])}
        out = served["stream"](samples=padded[None], **inputs)
        count = int(out["counts"][0])
        made.append(out["frames"].numpy()[0, :count])
        times.append(out["times"].numpy()[0, :count])
        start += chunk
    expected = whole(served, samples)
    assert_same_frames(np.concatenate(made), expected["frames"][0])
    np.testing.assert_array_equal(np.concatenate(times), expected["times"][0])


@pytest.mark.parametrize("damaged", [[np.nan], [np.inf, -np.inf], [1e30], [np.nan] * 400])
def test_invalid_samples_do_not_spoil_the_face(served, samples, damaged):
    broken = samples.copy()
    broken[24000 : 24000 + len(damaged)] = damaged
    frames, clean = (whole(served, each)["frames"][0].astype(int) for each in (broken, samples))
    rows, columns = mouth_slices(64)
    brightness = np.abs((frames - clean)[:, rows, columns].mean(axis=(1, 2, 3)))
    assert brightness.max() < (1 if len(damaged) < 10 else 4)  # grey levels: the face does not flash
    np.testing.assert_array_equal(frames[:28], clean[:28])  # half a second away
    np.testing.assert_array_equal(frames[48:], clean[48:])


def test_a_batch_changes_nothing(served, samples):
    lengths = [len(samples), 20000, 0]
    batch = np.stack([samples, np.where(np.arange(len(samples)) < 20000, samples[::-1], 1.0), samples])
    together = whole(served, batch.astype(np.float32), lengths)
    assert together["counts"].tolist() == [74, 31, 0]
    for row, length in enumerate(lengths[:2]):
        alone = whole(served, batch[row, :length].astype(np.float32))["frames"][0]
        assert_same_frames(together["frames"][row, : len(alone)], alone)
        assert not together["frames"][row, len(alone) :].any()


def test_maps_give_the_faces_of_the_model(served, samples):
    model = load_model(MODELS / "grid-s1-64")
    maps = speech_maps(samples, np.arange(20, 31) / 25, model.config.speech.feature_settings)
    made = served["features"](maps=maps.astype(np.float32))["frames"].numpy()
    assert np.abs(made.astype(int) - model.faces(maps)).max() <= 1


def test_versions_count_up_and_are_never_replaced(tiny_model_folder, tmp_path):
    model = load_model(tiny_model_folder)
    assert [write_saved_model(model, tmp_path / "out").name for _ in range(2)] == ["1", "2"]
    assert write_saved_model(model, tmp_path / "out", version=7).name == "7"
    with pytest.raises(InputError, match="exists; leave out --model-version to write the next one"):
        write_saved_model(model, tmp_path / "out", version=2)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["1", "2", "7"]


def test_the_2017_networks_are_exported_at_their_own_rate(tiny_dataset, tmp_path):
    config = PRESETS["2017"].regressor.updated(size=16, decoder_widths=(8,), speech={"widths": (4, 4, 4, 8)})
    frames = FrameSet(tiny_dataset.split("train"), config.speech.feature_settings)
    face = FaceModel(
        name="old",
        config=config,
        frame_rate=30000 / 1001,  # rows of neighbouring maps do not coincide
        statistics=FeatureStatistics.fit(frames.maps),
        network=build_regressor(config),
        reference=np.zeros((16, 16, 3), np.uint8),
        reference_map=frames.maps[0][0],
    )
    folder = write_saved_model(face, tmp_path)
    about = json.loads((folder / "assets.extra" / "model.json").read_text())
    assert about["sample_rate"] == 44100 and (about["rows"], about["coefficients"]) == (35, 11)
    speech = read_speech(SPEECH, 44100).astype(np.float32)
    made = whole(tf.saved_model.load(str(folder)).signatures, speech)
    maps = speech_maps(speech, np.arange(len(made["frames"][0])) * 1001 / 30000, config.speech.feature_settings)
    np.testing.assert_allclose(made["frames"][0].astype(int), face.faces(maps), atol=1)
    assert made["counts"][0] == round(len(speech) / 44100 * 30000 / 1001)
    around = about["context_samples"], about["look_ahead_samples"]
    stream = tf.saved_model.load(str(folder)).signatures["stream"]
    counts, frame = [], 44100 * 1001 / 30000
    for length in (int(2.4 * frame), int(2.6 * frame)):  # of which half a frame is none, and one
        heard = np.zeros((1, around[0] + length), np.float32)
        counts.append(0)
        for start in range(0, length, 500):
            piece = heard[:, start : start + sum(around) + 500]
            last = start + piece.shape[1] == heard.shape[1]
            inputs = {"lengths": np.int32([piece.shape[1]]), "start": np.int32([start]), "last": np.array([last])}
            counts[-1] += int(stream(samples=tf.constant(piece), **inputs)["counts"][0])
            if last:
                break
    assert counts == [2, 3]


def test_the_example_of_the_documentation_prints_what_it_says(exported, tmp_path, monkeypatch, capsys):
    (example,) = re.findall(r"```\n(import numpy.*?)```", (ROOT / "docs" / "serving.md").read_text(), re.S)
    (tmp_path / "served" / "face").mkdir(parents=True)
    (tmp_path / "served" / "face" / "1").symlink_to(exported)
    (tmp_path / "samples").symlink_to(SAMPLES)
    monkeypatch.chdir(tmp_path)
    exec(example, {})
    assert capsys.readouterr().out == "[74] (1, 74, 64, 64, 3)\n"  # the document's model has 128 pixels


def test_clients_of_the_documentation_get_the_frames(exported, served, samples):
    """The code in docs/serving.md, as it stands there, against the interfaces of TensorFlow Serving."""
    pytest.importorskip("tensorflow_serving")
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "serving.md").read_text(), re.S)
    over_rest, over_grpc = ({}, {})
    for block, names in zip(blocks, (over_rest, over_grpc), strict=True):
        exec(block, names)
    expected = whole(served, samples[:16000])["frames"][0]
    stand_in = Served(exported, padding=5000)
    with rest_server(stand_in) as url:
        np.testing.assert_array_equal(over_rest["talk"](samples[:16000], url), expected)
        with pytest.raises(urllib.error.HTTPError, match="400"):
            over_rest["talk"](samples[:10], url.replace("face", "nobody"))
    with grpc_server(stand_in) as address:
        np.testing.assert_array_equal(over_grpc["talk"](samples[:16000], address), expected)


def test_rows_and_columns_say_the_same(exported, samples):
    stand_in = Served(exported)
    short = samples[8000:9600].tolist()
    rows = stand_in.rest({"instances": [{"samples": short, "lengths": 1600}, {"samples": short, "lengths": 640}]})
    columns = stand_in.rest({"inputs": {"samples": [short, short], "lengths": [1600, 640]}})["outputs"]
    assert columns["counts"] == [2, 1] == [row["counts"] for row in rows["predictions"]]
    assert columns["frames"] == [row["frames"] for row in rows["predictions"]]
    assert columns["times"] == [row["times"] for row in rows["predictions"]]
    maps = np.zeros((3, 51, 13)).tolist()
    of_rows = stand_in.rest({"signature_name": "features", "instances": maps})["predictions"]
    assert of_rows == stand_in.rest({"signature_name": "features", "inputs": maps})["outputs"] and len(of_rows) == 3


def test_warm_up_requests_are_what_tensorflow_serving_reads(exported):
    pytest.importorskip("tensorflow_serving")
    from tensorflow_serving.apis import prediction_log_pb2

    path = str(exported / "assets.extra" / "tf_serving_warmup_requests")
    logs = [prediction_log_pb2.PredictionLog.FromString(r.numpy()) for r in tf.data.TFRecordDataset(path)]
    requests = [log.predict_log.request for log in logs]
    assert [r.model_spec.signature_name for r in requests] == ["serving_default", "stream", "features"]
    assert {r.model_spec.name for r in requests} == {"grid-s1-64"}
    signatures = tf.saved_model.load(str(exported)).signatures
    for request in requests:
        inputs = {name: tf.constant(tf.make_ndarray(proto)) for name, proto in request.inputs.items()}
        assert signatures[request.model_spec.signature_name](**inputs)["frames"].shape[-1] == 3
    long = prediction_log("m" * 300, "s", {"x": np.arange(100000)})
    parsed = prediction_log_pb2.PredictionLog.FromString(long).predict_log.request
    assert parsed.model_spec.name == "m" * 300 and tf.make_ndarray(parsed.inputs["x"])[-1] == 99999


def test_the_program_exports_and_refuses(tiny_model_folder, tmp_path):
    done = run_program(
        "-m", "audio2faces.export", "--model", tiny_model_folder, "--out", tmp_path / "o", "--half", "--still",
        "--litert", tmp_path / "face.tflite", cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"wrote {tmp_path / 'o' / '1'}," in done.stdout and f"wrote {tmp_path / 'face.tflite'}," in done.stdout
    assert (tmp_path / "face.tflite").read_bytes()[4:8] == b"TFL3"
    (tmp_path / "file").write_text("")
    for arguments, complaint in (
        (["--model", tiny_model_folder, "--out", tmp_path / "file"], "choose another place"),
        (["--model", tiny_model_folder], "nothing to write"),
        (["--model", tiny_model_folder, "--out", tmp_path / "p", "--model-version", "0"], "numbers from 1 on"),
    ):
        assert complaint in one_line(run_program("-m", "audio2faces.export", *arguments, cwd=ROOT))
    assert not (tmp_path / "p").exists()


def test_an_output_that_cannot_be_written_does_not_keep_the_others(tiny_model_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)  # it is not installed
    onnx, litert = tmp_path / "a" / "face.onnx", tmp_path / "b" / "face.tflite"
    asked = ["export", "--model", tiny_model_folder, "--onnx", onnx, "--litert", litert]
    monkeypatch.setattr(sys, "argv", [str(word) for word in asked])
    assert main() == 1
    told = capsys.readouterr()
    assert not onnx.exists() and litert.read_bytes()[4:8] == b"TFL3" and f"wrote {litert}," in told.out
    assert "not written: " in told.err and "face.onnx: an ONNX file needs another package: pip install" in told.err
    assert "error: 1 of 2 outputs could not be written" in told.err


@pytest.mark.parametrize("name", ["grid-s1-128", "began-grid-s1"])
def test_onnx_and_litert_give_the_faces_of_the_model(name, tmp_path, samples):
    pytest.importorskip("tf2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    model = load_model(MODELS / name)
    write_onnx(model, tmp_path / "face.onnx")
    write_litert(model, tmp_path / "face.tflite", "float16")
    maps = speech_maps(samples, np.arange(20, 26) / 25, model.config.speech.feature_settings).astype(np.float32)
    expected = model.faces(maps).astype(int)
    session = onnxruntime.InferenceSession(str(tmp_path / "face.onnx"))
    (made,) = session.run(None, {"maps": maps})
    assert made.dtype == np.uint8 and np.abs(made - expected).max() <= 1
    interpreter = litert.Interpreter(str(tmp_path / "face.tflite"), num_threads=2)
    interpreter.allocate_tensors()
    speak = interpreter.get_signature_runner("features")
    for of_frame, face in zip(maps, expected, strict=True):
        assert np.abs(speak(maps=of_frame[None])["frames"][0] - face).max() <= 1
    maps[3, 20, 0] = np.nan
    for made in (session.run(None, {"maps": maps[3:4]})[0][0], speak(maps=maps[3:4])["frames"][0]):
        assert abs(made.mean() - expected[3].mean()) < 3


WITHOUT_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = sys.modules["keras"] = sys.modules["jax"] = None  # importing them fails
from audio2faces.generate.__main__ import main
sys.exit(main())
"""


def test_a_model_for_onnx_runtime_speaks_without_tensorflow(tmp_path, samples):
    pytest.importorskip("tf2onnx")
    pytest.importorskip("onnxruntime")
    model, folder = load_model(MODELS / "grid-s1-128"), tmp_path / "face"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(InputError, match="holds something else"):
        write_onnx_model(model, tmp_path / "other")
    with pytest.raises(InputError, match="a BEGAN cannot be written"):
        write_onnx_model(load_model(MODELS / "began-grid-s1"), folder)
    with pytest.raises(InputError, match="holds something else"):
        write_onnx_model(model, MODELS / "grid-s1-64")  # nor over the networks that it comes from
    for _ in range(2):  # the second replaces the first
        write_onnx_model(model, folder)
    kept = {path.name for path in (MODELS / "grid-s1-128").iterdir()}
    assert {path.name.replace("onnx", "keras") for path in folder.iterdir()} == kept
    assert sum(path.stat().st_size for path in folder.iterdir()) < 8_000_000
    assert (folder / "README.md").read_text(encoding="utf-8").startswith("# grid-s1-128, for ONNX Runtime")
    lighter = load_model(folder)
    for options in (Options(), Options(still=True), Options(face=True, articulation=2.0)):
        pairs = zip(*(stream_faces(other, SPEECH, 25, options) for other in (lighter, model)), strict=True)
        differences = [np.abs(made.astype(int) - expected).max() for made, expected in pairs]
        assert max(differences) <= 1
    arguments = [SPEECH, "--model", folder, "--output", "talking.mp4"]
    done = run_program("-c", WITHOUT_TENSORFLOW, *arguments, cwd=tmp_path)
    assert done.returncode == 0 and "74 frames at 25/s by grid-s1-128" in done.stdout, done.stderr
    assert is_synthetic(tmp_path / "talking.mp4")
    arguments[-1] = "other.mp4"
    (folder / "refiner.onnx").write_bytes(b"damaged")
    done = run_program("-c", WITHOUT_TENSORFLOW, *arguments, cwd=tmp_path)
    assert "refiner.onnx: damaged" in one_line(done)
    refused = run_program("-m", "audio2faces.export", "--model", folder, "--out", tmp_path / "served", cwd=ROOT)
    assert "exported already" in one_line(refused)


def test_a_full_disk_is_not_blamed_on_tensorflow(tiny_model_folder, tmp_path):
    model = load_model(tiny_model_folder)
    (tmp_path / "out.tflite").write_text("the old one")
    for function, place, named in (
        (write_saved_model, "served", "served/1"),
        (write_litert, "out.tflite", "out.tflite"),
    ):
        with full_disk(), pytest.raises(OSError) as caught:
            function(model, tmp_path / place)
        assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(tmp_path / named))
    assert os.listdir(tmp_path / "served") == [] and (tmp_path / "out.tflite").read_text() == "the old one"
