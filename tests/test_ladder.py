"""The ladder of trainings that explains the collapse: what its rows change, and that finished ones are kept."""

import dataclasses

import pytest

from experiments.collapse import Ladder, draw, format_table
from experiments.collapse_rows import VAES, Row, ladder
from training.run_folder import DivergenceError

from .test_began_training import TINY


def changed(row, other):
    """Fields in which two rows differ."""
    ours, theirs = row.config.as_json(), other.config.as_json()
    return {name for name in ours if ours[name] != theirs[name]}


def test_each_row_changes_what_it_says():
    rows = {row.name: row for row in ladder()}
    assert len(rows) == len(ladder())
    as_it_was, modern = rows["2017: audio and noise"], rows["modern: repaired, networks of today"]
    conditional = rows["conditional: the default"]
    assert changed(rows["2017 + B1 bottleneck"], as_it_was) == {"bottleneck"}
    assert changed(rows["2017 + B10 exact resume"], as_it_was) == {"forget_every"}
    assert changed(rows["2017 + frozen VAE"], as_it_was) == {"audio_encoder"}
    assert changed(rows["modern + k held at .1"], modern) == {"smallest_k"}
    assert changed(rows["conditional, z is noise"], conditional) == {"z_source"}
    for row in rows.values():
        assert row.config.size == 32 and row.config.n == 16 and row.config.precision == "float32"
        assert row.config.audio_encoder.removeprefix("vae:") in ("learned", *VAES)


@pytest.fixture(scope="module")
def climbing(tiny_dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ladder")
    (folder / "out").mkdir()
    return Ladder(tiny_dataset, folder / "runs", folder / "out", "test")


def test_a_finished_row_is_kept_until_its_settings_change(climbing):
    row = Row("tiny: a row", dataclasses.replace(TINY, steps=4), seeds=2)
    assert climbing.finished(row, 0) is None
    climbing.train(row, 0)
    result = climbing.finished(row, 0)
    assert result["measures"]["diversity"] > 0 and result["history"]["step"] == [4] and not result["diverged"]
    assert climbing.finished(row, 1) is None and not any(climbing.runs.iterdir())
    assert climbing.finished(Row(row.name, dataclasses.replace(TINY, steps=8)), 0) is None
    results = {row.name: [result]}
    line = format_table([row], results).splitlines()[2]
    assert line.startswith(f"| tiny: a row | 1 | {result['measures']['diversity']:.2f} |")
    draw([row], results, climbing)
    assert {path.name for path in climbing.out.iterdir()} >= {"curves.png", "faces.png", "table.md"}


def test_a_training_that_diverges_is_a_result(climbing, monkeypatch):
    def diverging(config, dataset, run):
        run.mkdir(parents=True)
        raise DivergenceError(run, 3, 0)

    row = Row("lost", TINY)
    monkeypatch.setattr("began.training.train_began", diverging)
    climbing.train(row, 0)
    result = climbing.finished(row, 0)
    assert result["diverged"] == "diverged after step 3"
    assert "| lost | 1 | diverged after step 3" in format_table([row], {"lost": [result]})
