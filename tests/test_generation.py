import argparse
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from audio2faces.evaluate.comparison_video import write_comparison
from audio2faces.evaluate.evaluation import evaluate, format_table
from audio2faces.generate.__main__ import model_for_engine
from audio2faces.generate.video import Options, generate_video
from audio2faces.published import DEFAULT_MODEL, onnx_copy, runnable
from audio2faces.trained.face import load_model
from media.pictures import read_picture
from media.reading import read_speech, video_info
from media.writing import FORMATS, TalkingVideo, write_wav
from preprocessing.speech.audio_features import speech_maps
from runtime.errors import InputError
from training.frames import FrameStore, clip_maps

from .conftest import ROOT, SAMPLES, one_line, run_program
from .media_files import frames_of, tone, write_sound

STILL = Options(still=True)


@pytest.fixture(scope="module")
def model(tiny_model_folder):
    return load_model(tiny_model_folder)


def lengths(path):
    """Seconds of picture and of sound."""
    with av.open(str(path)) as container:
        return [float(s.duration * s.time_base) for s in (container.streams.video[0], container.streams.audio[0])]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_flash_and_a_click_written_together_stay_together(suffix, tmp_path):
    path = tmp_path / f"sync{suffix}"
    faces = np.zeros((50, 64, 64, 3), np.uint8)
    faces[31] = 255
    click = np.zeros(2 * 44100, np.float32)
    click[round(31 / 25 * 44100)] = 1.0
    with TalkingVideo(path, 64, 25, "a comment") as video:
        for first in range(0, 50, 10):
            video.write_faces(faces[first : first + 10])
            video.write_sound(click[first * 1764 : (first + 10) * 1764])
    brightness = [image.mean() for image in frames_of(path)]
    heard = np.argmax(np.abs(read_speech(path, 44100, start=video_info(path).start))) / 44100
    assert np.argmax(brightness) == 31
    assert abs(heard - 31 / 25) < 0.005


def test_short_speech_is_spoken_by_onnx_runtime(tmp_path, tiny_model_folder, monkeypatch):
    write_wav(tmp_path / "long.wav", np.zeros(61 * 8000), 8000)
    asked = {"model": DEFAULT_MODEL, "engine": None, "source": None, "speech": SAMPLES / "speech.wav"}

    def chosen(**options):
        return model_for_engine(argparse.Namespace(**asked | options))

    copy = onnx_copy(DEFAULT_MODEL)
    assert chosen() == chosen(engine="onnx", source="x.mp4") == chosen(model=copy) == copy
    for options in ({"engine": "keras"}, {"source": "x.mp4"}, {"speech": SAMPLES}, {"speech": tmp_path / "long.wav"}):
        assert chosen(**options) == DEFAULT_MODEL
    assert chosen(model=Path(os.path.relpath(DEFAULT_MODEL))) == copy
    assert chosen(model=tiny_model_folder) == tiny_model_folder
    with pytest.raises(InputError, match=r"has no ONNX files; .* --onnx-model writes them"):
        chosen(model=tiny_model_folder, engine="onnx")
    with pytest.raises(InputError, match="its networks are ONNX files"):
        chosen(model=copy, engine="keras")
    monkeypatch.setattr("audio2faces.generate.__main__.keras_installed", lambda: False)
    monkeypatch.setattr("audio2faces.published.keras_installed", lambda: False)
    assert chosen(speech=tmp_path / "long.wav") == runnable(DEFAULT_MODEL) == copy
    assert chosen(model=tiny_model_folder) == runnable(tiny_model_folder) == tiny_model_folder


def test_the_video_speaks_the_speech(model, tmp_path):
    output = tmp_path / "talking.mp4"
    frames, _ = generate_video(model, SAMPLES / "speech.wav", output, tmp_path / "frames", STILL)
    speech = read_speech(SAMPLES / "speech.wav")
    assert frames == round(len(speech) / 16000 * 25) == len(frames_of(output)) == len(os.listdir(tmp_path / "frames"))
    with av.open(str(output)) as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        assert (picture.codec_context.name, sound.codec_context.name) == ("h264", "aac")
        assert min(picture.width, picture.height) >= 256 and picture.pix_fmt == "yuv420p"
        assert picture.average_rate == 25
        assert "ynthetic" in container.metadata["comment"] and "model tiny" in container.metadata["comment"]
    for seconds in lengths(output):
        assert abs(seconds - len(speech) / 16000) <= 1 / 25
    again = read_speech(output, start=video_info(output).start)
    offsets = range(-800, 801, 10)
    likeness = [np.dot(again[8000 + o : 24000 + o], speech[8000:24000]) for o in offsets]
    assert abs(offsets[int(np.argmax(likeness))]) / 16000 < 0.02  # half a frame

    expected = model.faces(speech_maps(speech, np.arange(frames) / 25, model.config.speech.feature_settings))
    for index in (0, 40, frames - 1):
        np.testing.assert_array_equal(read_picture(tmp_path / "frames" / f"frame-{index:06d}.png"), expected[index])
    shown = frames_of(output)[40].reshape(16, 16, 16, 16, 3)[4:12, :, 4:12].mean(axis=(1, 3))
    assert np.abs(shown - expected[40][4:12, 4:12]).mean() < 10  # the encoder leaves the picture as it is


@pytest.mark.parametrize(
    ("sample_rate", "layout", "channels", "codec", "suffix", "seconds"),
    [
        (8000, "mono", 1, "pcm_s16le", "wav", 1.0),
        (48000, "stereo", 2, "flac", "flac", 1.33),
        (48000, "5.1", 6, "aac", "m4a", 1.0),
        (44100, "mono", 1, "libmp3lame", "mp3", 0.7),
        (16000, "mono", 1, "pcm_s16le", "wav", 0.02),
    ],
)
def test_any_sound_gives_a_video_of_its_length(model, tmp_path, sample_rate, layout, channels, codec, suffix, seconds):
    path = tmp_path / f"sound.{suffix}"
    write_sound(path, np.tile(tone(seconds, sample_rate), (channels, 1)), sample_rate, layout, codec)
    frames, _ = generate_video(model, path, tmp_path / "out.mp4")
    padding = 2048 / sample_rate if codec in ("aac", "libmp3lame") else 0  # such codecs fill their last frame
    assert max(1, round(seconds * 25)) <= frames <= max(1, round((seconds + padding) * 25))
    assert abs(lengths(tmp_path / "out.mp4")[1] - frames / 25) <= 1 / 25


def test_silence_is_not_an_error(model, tmp_path):
    write_wav(tmp_path / "silence.wav", np.zeros(16000), 16000)
    assert generate_video(model, tmp_path / "silence.wav", tmp_path / "out.mp4", tmp_path / "frames", STILL)[0] == 25
    middle = [read_picture(tmp_path / "frames" / f"frame-{index:06d}.png") for index in (10, 15)]
    np.testing.assert_array_equal(*middle)


def test_the_same_speech_gives_the_same_file(model, tmp_path):
    for name in ("a.mp4", "b.mp4"):
        generate_video(model, SAMPLES / "speech.wav", tmp_path / name)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_bad_input_is_one_line_and_leaves_nothing(tiny_model_folder, tmp_path):
    text = tmp_path / "text.wav"
    text.write_text("no sound\n")
    there = tmp_path / "there.mp4"
    there.write_text("precious")
    folder = tmp_path / "folder.mp4"
    folder.mkdir()
    speech, model = SAMPLES / "speech.wav", ("--model", tiny_model_folder)
    cases = [
        ((tmp_path / "none.wav", *model), "none.wav: no such file"),
        ((text, *model), "text.wav: cannot be read as audio or video"),
        ((speech, *model, "--output", there), "--overwrite to replace it"),
        ((speech, *model, "--output", tmp_path / "x.avi"), "ends in .mp4"),
        ((speech, *model, "--output", text / "x.mp4"), "text.wav: this is a file, not a folder; choose another place"),
        ((speech, *model, "--output", folder, "--overwrite"), "folder.mp4: this is a folder; give the name of a file"),
        (
            (speech, *model, "--output", tmp_path / "x.mp4", "--frames", text / "a" / "b"),
            "this is a file, not a folder",
        ),
        ((speech, *model, "--output", tmp_path / "x.mp4", "--frames", tmp_path), "the name of a new folder"),
        (
            (speech, "--model", tmp_path / "no-model", "--output", tmp_path / "x.mp4"),
            "published model: grid-s1-128, grid-s1-64, began-grid-s1",
        ),
    ]
    before = sorted(os.listdir(tmp_path))
    for arguments, expected in cases:
        assert expected in one_line(run_program(ROOT / "generate.py", *arguments, cwd=tmp_path))
    assert sorted(os.listdir(tmp_path)) == before and there.read_text() == "precious"


def test_a_full_disk_is_one_line_and_leaves_the_old_video(tiny_model_folder, tmp_path):
    old = tmp_path / "talking.mp4"
    old.write_text("the old one")

    def small_files():  # writes beyond this fail, as they do on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    write_wav(tmp_path / "noise.wav", np.random.default_rng(0).normal(0, 0.2, 80000), 16000)
    process = run_program(
        ROOT / "generate.py", tmp_path / "noise.wav", "--model", tiny_model_folder, "--overwrite",
        cwd=tmp_path, preexec_fn=small_files,
    )  # fmt: skip
    assert one_line(process).startswith("error: talking.mp4: File too large; ")
    assert old.read_text() == "the old one" and sorted(os.listdir(tmp_path)) == ["noise.wav", "talking.mp4"]


def test_a_folder_that_cannot_be_written_is_named_before_the_work(model, tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(InputError, match="this folder cannot be written; choose another place"):
        generate_video(model, SAMPLES / "speech.wav", tmp_path / "out.mp4")
    assert os.listdir(tmp_path) == []


def test_ctrl_c_leaves_no_half_video(tiny_model_folder, tmp_path):
    write_wav(tmp_path / "long.wav", np.random.default_rng(0).normal(0, 0.2, 16000 * 300), 16000)
    command = [sys.executable, str(ROOT / "generate.py"), "long.wav", "--model", str(tiny_model_folder)]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not any(path.stat().st_size for path in tmp_path.glob(".partial-*/talking.mp4")):
        os.sched_yield()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130 and "Traceback" not in errors
    assert os.listdir(tmp_path) == ["long.wav"]


def test_evaluation_sets_the_model_beside_its_baselines(model, tiny_dataset):
    report, faces = evaluate([model], FrameStore(tiny_dataset), "test")
    methods = report["methods"]
    assert (report["clips"], report["frames"], report["training_clips"]) == (2, 40, 5)
    assert list(methods) == [
        "mean face", "first frame held", "nearest audio", "nearest audio, in the clip's own frames",
        "model, regressor alone", "model, regressor alone, on the mean face",
        "model, regressor alone, on the clip's first frame", "model, refined",
        "model, refined, on the clip's first frame", "model, refined, in the clip's own frames",
        "model, refined, in another clip's frames",
    ]  # fmt: skip
    assert methods["mean face"]["correlation"] == 0 and methods["mean face"]["best_lag"] is None
    assert methods["mean face"]["flicker"] is None  # drawn clips stand perfectly still
    assert methods["nearest audio"]["correlation"] > 0.1  # loudness alone moves these drawn mouths
    assert methods["nearest audio"]["sharpness"] > 0.8
    json.dumps(report)
    assert list(faces) == ["real", *methods] and {of[1].shape for of in faces.values()} == {(20, 16, 16, 3)}
    table = format_table(report).splitlines()
    assert len(table) == 13 and len({len(line) for line in table}) == 1


def test_an_evaluation_shows_the_faces_that_the_model_draws(model, tiny_dataset):
    clips = tiny_dataset.split("test")
    maps = [clip_maps(clip, model.config.speech.feature_settings) for clip in clips]
    predicted = [model.predict_motion(of_clip) for of_clip in maps]
    first = [model.relative_motion(of_clip, still=of_clip[0]) for of_clip in predicted]
    _, faces = evaluate([model], FrameStore(tiny_dataset), "test")
    for clip, of_clip, motion, *made in zip(
        clips, maps, first, faces["model, refined"], faces["model, refined, on the clip's first frame"], strict=True
    ):
        np.testing.assert_array_equal(made[0], model.faces(of_clip))
        np.testing.assert_array_equal(made[1], model.render(motion, reference=clip.faces[0]))


def test_real_clips_score_perfectly_against_themselves(tiny_dataset):
    from audio2faces.evaluate.evaluation import measure
    from measures.mouth import MouthComponents

    real = [np.asarray(clip.faces) for clip in tiny_dataset.split("test")]
    values = measure(real, real, MouthComponents.fit(tiny_dataset.split("train")))
    for name in ("ssim", "correlation", "amplitude", "explained_variance", "sharpness"):
        assert values[name] == pytest.approx(1, abs=1e-5)
    assert values["psnr"] == values["mouth_psnr"] == 100 and values["best_lag"] == 0


def test_the_evaluation_refuses_a_strip_that_is_not_png(tiny_dataset, tiny_model_folder):
    arguments = ("--model", tiny_model_folder, "--data", tiny_dataset.folder, "--strip", "strip.foo")
    assert "ends in .png" in one_line(run_program("-m", "audio2faces.evaluate", *arguments))
    refused = run_program("-m", "audio2faces.evaluate", *arguments[:4], "--words", tiny_dataset.folder)
    assert "clip6.align: no such file; --words takes a folder" in one_line(refused)


def test_the_evaluation_program_prints_and_writes(tiny_dataset, tiny_model_folder, tmp_path):
    for clip in tiny_dataset.split("test"):
        (tmp_path / f"{clip.name}.align").write_text("0 5000 at\n5000 15000 by\n")
    done = run_program(
        "-m", "audio2faces.evaluate", "--model", tiny_model_folder, "--data", tiny_dataset.folder, "--words", tmp_path,
        "--json", tmp_path / "e.json", "--strip", tmp_path / "e.png", "--video", tmp_path / "e.mp4",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "| mean face " in done.stdout and "2 b, p and m within speech, 4 open vowels" in done.stdout
    report = json.loads((tmp_path / "e.json").read_text())
    assert report["model"] == "tiny" and report["sounds"]["methods"]["real"]["vowel_opening"] == pytest.approx(1)
    assert read_picture(tmp_path / "e.png").ndim == 3
    shown = frames_of(tmp_path / "e.mp4")
    assert len(shown) == 21 + 17  # the first clip with its dropped frame; 20 frames at 29.97/s
    assert shown[0].shape == (256, 3 * 256 + 2 * 16, 3)
    assert shown[0][:, 258:270].min() > 225  # white between them
    real = tiny_dataset.split("test")[0].faces[0].repeat(16, axis=0).repeat(16, axis=1)
    assert np.abs(shown[0][20:150, 20:230].astype(int) - real[20:150, 20:230]).mean() < 5
    assert "generated from speech by Audio2Faces, tiny" in av.open(str(tmp_path / "e.mp4")).metadata["comment"]


def test_a_moving_picture_of_methods_side_by_side(tiny_dataset, tiny_model_folder, tmp_path):
    clips = tiny_dataset.split("test")
    real = [np.asarray(clip.faces) for clip in clips]
    faces = {"real": real, "tiny, regressor alone": real, "tiny, refined": [255 - of_clip for of_clip in real]}
    write_comparison(tmp_path / "e.webp", load_model(tiny_model_folder), clips, faces)
    with Image.open(tmp_path / "e.webp") as picture:
        assert picture.size == (3 * 256 + 2 * 16, 256) and 7 < picture.n_frames <= 20  # equal ones are one
        assert b"generated from speech by Audio2Faces, tiny" in picture.info["xmp"]
        shown = np.asarray(picture.convert("RGB")).astype(int)
    assert np.abs(shown[60:90, 60:90] - real[0][0, 4, 4]).mean() < 6
    assert np.abs(shown[60:90, 2 * 272 + 60 : 2 * 272 + 90] + real[0][0, 4, 4].astype(int) - 255).mean() < 6


@pytest.mark.slow
def test_two_real_clips_go_all_the_way(tmp_path):
    """Prepare, train, generate and evaluate, each by its own command, as the README has it."""
    for split, name in (("train", "sgac2n"), ("validation", "lbwk9s"), ("test", "bgbu4p")):
        (tmp_path / f"{split}.txt").write_text(name + "\n")
    steps = [
        ("-m", "preprocessing", SAMPLES / "sgac2n.mkv", SAMPLES / "lbwk9s.mpg", SAMPLES / "bgbu4p.mpg",
         "--out", tmp_path / "data", "--splits", tmp_path),
        ("train.py", "--mode", "audio2faces", "--data", tmp_path / "data", "--run", tmp_path / "run",
         "--steps", "30", "--batch-size", "16"),
        ("generate.py", SAMPLES / "speech.wav", "--model", tmp_path / "run" / "model",
         "--output", tmp_path / "talking.mp4", "--frames", tmp_path / "frames"),
        ("-m", "audio2faces.evaluate", "--model", tmp_path / "run" / "model", "--data", tmp_path / "data"),
    ]  # fmt: skip
    for arguments in steps:
        done = run_program(*arguments)
        assert done.returncode == 0, done.stderr
    assert len(os.listdir(tmp_path / "frames")) == 74
    faces = np.stack([read_picture(path) for path in sorted((tmp_path / "frames").iterdir())]).astype(float)
    moving = faces.std(axis=0).mean(axis=-1)
    assert moving[44:56, 24:40].mean() > 1.5  # grey levels: the mouth moves
