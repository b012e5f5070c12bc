"""The time left of a whole run: guesses that what was measured corrects, and the phases of a training."""

import re

import pytest

from audio2faces.config import FROM_NOTHING, PRESETS
from audio2faces.phases import training_phases
from audio2faces.train_system import train_system
from runtime.progress import PlainProgress, progress
from runtime.whole_run import TRUST, WholeRun, phase_of, whole_run

PHASES = [("reading", 10.0), ("training", 30.0), ("measuring", 60.0)]


def test_what_was_measured_corrects_what_was_guessed():
    run = WholeRun(PHASES)
    reading = run.begin("reading")
    reading.started -= 20  # seconds ago, for half of what was guessed to take 10
    factor = (20 + TRUST) / (5 + TRUST)
    assert factor == 2 and reading.left(0.5, 20.0) == "03:20 left in total"  # 20 of its own, twice 30 and twice 60
    reading.end(0.5)
    assert (round(run.measured), run.guessed) == (20, 5)
    measuring = run.begin("measuring")
    assert measuring.left(0.1, 300.0) == ""  # nothing comes after it
    assert run.begin("measuring") is None and run.begin("dreaming") is None


def test_a_phase_may_come_twice_and_others_be_left_out():
    run = WholeRun([("augmenting", 5.0), ("training", 50.0), ("augmenting", 7.0), ("fitting", 9.0)])
    assert [run.begin(name).place for name in ("augmenting", "augmenting", "fitting")] == [0, 2, 3]


def test_a_line_of_progress_tells_the_whole(capsys):
    with whole_run(PHASES), progress(100, "step", "reading") as bar:
        assert isinstance(bar, PlainProgress)
        bar.started -= 10
        bar.phase.started -= 10
        bar.interval = 0.0
        bar.update(50)
    assert re.search(r"reading: 50/100 steps, 5.0/s, 00:10 left \(0[12]:\d\d left in total\)", capsys.readouterr().err)
    assert phase_of("reading") is None  # outside of a run


@pytest.mark.parametrize("start", ["decoder and encoder", "encoder", "frozen"])
def test_the_phases_of_a_training_depend_on_where_it_starts(tiny_dataset, start):
    """From nothing, from an encoder, from one that is left as it is; with a stage that is done."""
    config = (FROM_NOTHING if start == "decoder and encoder" else PRESETS)["minutes"]
    config = config.updated(regressor={"frozen": start == "frozen"}) if start == "frozen" else config
    names = [name for name, seconds in training_phases(config, tiny_dataset, ("regressor", "refiner")) if seconds > 0]
    assert ("training the regressor" in names) == (start == "decoder and encoder")
    assert ("training the speech encoder" in names) == (start == "encoder")
    assert ("fitting the decoder" in names) == (start != "decoder and encoder")
    alone = [name for name, _ in training_phases(config, tiny_dataset, ("refiner",))]
    assert alone == ["speech features", "speech features", "training the refiner", "evaluating", "measuring"]


def test_a_training_shows_the_phases_of_its_plan(tiny_dataset, tiny_system, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("runtime.progress.SHORT", 0.0)  # or phases of so little data would not show
    train_system(tiny_system, tiny_dataset, tmp_path / "run")
    told = "\n" + capsys.readouterr().err
    planned = [name for name, _ in training_phases(tiny_system, tiny_dataset, ("regressor", "refiner"))]
    places = [told.find(f"\n{name}: ") for name in planned]
    assert min(places) > 0 and places == sorted(places)
