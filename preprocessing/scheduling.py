"""Runs tasks in several processes, or on the machines of a Dask cluster."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import cv2

from media import reading as media
from runtime.errors import InputError
from runtime.interrupts import INTERRUPTED

TRIES = 3  # how often a task may lose its process before it is given up
CONNECTION_SECONDS = 10  # to wait for a scheduler to answer


def run_tasks(
    function: Callable, tasks: list, workers: int = 1, cluster: str | None = None, threads: Any = None
) -> Iterator[Any]:
    """Runs a function over tasks; a task whose process dies is done again.

    Args:
        function: importable function of one task; what it raises is raised here.
        tasks: list of picklable values.
        workers: number of processes.
        cluster: address of a Dask scheduler, as `tcp://host:8786`, in place of processes here. Its workers need the
            project installed, and the same paths for the dataset and the sources.
        threads: of each process; None for an equal share of the cores.

    Yields:
        (task, result) as they are done; the result is an `InputError` where the task's process died TRIES times.

    Raises:
        InputError: there is no such cluster, or Dask is not installed.
    """
    if cluster:
        yield from _on_cluster(function, tasks, cluster)
    else:
        yield from _in_processes(function, tasks, workers, threads or max(1, (os.cpu_count() or 1) // workers))


def use_threads(count: Any) -> None:
    """Limits this process to so many threads of computing; to be called before TensorFlow is imported."""
    for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ[variable] = str(count)
    cv2.setNumThreads(count)
    media.decoder_threads = count


def _start_worker(threads: Any) -> None:
    """Prepares a process of the pool; it ends when the one that started it does, even by a kill."""
    signal.signal(signal.SIGINT, lambda *_: sys.exit(INTERRUPTED))  # Ctrl-C reaches it, too: it ends without a word
    use_threads(threads)
    parent = multiprocessing.parent_process()

    def follow():
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _in_processes(function: Callable, tasks: list, workers: int, threads: int) -> Iterator[Any]:
    waiting, suspects = deque(tasks), []
    while waiting:
        with _pool(workers, threads) as pool:
            running = {}
            try:
                while waiting or running:
                    while waiting and len(running) < workers:
                        future = pool.submit(function, waiting[0])
                        running[future] = waiting.popleft()
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        task = running[future]
                        result = future.result()
                        del running[future]
                        yield task, result
            except BrokenProcessPool:  # it does not say which process died
                suspects += running.values()
    for task in suspects:
        yield task, _alone(function, task, threads)


def _alone(function: Callable, task: Any, threads: int) -> Any:
    """The result of a task that was running when a process died, in a process for itself."""
    for _ in range(TRIES - 1):
        with _pool(1, threads) as pool, contextlib.suppress(BrokenProcessPool):
            return pool.submit(function, task).result()
    return InputError(f"its process died {TRIES} times; is there enough memory for it?")


def _pool(workers: int, threads: int) -> Any:
    # New processes, not copies of this one: TensorFlow does not survive a fork.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, context, _start_worker, (threads,))


def _on_cluster(function: Callable, tasks: list, address: str) -> Iterator[Any]:
    try:
        from dask.distributed import Client, KilledWorker
        from dask.distributed import as_completed as completed
    except ImportError as error:
        raise InputError("--cluster needs Dask: pip install 'dask[distributed]'") from error
    try:
        client = Client(address, timeout=CONNECTION_SECONDS)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{address}: no Dask scheduler answers there ({error}); start one with `dask scheduler`"
        ) from error
    with client:
        futures = {client.submit(function, task, pure=False): task for task in tasks}
        for future in completed(list(futures)):
            try:
                result = future.result()
            except KilledWorker:
                result = InputError("its worker died several times; do the workers have enough memory?")
            future.release()  # or Dask does it again should the worker that keeps the result die
            yield futures.pop(future), result
