import errno
import math
import os

import keras
import numpy as np
import pytest

from began.figures import draw_curves
from media.pictures import read_picture
from runtime.errors import InputError
from training.checkpoints import load_weights, save_weights
from training.metrics_log import MetricsLog
from training.schedule import learning_rate

from .conftest import full_disk
from .test_began_training import TINY


def test_a_continued_run_compares_with_the_very_numbers_of_before(tmp_path):
    """Two losses that differ in the seventh digit: the second is no better, before and after an interruption."""
    log = MetricsLog(tmp_path, ["loss", "score"], 0)
    assert (log.lowest("loss"), log.highest("score")) == (math.inf, -math.inf)
    log.add(4, {"loss": np.float32(0.12345674), "score": 1 / 3})
    log.add(8, {"loss": np.float32(0.12345678), "score": 0.1})
    resumed = MetricsLog(tmp_path, ["loss", "score"], 4)
    assert resumed.rows == log.rows[:1]
    for each in (log, resumed):
        assert each.lowest("loss") < float(np.float32(0.12345678)) and each.highest("score") == 1 / 3


def test_what_is_not_known_is_an_empty_cell(tmp_path):
    names = ["real_error", "generated_error", "m_global", "k", "diversity", "mouth_diversity", "sharpness", "coverage"]
    names += ["correlation", "amplitude", "mouth_swap"]
    log = MetricsLog(tmp_path, names, 0)
    log.add(0, dict.fromkeys(names) | {"k": 0.5})
    log.add(4, dict.fromkeys(names, 0.25) | {"amplitude": math.nan, "k": math.inf})
    lines = (tmp_path / "metrics.csv").read_text().splitlines()
    assert lines[1:] == ["0,,,,0.5,,,,,,,", "4,0.25,0.25,0.25,,0.25,0.25,0.25,0.25,0.25,,0.25"]
    rows = MetricsLog(tmp_path, names, 4).rows
    assert rows == log.rows and rows[1]["amplitude"] is rows[0]["real_error"] is None
    assert learning_rate(TINY.training, 8, [row["m_global"] for row in rows]) > 0
    draw_curves(tmp_path / "curves.png", rows)
    assert read_picture(tmp_path / "curves.png").std() > 1


def test_metrics_that_a_spreadsheet_has_rewritten_are_refused(tmp_path):
    (tmp_path / "metrics.csv").write_text("step;loss\n4;0,5\n")
    with pytest.raises(InputError, match=r"metrics\.csv: not as it was written"):
        MetricsLog(tmp_path, ["loss"], 4)


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path):
    """The HDF5 library must not find it, for that ends the process."""
    model = keras.Sequential([keras.Input((100,)), keras.layers.Dense(100)])
    path = tmp_path / "checkpoint.weights.h5"
    save_weights(path, model)
    before = model.get_weights()
    model.layers[0].bias.assign(np.ones(100))
    with full_disk(), pytest.raises(OSError) as caught:
        save_weights(path, model)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(path))
    assert caught.value.strerror == os.strerror(errno.EFBIG) and os.listdir(tmp_path) == [path.name]
    load_weights(path, model)
    np.testing.assert_array_equal(model.get_weights()[1], before[1])


def test_a_full_disk_is_reported_for_tensorboard_too(tmp_path):
    log = MetricsLog(tmp_path, ["loss"], 0)
    with full_disk(2000), pytest.raises(OSError) as caught:
        for step in range(99):
            log.add(step, {"loss": 0.5})
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(tmp_path / "tensorboard"))
