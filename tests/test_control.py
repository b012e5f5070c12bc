from argparse import Namespace

import numpy as np
import pytest

from experiments import positive_control
from experiments.control_pictures import SIZE, digits, evenly, speakers
from experiments.control_task import SAMPLES, ControlTask, config_of
from experiments.variants import energy_distance
from runtime.errors import InputError
from training.run_folder import with_precision

from .conftest import dataset_of, drawn_clip


def coloured(levels, count=6):
    """Pictures of one grey level a class, each a little brighter than the one before."""
    brighter = np.arange(count, dtype=np.uint8)[:, None, None, None]
    return {str(level): np.full((count, SIZE, SIZE, 3), level, np.uint8) + brighter for level in levels}


@pytest.fixture
def task():
    return ControlTask(
        with_precision(config_of(0.5, 4, 1e-4, channels=2)), coloured((20, 120, 220)), coloured((23, 123), 1)
    )


class Fixed:
    """A model that answers with given pictures, in [-1, 1], whatever its z."""

    def __init__(self, pictures):
        self.pictures = pictures

    def generator(self, z, training):
        return np.resize(self.pictures, (len(z), SIZE, SIZE, 3))


def test_samples_count_for_the_class_of_the_nearest_picture(task):
    assert task.told == 1.0
    levels = np.array([18, 20, 20, 130]) / 127.5 - 1
    model = Fixed(np.broadcast_to(levels[:, None, None, None], (4, SIZE, SIZE, 3)).astype(np.float32))
    assert task.shares(task.samples(model)) == pytest.approx({"20": 0.75, "120": 0.25, "220": 0}, abs=4 / SAMPLES)
    values, _ = task.validate(model)
    assert (values["classes"], values["rarest"]) == (2, 0) and 0 < values["diversity"] < 1
    collapsed, _ = task.validate(Fixed(np.zeros((1, SIZE, SIZE, 3), np.float32)))
    assert (collapsed["classes"], collapsed["diversity"]) == (1, 0)


def test_batches_hold_all_classes_alike_and_z_that_depends_on_the_step_alone(task):
    seen = np.concatenate([task.batch(step)["face"][:, 0, 0, 0] for step in range(9)])  # eight epochs of 18
    assert np.unique(np.round((seen + 1) * 127.5), return_counts=True)[1].tolist() == [8] * 18
    one, again, other = task.batch(3)["z"], task.batch(3)["z"], task.batch(4)["z"]
    assert (one == again).all() and (one != other).any() and np.abs(one).max() <= 1 and one.std() > 0.5


def test_an_unconditional_began_takes_steps(task):
    model = task.new_model()
    before = [np.array(weight) for weight in model.trainable_weights]
    model.train_on_batch(task.batch(0), None)
    moved = [(np.array(weight) != old).any() for weight, old in zip(model.trainable_weights, before, strict=True)]
    assert np.mean(moved) > 0.9 and float(model.adversary.k) >= 0


def test_speakers_give_as_many_pictures_each_and_whole_clips_are_held_out(tmp_path):
    datasets = []
    for name, clips in (("one", 3), ("other", 2)):
        entries = [drawn_clip(tmp_path / name, f"clip{index}", "train", index) for index in range(clips)]
        datasets.append(dataset_of(tmp_path / name, entries))
    train, held_out = speakers(datasets)
    assert list(train) == ["one", "other"] and len({len(faces) for faces in train.values()}) == 1
    assert {len(faces) for faces in held_out.values()} == {20}
    with pytest.raises(InputError, match="1 clip, of which none can be held out"):
        speakers([dataset_of(tmp_path / "one", entries[:1])])


def test_ten_digits_come_from_scikit_learn():
    train, held_out = digits()
    assert list(train) == [str(digit) for digit in range(10)] and len({len(of) for of in train.values()}) == 1
    assert train["0"].shape[1:] == (SIZE, SIZE, 3) and train["0"].max() == 255 and len(held_out["9"]) > 30


def test_pictures_are_drawn_evenly():
    assert evenly(np.arange(10), 4).tolist() == [0, 3, 6, 9] and evenly(np.arange(3), 9).tolist() == [0, 1, 2]


def test_the_energy_distance_by_hand():
    def pair(*levels):
        return np.stack([np.full((SIZE, SIZE, 3), level, np.float32) for level in levels])

    assert float(energy_distance(pair(0, 1), pair(0, 1))) == pytest.approx(2 * 0.5 - 1, abs=5e-3)
    assert float(energy_distance(pair(0, 1), pair(0, 0))) == pytest.approx(2 * 0.5 - 0, abs=5e-3)  # one of two pictures
    assert float(energy_distance(pair(0, 1), pair(1, 4))) == pytest.approx(2 * 2.0 - 3, abs=5e-3)


def test_rows_are_trained_once_and_drawn(tmp_path, capsys):
    rows = ["gamma 0.7", "energy distance, no adversary"]
    arguments = Namespace(rows=rows, steps=2, seed=0, torch=None, picture=tmp_path / "samples.png")
    pictures = coloured((20, 220))
    for striped in pictures.values():
        striped[:, ::2] = 0  # or there is no sharpness to compare with
    positive_control.measure(arguments, pictures, pictures, tmp_path)
    first = capsys.readouterr()
    assert "100.0% of the held-out ones" in first.out
    assert all(f"| {row} |" in first.out for row in rows) and arguments.picture.exists()
    positive_control.measure(arguments, pictures, pictures, tmp_path)
    again = capsys.readouterr()
    assert again.out == first.out and "2/2 steps" not in again.err
