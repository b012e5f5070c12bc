"""A run of several devices: real processes that meet on loopback, and two devices in one process.

A lost process is noticed by TensorFlow after ten seconds at most; nothing here waits by the clock.
"""

import csv
import json
import os
import socket
import subprocess
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from audio2faces import train
from began.config import BeganConfig
from began.model import Began
from began.training import audio_network_of
from runtime.errors import InputError
from training.devices import Cluster, OneDevice, open_devices, read_cluster
from training.run_arrays import computed_once

from .conftest import ROOT, TINY_TRAINING, compiled, one_line
from .distributed_training import train_noted

TINY = BeganConfig().updated(
    size=16,
    # What layers draw is drawn on each device for its own rows: with noise or dropout no two layouts are equal.
    speech={"widths": (8,), "code_size": 8, "noise": 0.0, "dropout": 0.0},
    z_size=4,
    generator_n=4,
    adversary={"n": 4, "code_size": 8, "gamma": 2.0, "lambda_k": 0.1},  # with these k moves enough to be compared
    paired=1.0,
    training={
        **TINY_TRAINING,
        "steps": 6,
        "evaluate_every": 2,
        "learning_rate": 1e-3,
        "patience": 1,  # the rate is halved as soon as M_global rises
        "seed": 2,  # of which M_global rises once
    },
)
WITH_DROPOUT = TINY.updated(speech={"noise": 0.3, "dropout": 0.3})


def start(dataset, run, notes, *kill_at, config=TINY, **environment):
    arguments = [json.dumps(config.as_json()), dataset.folder, run, notes, *kill_at]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.distributed_training", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


def start_pair(dataset, run, kill=None, at=None, config=TINY):
    """Two processes of one run, of which one may kill itself before a step."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        workers = [f"127.0.0.1:{server.getsockname()[1]}" for server in (one, other)]
    return [
        start(
            dataset,
            run,
            f"{run}-{index}.npz",
            *([at] if index == kill else []),
            config=config,
            TF_CONFIG=json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}),
        )
        for index in (0, 1)
    ]


def ended(process):
    """The process after its end, as `subprocess.run` gives it."""
    _, errors = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, "", errors)


def notes_of(processes, files):
    for process in map(ended, processes):
        assert process.returncode == 0, process.stderr
    return [dict(np.load(file)) for file in files]


def rows_of(run):
    """metrics.csv without what depends on the clock."""
    with open(run / "metrics.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{k: float(v) for k, v in row.items() if k not in ("steps_per_second", "loading_share")} for row in rows]


@pytest.fixture(scope="module")
def runs(tiny_dataset, tmp_path_factory):
    """The same run by two processes, by one with two devices, and by one device; folder and notes of each."""
    folder = tmp_path_factory.mktemp("distributed")
    pair = start_pair(tiny_dataset, folder / "pair")
    double = start(tiny_dataset, folder / "double", folder / "double.npz", LOGICAL_DEVICES="2")
    alone = train_noted(TINY, tiny_dataset, folder / "alone")
    return SimpleNamespace(
        folder=folder,
        alone=alone,
        pair=notes_of(pair, [folder / "pair-0.npz", folder / "pair-1.npz"]),
        double=notes_of([double], [folder / "double.npz"])[0],
    )


def test_two_processes_hold_the_same_weights(runs):
    one, other = runs.pair
    for name in one.keys() - {"computed"}:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_one_process_computes_what_all_of_them_use(runs):
    assert [notes["computed"] for notes in runs.pair] == [1, 0]


@pytest.mark.parametrize("layout", ["pair", "double"])
def test_the_steps_are_those_of_one_device_with_the_whole_batch(runs, layout):
    notes = runs.double if layout == "double" else runs.pair[0]
    assert len(notes["k"]) == TINY.training.steps and notes["k"][-1] > 0.01
    assert np.abs(notes["first_moments"]).max() > 0.01  # (1 - beta_1) times the gradients, which Adam's step hides
    for name in ("first_moments", "k", "real_error", "weights", "moments"):
        np.testing.assert_allclose(notes[name], runs.alone[name], atol=1e-4, err_msg=name)
    ours, theirs = rows_of(runs.folder / layout), rows_of(runs.folder / "alone")
    watched = ("step", "real_error", "generated_error", "m_global", "k", "paired_error", "learning_rate")
    for name in watched:
        np.testing.assert_allclose([row[name] for row in ours], [row[name] for row in theirs], atol=1e-4, err_msg=name)
    assert ours[-1]["learning_rate"] < ours[0]["learning_rate"]  # every process followed M_global


def test_the_chief_writes_the_run_once(runs):
    written = [
        sorted(str(path.relative_to(runs.folder / name)) for path in (runs.folder / name).rglob("*")
               if "tfevents" not in path.name)
        for name in ("pair", "alone")
    ]  # fmt: skip
    assert written[0] == written[1]
    assert len(list((runs.folder / "pair" / "tensorboard").iterdir())) == 1


@pytest.mark.slow
def test_a_killed_process_ends_all_and_all_go_on_from_the_checkpoint(tiny_dataset, tmp_path):
    """With noise and dropout, so that the random states of both have to be there again, too."""

    def train(name, **options):
        return start_pair(tiny_dataset, tmp_path / name, config=WITH_DROPOUT, **options)

    whole, _ = notes_of(train("whole"), [tmp_path / "whole-0.npz", tmp_path / "whole-1.npz"])
    run = tmp_path / "run"
    for victim in (1, 0):
        processes = [ended(process) for process in train("run", kill=victim, at=5)]
        assert processes[victim].returncode == -9
        error = one_line(processes[1 - victim])
        assert "another process of this run ended" in error
        assert f"start all of them again with the same commands, and they resume from {run}/checkpoint" in error
        assert not (run / "model").exists()
    files = [tmp_path / f"run-{index}.npz" for index in (0, 1)]
    for notes in notes_of(train("run"), files):
        assert notes["first"] == 4 and len(notes["k"]) == 2
        np.testing.assert_array_equal(notes["k"], whole["k"][4:])
        np.testing.assert_array_equal(notes["weights"], whole["weights"])
        np.testing.assert_array_equal(notes["moments"], whole["moments"])
    assert rows_of(run) == rows_of(tmp_path / "whole") and (run / "model" / "config.json").exists()


def test_a_process_waits_for_what_the_first_one_writes(tmp_path):
    path = tmp_path / "eigenfaces.npz"
    agreed = []
    second = SimpleNamespace(chief=False, wait=lambda: None, agree=lambda what, value: agreed.append(what))
    with pytest.raises(InputError, match=r"eigenfaces.npz: another process wrote it and this one does not see it"):
        computed_once(path, None, second)
    second.wait = lambda: np.savez(path, rows=3, mean=np.ones(2))
    arrays = computed_once(path, None, second)
    assert arrays["rows"] == 3 and arrays["mean"].tolist() == [1, 1] and agreed == ["file eigenfaces.npz"]


def test_processes_that_differ_are_refused():
    distribution = pytest.importorskip("training.distribution")
    devices = distribution.SeveralDevices(SimpleNamespace(num_replicas_in_sync=2), 4, "run")
    devices._gather = lambda number: [number, 4]
    devices.agree("step to start from", 4)
    with pytest.raises(InputError, match=r"run: the processes disagree on the step to start from \(0, 4\); give all"):
        devices.agree("step to start from", 0)
    with pytest.raises(InputError, match="disagree on the settings; give all the same command"):
        devices.agree("settings", "{}")
    with pytest.raises(InputError, match="batch of 5: cannot be divided among 2 devices; give a --batch-size that 2"):
        distribution.SeveralDevices(SimpleNamespace(num_replicas_in_sync=2), 5, "run")


def config_of(cluster, task):
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}


def test_tf_config_names_the_processes():
    workers = ["first:2222", "second:2222"]
    assert read_cluster({}) is None and read_cluster({"TF_CONFIG": " "}) is None
    assert read_cluster({"TF_CONFIG": "{}"}) is None
    assert read_cluster(config_of({"worker": workers[:1]}, {"type": "worker", "index": 0})) is None
    cluster = read_cluster(config_of({"worker": workers}, {"type": "worker", "index": 1}))
    assert cluster == Cluster(tuple(workers), 1)
    jobs = {"worker": workers, "chief": ["third:2222"]}
    assert read_cluster(config_of(jobs, {"type": "worker", "index": 1})) == Cluster(("third:2222", *workers), 2)
    assert read_cluster(config_of(jobs, {"type": "chief", "index": 0})).index == 0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "not valid JSON"),
        ("[]", "cluster is not a list of addresses"),
        ('{"cluster": ["first:1"]}', "cluster is not a list of addresses"),
        ('{"cluster": {"worker": "first:1"}}', "cluster is not a list of addresses"),
        ('{"cluster": {"ps": ["first:1"], "worker": ["a:1", "b:1"]}}', "job ps: training has only chief and worker"),
        ('{"cluster": {"worker": ["first", "b:1"]}}', "address 'first': each process needs a host:port"),
        ('{"cluster": {"worker": ["a:1", "a:1"]}}', "address 'a:1': each process needs a host:port of its own"),
        ('{"cluster": {"worker": ["a:1", 7]}}', "address 7"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}}', "its task is not one of worker 0, worker 1"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}', "its task is not one of"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": []}}', "its task is not one of"),
    ],
)
def test_a_malformed_tf_config_is_refused(text, complaint):
    with pytest.raises(InputError, match=f"^TF_CONFIG: .*{complaint}"):
        read_cluster({"TF_CONFIG": text})


def test_the_program_refuses_before_it_loads_anything(tiny_dataset, tmp_path, monkeypatch):
    def refused(*arguments):
        monkeypatch.setattr(sys, "argv", ["train.py", "--data", str(tiny_dataset.folder), *map(str, arguments)])
        with pytest.raises(InputError) as refusal:
            train.main.__wrapped__()
        return str(refusal.value)

    monkeypatch.setenv("TF_CONFIG", "{")
    assert "TF_CONFIG: not valid JSON" in refused("--mode", "began", "--run", tmp_path / "run")
    two = config_of({"worker": ["127.0.0.1:1", "127.0.0.1:2"]}, {"type": "worker", "index": 0})
    monkeypatch.setenv("TF_CONFIG", two["TF_CONFIG"])
    assert "the same --data and --run" in refused("--mode", "began")
    assert "need --mode began" in refused("--mode", "audio2faces", "--run", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_another_backend_trains_in_one_process(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert type(open_devices(4, "run")) is OneDevice
    monkeypatch.setenv("TF_CONFIG", config_of({"worker": ["a:1", "b:1"]}, {"type": "worker", "index": 0})["TF_CONFIG"])
    with pytest.raises(InputError, match="backend jax trains in one process; set KERAS_BACKEND=tensorflow, or unset"):
        open_devices(4, "run")


def test_tensorflow_in_use_before_is_reported(monkeypatch):
    compiled(Began(TINY, audio_network_of(TINY.speech)))
    monkeypatch.setenv("TF_CONFIG", config_of({"worker": ["a:1", "b:1"]}, {"type": "worker", "index": 0})["TF_CONFIG"])
    with pytest.raises(InputError, match="must be configured at program startup; prepare the dataset first"):
        open_devices(4, "run")
