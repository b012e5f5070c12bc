"""Every command that the documents show is run by a test, or marked there as not run; all have options that exist.

docs/development.md tells how the marks work.
"""

import argparse
import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from runtime.program import ArgumentParser

from .conftest import ROOT, SAMPLES

DOCUMENTS = [
    ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "samples" / "README.md",
    *sorted((ROOT / "models").glob("*/README.md")),
    *(path for path in sorted((ROOT / "docs").glob("*.md")) if path.name != "notebook.md"),  # see test_notebook.py
]  # fmt: skip
HEAD = re.compile(  # of a line that is a command
    r"(?:exec )?(?:[A-Z_]+=(?:'[^']*'|\S+) )*(?:\S*bin/)?"
    r"(?:python3?|pip|ruff|jupyter|saved_model_cli|docker|apt-get|srun|audio2faces-\w+) "
)
PROJECT = ("preprocessing", "began", "audio2faces", "benchmarks", "experiments", "notebooks")
MARK = re.compile(r"^ *<!-- not run: (.*) -->$", re.MULTILINE)
IN_THE_TEXT = "commands in the text"  # begins the mark of those that stand in sentences and tables

# What is run here, in a folder with small data and models under the names that the documents use.
RUN = (
    "python generate.py samples/speech.wav",
    "python generate.py samples/bgbu4p.mpg --output green.mp4",
    "python generate.py samples --output videos",
    "python generate.py speech.wav --model runs/me/model --output me.mp4",
    "python -c \"import av; print(av.open('talking.mp4').metadata)\"",
    "python -m preprocessing.flip data/me",
    "python -m preprocessing.flip data/me --picture found.png",
    "python -m preprocessing.flip data/me --apply",
    "python -m audio2faces.evaluate --model runs/me/model --data data/me --video side-by-side.mp4",
    "python -m audio2faces.export --out served/face",
    "saved_model_cli show --dir served/face/1 --all",
    "python -c \"import json, numpy as np; about = json.load(open('served/face/1/assets.extra/model.json')); "
    "np.save('maps.npy', np.zeros((1, about['rows'], about['coefficients']), np.float32))\"",
    "saved_model_cli run --dir served/face/1 --tag_set serve --signature_def features "
    '--inputs "maps=maps.npy" --outdir out',
)
# What other tests run, with other names, fewer steps or less data.
RUN_ELSEWHERE = {
    "python generate.py samples/speech.wav --model models/began-grid-s1": "test_a_generator_speaks",
    "python train.py --mode audio2faces": "test_training_without_data_prepares_the_samples",
    "python -m audio2faces.evaluate --model runs/me/model --data data/me": (
        "test_the_evaluation_program_prints_and_writes"
    ),
    "python -m audio2faces.evaluate --model grid-s1-64 --data data/samples --words samples/words": (
        "test_the_evaluation_program_prints_and_writes"
    ),
    "python -m preprocessing --report data/me": "test_real_clips_from_the_videos_to_the_report",
    "python train.py --mode vae": "test_the_program_trains_and_refuses",
    "python -m audio2faces.app": "test_speech_becomes_a_video",
    "python -m audio2faces.export --model runs/me/model --out served/me --half": "test_the_program_exports_and_refuses",
    "python -m audio2faces.export --onnx face.onnx --litert face.tflite": (
        "test_an_output_that_cannot_be_written_does_not_keep_the_others"
    ),
    "python -m audio2faces.export --onnx-model light": "test_a_model_for_onnx_runtime_speaks_without_tensorflow",
    "python generate.py samples/speech.wav --model light --output quick.mp4": (
        "test_a_model_for_onnx_runtime_speaks_without_tensorflow"
    ),
    "python -m preprocessing.compare_detectors my-videos/*.mp4": "test_the_program_compares_and_skips_what_it_cannot",
    "python -m sphinx -W -c docs . site": "test_documents_and_docstrings_make_a_site",
    "python -m build": "test_the_wheel_brings_all_of_models_samples_and_page",
}


@dataclass(frozen=True)
class Command:
    """A command of a document, and the mark that says why it is not run, if there is one."""

    document: str
    text: str
    mark: str | None

    def __str__(self):
        return f"{self.document}: {self.text}"

    @property
    def program(self):
        """(module, arguments) of a program of the project; None for other programs and shortened commands."""
        try:
            words = shlex.split(self.text)
        except ValueError:  # a part of a script
            return None
        words = [word for word in words if not re.match(r"[A-Z_]+=", word)]
        if words[0] not in ("python", "python3") or "..." in words:
            return None
        if words[1] in ("train.py", "generate.py"):
            return main_of(f"audio2faces.{words[1][:-3]}"), words[2:]
        if words[1] == "-m" and words[2].split(".")[0] in PROJECT:
            return main_of(words[2]), words[3:]
        return None


def main_of(module):
    """The module whose `main` `python -m module` runs."""
    return f"{module}.__main__" if (ROOT / module.replace(".", "/")).is_dir() else module


def commands_of(document):
    """The commands in blocks of code, and those with arguments between backticks in the text."""
    blocks, text = [], []  # (mark, lines); lines
    mark, fenced, open_block = None, False, False
    for line in document.read_text(encoding="utf-8").splitlines():
        fence = line.lstrip().startswith("```")
        indented = re.match(r" {4,}\S", line) and (open_block or not text or not text[-1].strip())
        if fence or fenced or indented:
            if not open_block:
                blocks.append((mark, []))
            open_block, fenced = True, fenced != fence
            if not fence:
                blocks[-1][1].append(line.strip())
            continue
        line = line.strip()
        if line and not re.fullmatch(r"<!-- \w+ -->", line):  # marks of other kinds may stand between
            of_line = MARK.fullmatch(line)
            mark = of_line.group(1) if of_line else None
        open_block = False
        text.append(line)
    name, content = document.relative_to(ROOT).as_posix(), "\n".join(text)
    found = [Command(name, one, mark) for mark, lines in blocks for one in _in_block(lines)]
    of_text = next((mark for mark in MARK.findall(content) if mark.startswith(IN_THE_TEXT)), None)
    for code in re.findall(r"`([^`]+)`", content):
        code = _plain(code)
        if HEAD.match(code) and not re.fullmatch(r"python -m [\w.]+|python \w+\.py", code):  # more than a name
            found.append(Command(name, code, of_text))
    return found


def _in_block(lines):
    joined = re.sub(r"\\\n", "", "\n".join(lines))
    parts = [part for line in joined.splitlines() if HEAD.match(line) for part in _plain(line).split(" && ")]
    return [part for part in parts if HEAD.match(part)]


def _plain(line):
    """A command without its comment, and without the place of the environment."""
    line = " ".join(re.sub(r"\s+# .*", "", line).split())
    return re.sub(r"(?<!\S)\.venv/bin/|^exec ", "", line)


COMMANDS = [command for document in DOCUMENTS for command in commands_of(document)]


def test_every_command_is_run_or_marked():
    texts = {command.text for command in COMMANDS}
    assert set(RUN) | set(RUN_ELSEWHERE) <= texts, "a command that no document shows any more"
    unmarked = [str(command) for command in COMMANDS if not (command.mark or command.text in {*RUN, *RUN_ELSEWHERE})]
    assert not unmarked, "run these in a test (tests/test_commands.py), or mark them: docs/development.md"
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("test_*.py"))
    assert all(f"\ndef {name}(" in tests for name in RUN_ELSEWHERE.values())


def test_every_mark_is_needed():
    unrun = {(command.document, command.mark) for command in COMMANDS if command.text not in {*RUN, *RUN_ELSEWHERE}}
    for document in DOCUMENTS:
        for mark in MARK.findall(document.read_text(encoding="utf-8")):
            assert (document.relative_to(ROOT).as_posix(), mark) in unrun, f"{document}: {mark}"


class Parsed(BaseException):
    """The command line was understood."""


def test_every_command_has_options_that_exist(monkeypatch):
    """This holds for those that are not run, too: they are parsed."""

    def parse_and_stop(self, *arguments, **options):
        parsed = argparse.ArgumentParser.parse_args(self, *arguments, **options)
        if self.prog.endswith("train.py"):
            importlib.import_module("audio2faces.train").chosen_config(parsed)  # presets of each mode
        raise Parsed

    monkeypatch.setattr(ArgumentParser, "parse_args", parse_and_stop)
    for command in COMMANDS:
        if command.program is not None:
            module, arguments = command.program
            monkeypatch.setattr(sys, "argv", [module, *arguments])
            try:
                importlib.import_module(module).main()
            except Parsed:
                continue
            except SystemExit:
                pass
            pytest.fail(f"{command}: its options are not understood")


@pytest.fixture(scope="module")
def place(tiny_dataset, tiny_model_folder, tmp_path_factory):
    """A folder with small data and models under the names that the documents use."""
    folder = tmp_path_factory.mktemp("documents")
    (folder / "samples").mkdir()
    for name in ("speech.wav", "bgbu4p.mpg"):
        shutil.copy(SAMPLES / name, folder / "samples")
    shutil.copy(SAMPLES / "speech.wav", folder)
    for name in ("me", "s1"):
        shutil.copytree(tiny_dataset.folder, folder / "data" / name)
    for model in ("runs/me/model", "runs/2017/model", "models/grid-s1-64"):
        shutil.copytree(tiny_model_folder, folder / model)
        config = json.loads((folder / model / "config.json").read_text())
        named = config | {"name": model.removesuffix("/model").split("/")[-1]}
        (folder / model / "config.json").write_text(json.dumps(named))
    return folder


@pytest.mark.parametrize("text", RUN)
def test_commands_of_the_documents_run(text, place, monkeypatch):
    monkeypatch.chdir(place)
    for module in ("generate", "evaluate", "export"):
        program = importlib.import_module(f"audio2faces.{module}.__main__")
        monkeypatch.setattr(program, "DEFAULT_MODEL", place / "runs" / "me" / "model")
    words = shlex.split(text)
    if program := Command("", text, None).program:
        module, arguments = program
        monkeypatch.setattr(sys, "argv", [module, *arguments])
        assert importlib.import_module(module).main() == 0
    else:
        started = {"python": sys.executable}.get(words[0]) or str(Path(sys.executable).with_name(words[0]))
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run([started, *words[1:]], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    for word in words:
        if re.fullmatch(r"[\w./-]+\.(mp4|png)", word):
            assert Path(word).stat().st_size > 100
