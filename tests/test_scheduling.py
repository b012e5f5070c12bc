"""Tasks in several processes and on a cluster, with processes that die."""

import os
import signal
from pathlib import Path

import pytest

from preprocessing import scheduling
from preprocessing.clips import Settings, SourceTask, content_hash, prepare_source
from preprocessing.scheduling import run_tasks
from runtime.errors import InputError

from .conftest import SAMPLES


def square(task):
    """The square of a number, but the process dies as often as the task's file has letters; each takes one away."""
    folder, number = task
    lives = Path(folder) / str(number)
    if lives.exists() and lives.read_text():
        lives.write_text(lives.read_text()[:-1])
        os.kill(os.getpid(), signal.SIGKILL)
    if number < 0:
        raise OSError(28, "No space left on device")
    return number**2


def test_every_task_is_done_once_in_two_processes(tmp_path):
    tasks = [(str(tmp_path), number) for number in range(6)]
    assert sorted(run_tasks(square, tasks, workers=2)) == [(task, task[1] ** 2) for task in tasks]


def test_a_task_whose_process_dies_is_done_again_and_given_up_the_third_time(tmp_path):
    (tmp_path / "1").write_text("x")
    (tmp_path / "3").write_text("xxx")
    tasks = [(str(tmp_path), number) for number in range(8)]
    results = {task[1]: result for task, result in run_tasks(square, tasks, workers=2)}
    error = results.pop(3)
    assert results == {number: number**2 for number in range(8) if number != 3}  # no other suffers for it
    assert isinstance(error, InputError) and "died 3 times" in str(error)


def test_an_error_of_a_task_ends_the_job(tmp_path):
    with pytest.raises(OSError, match="No space left"):
        list(run_tasks(square, [(str(tmp_path), -1)], workers=2))


def test_a_cluster_loses_a_worker_and_no_clip(tmp_path):
    distributed = pytest.importorskip("dask.distributed")
    names = ["bbir8p", "lbbq9s", "pgij9s", "sgac2n"]
    for folder in ("clips", "sources"):
        (tmp_path / folder).mkdir()
    tasks = []
    for name in names:
        path = str(SAMPLES / f"{name}.mkv")
        settings = Settings(segments="whole")
        tasks.append(SourceTask(str(tmp_path), name, path, path, path, content_hash(path, path), (), settings))
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        with distributed.Client(cluster) as client:
            victim = min(client.run(os.getpid).values())
        done = []
        for task, record in run_tasks(prepare_source, tasks, cluster=cluster.scheduler_address):
            if not done:
                os.kill(victim, signal.SIGKILL)
            done.append((task.name, record["clips"][0]["frames_kept"]))
    assert sorted(done) == [(name, 75) for name in names]
    assert sorted(path.name for path in (tmp_path / "clips").glob("[!.]*")) == names


def test_no_scheduler_at_the_address(monkeypatch):
    pytest.importorskip("dask.distributed")
    monkeypatch.setattr(scheduling, "CONNECTION_SECONDS", 0.2)
    with pytest.raises(InputError, match="no Dask scheduler answers"):
        list(run_tasks(square, [], cluster="tcp://127.0.0.1:9"))
