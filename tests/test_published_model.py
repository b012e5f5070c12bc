"""What a newcomer gets on a fresh checkout: training on the samples as written, and the model in models/."""

import json
import os

import numpy as np
import pytest

from audio2faces.evaluate.evaluation import evaluate
from audio2faces.generate.video import Options, generate_video, stream_faces
from audio2faces.published import DEFAULT_MODEL, onnx_copy, published_models
from audio2faces.trained.face import load_model
from began.validation import evaluate as measure_generators
from preprocessing.dataset import open_dataset
from preprocessing.faces.alignment import mouth_slices
from training.frames import FrameStore, clip_maps

from .conftest import ROOT, SAMPLES, run_program

FACES = {size: ROOT / "models" / f"grid-s1-{size}" for size in (64, 128)}
BEGAN = ROOT / "models" / "began-grid-s1"


@pytest.fixture(scope="module")
def sample_dataset(tmp_path_factory):
    """The dataset that train.py makes of samples/ when it is given no other."""
    run = tmp_path_factory.mktemp("runs") / "run"
    done = run_program("train.py", "--mode", "audio2faces", "--steps", "2", "--run", run)
    assert done.returncode == 0, done.stderr
    assert f"wrote {run}/model;" in done.stdout and (run / "model" / "regressor.keras").exists()
    return open_dataset(ROOT / "data" / "samples")


@pytest.fixture(scope="module")
def larger_dataset(tmp_path_factory):
    """The same with faces of 128 pixels."""
    out = tmp_path_factory.mktemp("larger") / "samples"
    done = run_program(
        "-m", "preprocessing", SAMPLES, "--out", out, "--size", "128", "--splits", SAMPLES / "splits", cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return open_dataset(out)


def test_training_without_data_prepares_the_samples(sample_dataset):
    assert [len(sample_dataset.split(name)) for name in ("train", "validation", "test")] == [9, 1, 2]
    assert all(entry["frames_kept"] == 75 for entry in sample_dataset.manifest["clips"])


def test_the_painted_mouth_is_the_same_in_any_light(larger_dataset):
    model, clip = load_model(FACES[128]), larger_dataset.split("test")[0]
    faces = clip.faces[::10]
    motion = model.motion(clip_maps(clip, model.config.speech.feature_settings)[::10])
    plain = model.render(motion, reference=faces[0], frames=faces)
    mouth = (slice(None), *mouth_slices(128))
    moved = np.abs(plain - faces.astype(float))[mouth].mean()
    for tint in ((0.6, 0.5, 0.7), (1.1, 1.2, 0.9)):

        def lit(images, tint=tint):
            return np.clip(np.rint(images * np.array(tint)), 0, 255).astype(np.uint8)

        relit = model.render(motion, reference=lit(faces[0]), frames=lit(faces))
        difference = np.abs(relit / np.array(tint) - plain)[mouth].mean()
        assert difference < moved, (tint, difference, moved)


@pytest.mark.parametrize("size", FACES)
def test_the_published_models_move_the_mouth_as_the_speaker_does(size, request):
    dataset = request.getfixturevalue("sample_dataset" if size == 64 else "larger_dataset")
    report, _ = evaluate([load_model(FACES[size])], FrameStore(dataset), "test")
    methods = report["methods"]
    ours = methods["model, refined, in the model's footage"]  # what generate.py shows
    assert ours["correlation"] >= 0.85 and ours["explained_variance"] >= 0.5 and ours["best_lag"] == 0
    assert ours["opening_correlation"] >= 0.8 and 0.75 < ours["amplitude"] < 1.15
    assert ours["correlation"] > methods["nearest audio"]["correlation"]
    own = methods["model, refined, in the clip's own frames"]
    assert own["correlation"] >= 0.9 and 0.85 < own["amplitude"] < 1.15
    assert own["mouth_psnr"] > methods["first frame held"]["mouth_psnr"] + 1
    assert own["mouth_sharpness"] == pytest.approx(1, abs=0.15) and own["seam"] == pytest.approx(1, abs=0.05)
    assert own["flicker"] == pytest.approx(1, abs=0.05)


def test_the_copy_for_onnx_runtime_makes_the_same_faces():
    model, copy = load_model(DEFAULT_MODEL), load_model(onnx_copy(DEFAULT_MODEL))
    for options in (Options(), Options(face=True, articulation=2.0)):
        pairs = zip(*(stream_faces(face, SAMPLES / "speech.wav", 25, options) for face in (copy, model)), strict=True)
        assert max(np.abs(made.astype(int) - expected).max() for made, expected in pairs) <= 1
    assert DEFAULT_MODEL.name in published_models() and onnx_copy(DEFAULT_MODEL).name not in published_models()


def test_the_published_began_follows_speech_and_varies(sample_dataset):
    methods = measure_generators([load_model(BEGAN)], sample_dataset, "test", samples=150)["methods"]
    ours = methods["began-grid-s1"]
    assert ours["diversity"] >= 0.85 and ours["mouth_diversity"] >= 0.8 and ours["sharpness"] >= 0.8
    assert ours["correlation"] >= 0.7 and ours["mouth_swap"] > 0.4
    assert methods["mean face"]["diversity"] < 1e-3 and methods["mean face"]["duplicates"] == 1


@pytest.mark.parametrize(("model", "mode"), [*((folder, "audio2faces") for folder in FACES.values()), (BEGAN, "began")])
def test_the_published_models_are_small_and_have_a_card(model, mode):
    assert sum(path.stat().st_size for path in model.iterdir()) <= 12e6
    card = (model / "README.md").read_text(encoding="utf-8")
    for word in ("CC BY 4.0", f"train.py --mode {mode}", "seed", "s1_test", "consent"):
        assert word in card
    assert json.loads((model / "config.json").read_text())["name"] == model.name


def test_generate_uses_it_by_default(tmp_path):
    done = run_program(ROOT / "generate.py", SAMPLES / "speech.wav", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "wrote talking.mp4: 74 frames at 25/s by grid-s1-128" in done.stdout
    assert os.listdir(tmp_path) == ["talking.mp4"]


@pytest.mark.corpus
@pytest.mark.parametrize("speaker", ["s2", "s4", "s26", "s31"])
def test_other_voices_can_drive_it(speaker, tmp_path):
    folder = os.path.join(os.environ["GRID_CLIPS"], speaker)
    clip = os.path.join(folder, sorted(os.listdir(folder))[0])
    assert generate_video(load_model(DEFAULT_MODEL), clip, tmp_path / "out.mp4")[0] in (74, 75)
