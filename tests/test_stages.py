"""A run of two stages: what is done, goes on, begins anew or is refused."""

import json
import shutil

import pytest

from audio2faces.config import SystemConfig
from audio2faces.stages import plan_stages
from audio2faces.train_system import train_system
from began.config import BeganConfig
from began.training import train_began
from began.vae.config import VaeConfig
from began.vae.training import train_vae
from runtime.errors import InputError
from runtime.files import write_json
from training.run_folder import own_run

from .conftest import TINY_TRAINING, one_line, run_program


@pytest.fixture
def run(tiny_model_folder, tmp_path):
    return shutil.copytree(tiny_model_folder.parent, tmp_path / "run")


@pytest.fixture
def interrupted(run):
    (run / "refiner" / "done.json").unlink()
    return run


def test_an_interrupted_refiner_begins_anew_with_other_settings(interrupted, tiny_dataset, tiny_system, capsys):
    other = tiny_system.with_settings(["refiner"], training={"steps": 1})
    with pytest.raises(InputError, match=r"steps 8, now 1\).*--stage refiner to start this stage over"):
        train_system(other, tiny_dataset, interrupted)
    train_system(other, tiny_dataset, interrupted, stage="refiner")
    assert capsys.readouterr().err.splitlines()[:2] == [
        "regressor: done, 8 steps",
        "refiner: starts over (steps 8, now 1); the old one is set aside in refiner-1",
    ]
    assert json.loads((interrupted / "refiner" / "done.json").read_text()) == {"steps": 1}
    assert (interrupted / "refiner-1" / "checkpoint.weights.h5").exists()


def test_an_interrupted_stage_goes_on_with_the_same_settings(interrupted, tiny_dataset, tiny_system):
    for stage in (None, "refiner"):
        plan = plan_stages(tiny_system, tiny_dataset, interrupted, stage)
        assert plan.lines == ("regressor: done, 8 steps", "refiner: resumes from its last checkpoint")
        assert not plan.anew
    (interrupted / "regressor" / "done.json").unlink()
    plan = plan_stages(tiny_system, tiny_dataset, interrupted, "regressor")
    assert plan.lines == ("regressor: resumes from its last checkpoint",) and not plan.anew


@pytest.mark.parametrize("stage", ["regressor", "refiner"])
def test_a_stage_that_was_done_begins_anew(stage, run, tiny_dataset, tiny_system):
    plan = plan_stages(tiny_system, tiny_dataset, run, stage)
    expected = f"{stage}: starts over (it was done, 8 steps); the old one is set aside in {stage}-1"
    assert plan.lines[-1] == expected and plan.anew == (stage,)


def test_a_refiner_is_trained_for_the_run_s_own_regressor(run, tiny_dataset, tiny_system):
    other = tiny_system.with_settings(["regressor"], speech={"dropout": 0.5})
    assert plan_stages(other, tiny_dataset, run, "refiner").config.regressor == tiny_system.regressor
    with pytest.raises(InputError, match=r"speech.dropout 0.2, now 0.5\).*--stage regressor to start this stage over"):
        plan_stages(other, tiny_dataset, run)
    done = run / "regressor" / "done.json"
    done.write_text(json.dumps({"steps": 8, "weights": "of another"}))
    with pytest.raises(InputError, match="trained on another regressor; give --stage refiner"):
        plan_stages(tiny_system, tiny_dataset, run)
    assert plan_stages(tiny_system, tiny_dataset, run, "refiner").anew == ("refiner",)
    done.unlink()
    with pytest.raises(InputError, match="give --stage regressor to finish the new one, then --stage refiner"):
        plan_stages(tiny_system, tiny_dataset, run)


def test_a_precision_that_is_not_chosen_yet_differs_from_none(run, tiny_dataset, tiny_system):
    plan_stages(tiny_system.with_settings(["regressor", "refiner"], training={"precision": "auto"}), tiny_dataset, run)
    with pytest.raises(InputError, match="precision float32, now mixed_bfloat16"):
        plan_stages(tiny_system.with_settings(["refiner"], training={"precision": "mixed_bfloat16"}), tiny_dataset, run)


WITHOUT_KERAS = """
import sys
from importlib.machinery import ModuleSpec
class Refusing:  # they are found, as what is installed, but not loaded
    def find_spec(self, name, *rest):
        return ModuleSpec(name, self) if name in ("keras", "tensorflow") else None
    def create_module(self, spec):
        raise AssertionError(f"{spec.name} is loaded")
sys.meta_path.insert(0, Refusing())
from audio2faces.train import main
sys.exit(main())
"""


@pytest.mark.parametrize("mode", ["audio2faces", "began", "vae"])
def test_settings_are_refused_before_anything_is_loaded(mode, run, tiny_dataset, tmp_path):
    write_json(tmp_path / "manifest.json", tiny_dataset.manifest | {"size": 64})  # the size of the presets
    (tmp_path / "clips").symlink_to(tiny_dataset.folder / "clips")
    folder = run / "regressor" if mode == "audio2faces" else run
    (folder / "config.json").write_text(json.dumps({"mode": mode, "data": tiny_dataset.fingerprint}))
    arguments = ("--mode", mode, "--data", tmp_path, "--run", run, "--steps", "5")
    error = one_line(run_program("-c", WITHOUT_KERAS, *arguments))
    assert "a run of other settings (" in error and "steps None, now 5" in error


def test_two_trainings_do_not_share_a_run(tiny_dataset, tiny_system, tmp_path):
    began = BeganConfig().updated(size=16, generator_n=2, z_size=4, training=TINY_TRAINING)
    trainings = ((train_system, tiny_system), (train_began, began), (train_vae, VaeConfig()))
    with own_run(tmp_path / "run"):
        for train, config in trainings:
            with pytest.raises(InputError, match="another process is training this run"):
                train(config, tiny_dataset, tmp_path / "run")
        arguments = ("--mode", "vae", "--data", tiny_dataset.folder, "--run", tmp_path / "run")
        error = one_line(run_program("-c", WITHOUT_KERAS, *arguments))
        assert "another process is training this run" in error
    assert not (tmp_path / "run").exists()  # nothing was written into it


def test_stages_that_do_not_fit_together_are_refused():
    with pytest.raises(InputError, match="refiner 'unet': needs the motion of a face"):
        SystemConfig().updated(regressor={"motion": False})
    with pytest.raises(InputError, match="mismatched pairs need a conditional discriminator"):
        SystemConfig().updated(refiner={"adversary": {"conditional": False}})
