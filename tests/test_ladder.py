"""The ladder of trainings that explains the collapse: what its rows change, and that finished ones are kept."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from experiments.collapse import DOCUMENT, Ladder, draw, draw_then_and_now, format_table
from experiments.collapse_rows import VAES, Row, VariantConfig, ladder
from media.pictures import read_picture

from .test_began_training import TINY

SMALL = VariantConfig.from_json(TINY.as_json())


def changed(row, other):
    """Fields in which two rows differ."""
    return differing(row.config.as_json(), other.config.as_json())


def differing(ours, theirs, prefix=""):
    """Names of the values that differ, "adversary.gamma" for one of nested settings."""
    names = set()
    for name, value in ours.items():
        if isinstance(value, dict):
            names |= differing(value, theirs[name], f"{prefix}{name}.")
        elif value != theirs[name]:
            names.add(f"{prefix}{name}")
    return names


def test_each_row_changes_what_it_says():
    rows = {row.name: row for row in ladder()}
    assert len(rows) == len(ladder())
    as_it_was, modern = rows["2017: audio and noise"], rows["modern: repaired, networks of today"]
    conditional = rows["conditional: the default"]
    assert changed(rows["2017 + B1 bottleneck"], as_it_was) == {"adversary.defects"}
    assert changed(rows["2017 + B10 exact resume"], as_it_was) == {"defects"}
    assert changed(rows["2017 + frozen VAE"], as_it_was) == {"speech.network"}
    assert changed(rows["modern + k held at .1"], modern) == {"adversary.smallest_k"}
    assert changed(rows["conditional, z is noise"], conditional) == {"z"}
    for row in rows.values():
        config = row.config
        assert config.size == 32 and config.adversary.n == 16 and config.training.precision == "float32"
        assert not config.speech.network.startswith("vae:") or config.speech.network.removeprefix("vae:") in VAES


@pytest.fixture(scope="module")
def climbing(tiny_dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ladder")
    (folder / "out").mkdir()
    return Ladder(tiny_dataset, folder / "runs", folder / "out", "test")


def test_a_finished_row_is_kept_until_its_settings_change(climbing):
    row = Row("tiny: a row", SMALL.updated(training={"steps": 4}), seeds=2)
    assert climbing.finished(row, 0) is None
    climbing.train(row, 0)
    result = climbing.finished(row, 0)
    assert result["measures"]["diversity"] > 0 and result["history"]["step"] == [4] and not result["diverged"]
    assert climbing.finished(row, 1) is None and not any(climbing.runs.iterdir())
    assert climbing.finished(Row(row.name, SMALL), 0) is None
    results = {row.name: [result]}
    line = format_table([row], results).splitlines()[2]
    assert line.startswith(f"| tiny: a row | 1 | {result['measures']['diversity']:.2f} |")
    draw([row], results, climbing)
    assert {path.name for path in climbing.out.iterdir()} >= {"curves.png", "faces.png", "table.md"}


def test_a_training_that_diverges_is_a_result(climbing):
    row = Row("lost", SMALL.updated(training={"learning_rate": 1e30}))
    climbing.train(row, 0)
    result = climbing.finished(row, 0)
    assert re.fullmatch(r"diverged after step \d+", result["diverged"])
    assert f"| lost | 1 | {result['diverged']}" in format_table([row], {"lost": [result]})


def test_attempts_of_2017_are_drawn_beside_a_model(tiny_dataset, tmp_path):
    def faces(maps, z):
        return np.full((len(maps), 16, 16, 3), 90, np.uint8)

    face = SimpleNamespace(config=SMALL.updated(size=16), faces=faces, draw=lambda count, seed: np.zeros((count, 1)))
    clip = tiny_dataset.split("test")[0]
    draw_then_and_now(tmp_path / "faces.png", Ladder(tiny_dataset, tmp_path, DOCUMENT, "test"), face, clip)
    assert read_picture(tmp_path / "faces.png").std() > 20
