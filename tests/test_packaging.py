"""What gets installed: the wheel, unpacked where no checkout is near."""

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
import zipfile

import pytest

from runtime.errors import TRAINING_PACKAGES
from runtime.program import COMMANDS

from .conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The content of the wheel that is built of the source distribution."""
    folder = tmp_path_factory.mktemp("packaging")
    command = (sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", ROOT)
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "installed")
    return folder / "installed"


def run_installed(installed, name, *arguments, cwd):
    """Runs a console script as pip would make it."""
    module, function = PROJECT["scripts"][f"audio2faces-{name}"].split(":")
    script = cwd / f"audio2faces-{name}"
    script.write_text(f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run(
        [sys.executable, script.name, *map(str, arguments)], cwd=cwd, env=environment, capture_output=True, text=True
    )


def test_every_command_has_a_script():
    assert set(PROJECT["scripts"]) == {f"audio2faces-{name}" for name in COMMANDS}
    for target in PROJECT["scripts"].values():
        module, function = target.split(":")
        assert callable(getattr(importlib.import_module(module), function))


def test_requirements_are_what_speaking_and_training_need():
    lines = (line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines())
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["train"]
    assert [line for line in lines if line] == wanted
    distributions = importlib.metadata.packages_distributions()
    needed = {distributions[package][0].replace("_", "-").lower() for package in TRAINING_PACKAGES}
    assert needed == {re.split("[=<>]", line)[0] for line in PROJECT["optional-dependencies"]["train"]}


def test_the_wheel_speaks_without_the_checkout(installed, tmp_path):
    speech = installed / "audio2faces" / "samples" / "speech.wav"
    done = run_installed(installed, "generate", speech, "--model", "grid-s1-64", cwd=tmp_path)
    assert done.returncode == 0 and (tmp_path / "talking.mp4").stat().st_size > 10_000, done.stderr
    shown = run_installed(installed, "generate", "--help", cwd=tmp_path).stdout
    assert shown.startswith("usage: audio2faces-generate") and "grid-s1-128" in shown
    default = run_installed(installed, "generate", speech, "--output", "default.mp4", cwd=tmp_path)
    assert "by grid-s1-128" in default.stdout, default.stderr


def test_the_wheel_brings_all_of_models_samples_and_page(installed):
    inside = {path.relative_to(installed / "audio2faces").as_posix() for path in (installed / "audio2faces").rglob("*")}
    tracked = subprocess.run(["git", "ls-files", "models", "samples"], cwd=ROOT, capture_output=True, text=True).stdout
    assert set(tracked.split()) <= inside and "app/page/index.html" in inside
