"""What two programs that write to one place do, and what a second run makes of the first one's results."""

import os
import shutil
import sys
from argparse import Namespace

import numpy as np
import pytest

from audio2faces.generate import __main__ as generate
from audio2faces.generate.video import Options
from experiments import ablation
from media.writing import TalkingVideo, is_synthetic, write_wav
from preprocessing.dataset import own_dataset
from runtime.errors import InputError
from runtime.files import claimed, exclusive, write_json

from .conftest import ROOT, SAMPLES, one_line, run_program

WITHOUT_KERAS = """
import importlib, sys
sys.modules["keras"] = sys.modules["tensorflow"] = None
module = sys.argv.pop(1)
sys.exit(importlib.import_module(module).main())
"""


@pytest.fixture
def make(tiny_model_folder, tmp_path, monkeypatch, capsys):
    """Runs generate.py with the tiny model in the temporary folder: (status, what it printed)."""

    def run(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["generate.py", *map(str, arguments), "--model", str(tiny_model_folder)])
        status = generate.main()
        told = capsys.readouterr()
        return status, told.out + told.err

    return run


def sounds(folder, *names):
    folder.mkdir()
    for name in names:
        write_wav(folder / name, np.zeros(3200), 16000)
    return folder


@pytest.mark.parametrize(
    "module, output, arguments",
    [
        ("audio2faces.generate.__main__", "x.mp4", [SAMPLES / "speech.wav", "--output"]),
        ("audio2faces.generate.__main__", "frames", [SAMPLES / "speech.wav", "--output", "other.mp4", "--frames"]),
        ("audio2faces.evaluate.__main__", "x.json", ["--data", "DATASET", "--json"]),
        ("audio2faces.evaluate.__main__", "x.mp4", ["--data", "DATASET", "--video"]),
        ("began.evaluate", "x.json", ["--data", "DATASET", "--model", "any", "--json"]),
        ("audio2faces.export.__main__", "x.onnx", ["--onnx"]),
    ],
)
def test_an_output_that_another_process_makes_is_refused_at_once(module, output, arguments, tiny_dataset, tmp_path):
    arguments = [tiny_dataset.folder if argument == "DATASET" else argument for argument in arguments]
    with claimed(tmp_path / output):
        error = one_line(run_program("-c", WITHOUT_KERAS, module, *arguments, tmp_path / output, cwd=tmp_path))
    assert f"{output}: another process is making it; wait for it to end" in error
    assert os.listdir(tmp_path) == []


def test_several_processes_make_the_videos_of_a_folder(tiny_model_folder, tmp_path):
    folder = sounds(tmp_path / "wavs", "a.wav", "b.wav", "c.wav")
    (folder / "d.wav").write_text("no sound")
    command = [ROOT / "generate.py", "wavs", "--output", "videos", "--model", tiny_model_folder, "--workers", "2"]
    done = run_program(*command, cwd=tmp_path)
    assert done.returncode == 1 and sorted(os.listdir(tmp_path / "videos")) == ["a.mp4", "b.mp4", "c.mp4"]
    assert sorted(line.split(":")[0] for line in done.stdout.splitlines()) == [f"wrote videos/{x}.mp4" for x in "abc"]
    assert "skipped: wavs/d.wav" in done.stderr and done.stderr.count("note: wavs/") == 3
    assert done.stderr.splitlines()[-1] == "error: 1 of 4 sound files gave no video; they are named above"


def test_two_that_make_a_folder_of_videos_share_the_work(make, tmp_path):
    sounds(tmp_path / "wavs", "a.wav", "b.wav")
    (tmp_path / "videos").mkdir()
    with claimed(tmp_path / "videos" / "a.mp4"):
        status, told = make("wavs", "--output", "videos")
    assert status == 0 and "1 of 2 videos were left to another process, which was making them" in told
    assert os.listdir(tmp_path / "videos") == ["b.mp4"]


def test_videos_are_not_made_of_videos_that_were_made(make, tmp_path):
    sounds(tmp_path / "wavs", "a.wav", "b.wav")
    shutil.copy(SAMPLES / "bgbu4p.mpg", tmp_path / "wavs" / "c.mpg")  # a recording
    assert make("wavs", "--output", "wavs")[0] == 0
    there = sorted(os.listdir(tmp_path / "wavs"))
    assert there == ["a.mp4", "a.wav", "b.mp4", "b.wav", "c.mp4", "c.mpg"]
    status, told = make("wavs", "--output", "wavs")
    assert status == 0 and sorted(os.listdir(tmp_path / "wavs")) == there
    assert "note: 3 of 6 files in wavs are generated videos; skipped" in told
    assert "3 of 3 videos were there already" in told


def test_options_that_make_no_video_are_refused():
    for wrong, reason in (({"frame_rate": 0}, "frame_rate 0: give 1 to 120"), ({"smooth": -1.0}, "smooth -1: give")):
        with pytest.raises(InputError, match=reason):
            Options(**wrong)


def test_a_video_of_an_unknown_kind_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"x\.avi: give the video a name that ends in \.mp4 or \.webm"):
        TalkingVideo(tmp_path / "x.avi", 64, 25.0, "")


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_the_mark_of_a_synthetic_video_is_found(suffix, tmp_path):
    for comment, expected in (("This face was generated from speech by Audio2Faces.", True), ("Holidays", False)):
        with TalkingVideo(tmp_path / f"x{suffix}", 64, 25.0, comment) as video:
            video.write_faces(np.zeros((2, 64, 64, 3), np.uint8))
            video.write_sound(np.zeros(4410, np.float32))
        assert is_synthetic(tmp_path / f"x{suffix}") is expected
    (tmp_path / f"x{suffix}").write_text("no video")
    assert not is_synthetic(tmp_path / f"x{suffix}")


def test_folders_of_results_are_written_by_one_process(tiny_model_folder, tiny_dataset, tmp_path):
    with own_dataset(tiny_dataset.folder):
        error = one_line(run_program("-m", "preprocessing.flip", tiny_dataset.folder, "--apply"))
    assert "another process is preparing this dataset" in error
    arguments = ("--data", tiny_dataset.folder)
    with exclusive(tmp_path, ""):
        for module, option in (("experiments.ablation", "--out"), ("experiments.collapse", "--runs")):
            error = one_line(run_program("-c", WITHOUT_KERAS, module, *arguments, option, tmp_path, cwd=ROOT))
            assert "another process is at work there" in error


def test_ablation_rows_of_another_training_are_refused(tiny_dataset, tmp_path):
    trained = {"steps": 4, "data": tiny_dataset.fingerprint}
    write_json(tmp_path / "default" / "validation.json", trained | {"methods": {}})
    arguments = Namespace(model=None, late=False, steps=8, split="validation")
    with pytest.raises(InputError, match=r"steps 4, now 8\); choose another --out"):
        ablation.measure(arguments, tiny_dataset, tmp_path, ["default"], ablation.REGRESSORS)


def test_late_rows_start_from_the_refiner_of_a_model(tiny_model_folder, tiny_dataset, tmp_path, capsys):
    from audio2faces.trained.face import load_model

    arguments = Namespace(model=tiny_model_folder, late=True, steps=2, split="validation")
    ablation.measure(arguments, tiny_dataset, tmp_path, ["no adversary"], ablation.LATE)
    assert "| no adversary  " in capsys.readouterr().out
    before, after = (
        load_model(folder).refiner.get_weights() for folder in (tiny_model_folder, tmp_path / "no-adversary" / "model")
    )
    moved = max(np.abs(one - other).max() for one, other in zip(before, after, strict=True))
    assert 0 < moved <= 2.5 * ablation.LATE_RATE  # two steps of Adam, no more
