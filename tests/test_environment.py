"""What surrounds a program: the user's Keras settings, a notebook's variables, closed streams, narrow encodings."""

import importlib
import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from audio2faces.trained.face import load_model
from runtime.backend import check_backend
from runtime.errors import InputError

from .conftest import ROOT, one_line, run_program
from .test_packaging import PROJECT
from .test_report import clip_with_track, dataset_of

AS_A_LIBRARY = """
import sys
import numpy as np
from audio2faces.trained.face import load_model
import keras
model = load_model(sys.argv[1])
maps = np.zeros((3, *model.config.speech.map_shape))
settings = [keras.backend.backend(), keras.config.floatx(), keras.config.image_data_format(), keras.config.epsilon()]
np.savez(sys.argv[2], faces=model.faces(maps), settings=settings)
"""
KERAS_SETTINGS = {"backend": "torch", "image_data_format": "channels_first", "floatx": "float16", "epsilon": 0.1}


def test_keras_json_changes_nothing(tiny_model_folder, tmp_path):
    (tmp_path / "keras.json").write_text(json.dumps(KERAS_SETTINGS))
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    done = subprocess.run(
        [sys.executable, "-c", AS_A_LIBRARY, tiny_model_folder, tmp_path / "made.npz"],
        env=environment | {"PYTHONPATH": str(ROOT), "KERAS_HOME": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = np.load(tmp_path / "made.npz")
    assert made["settings"].tolist() == ["tensorflow", "float32", "channels_last", "1e-07"]
    model = load_model(tiny_model_folder)
    maps = np.zeros((3, *model.config.speech.map_shape))
    np.testing.assert_array_equal(made["faces"], model.faces(maps))


def test_another_backend_of_keras_gets_a_line_before_anything_is_done(tmp_path, monkeypatch):
    done = run_program(
        "generate.py",
        "samples/speech.wav",
        "--engine",
        "keras",
        "--output",
        tmp_path / "x.mp4",
        env={"KERAS_BACKEND": "torch"},
    )
    assert one_line(done) == "error: KERAS_BACKEND=torch: the networks run on tensorflow or jax; unset KERAS_BACKEND"
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="JAX is not installed; pip install jax"):
        check_backend()
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    with pytest.raises(InputError, match="needs TensorFlow, which is not installed; pip install -r"):
        check_backend()


def test_a_package_that_only_training_needs_may_be_missing(tmp_path):
    dataset_of(tmp_path, [clip_with_track(tmp_path, name, "train") for name in "ab"])
    without = "import sys; sys.modules['matplotlib'] = None; from preprocessing.__main__ import main; sys.exit(main())"
    done = run_program("-c", without, "--report", tmp_path)
    assert one_line(done).startswith("error: matplotlib is not installed; pip install -r requirements.txt")


def test_a_notebook_s_backend_closed_streams_and_narrow_encodings_do_no_harm(tmp_path):
    folder = tmp_path / "ünïcödé"
    folder.mkdir()
    dataset_of(folder, [clip_with_track(folder, name, "train") for name in "ab"])
    around = {"MPLBACKEND": "no.such.backend", "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    for closed in ("2>&-", "0<&- 1>&- 2>&-"):
        command = f"exec '{sys.executable}' -m preprocessing --report '{folder}' {closed}"
        done = subprocess.run(command, shell=True, env=os.environ | around, capture_output=True, text=True)
        assert done.returncode == 0, done
        assert ("\\xfcn\\xefc\\xf6d\\xe9" in done.stdout) == ("1>&-" not in closed)
        (folder / "report.png").unlink()


def test_every_program_tells_its_version(monkeypatch, capsys):
    modules = [target.split(":")[0] for target in PROJECT["scripts"].values()]
    others = [
        "began.evaluate",
        "preprocessing.flip.__main__",
        "preprocessing.compare_detectors.__main__",
        "notebooks.render",
    ]
    monkeypatch.setattr(sys, "argv", ["program", "--version"])
    for module in modules + others:
        with pytest.raises(SystemExit) as ended:
            importlib.import_module(module).main()
        assert ended.value.code == 0 and capsys.readouterr().out == "Audio2Faces 0.1.0\n", module
