"""What a training step runs on: one device, or several, in one process or in many; the environment decides.

TF_CONFIG names the processes of a run; without it one process takes every GPU that it sees (docs/distributed.md).
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from runtime.errors import InputError

JOBS = ("chief", "worker")  # kinds of process that TF_CONFIG may name, the one that writes first
EXAMPLE = '{"cluster": {"worker": ["first:2222", "second:2222"]}, "task": {"type": "worker", "index": 0}}'


@dataclass(frozen=True)
class Cluster:
    """The processes of a run.

    Attributes:
        addresses: "host:port" of each, the one that writes first.
        index: of this one among them.
    """

    addresses: tuple[str, ...]
    index: int


def read_cluster(environment: Mapping[str, str] = os.environ) -> Cluster | None:
    """The `Cluster` that TF_CONFIG names; None where it names no more than one process.

    Raises:
        InputError: TF_CONFIG is malformed.
    """
    text = environment.get("TF_CONFIG", "").strip()
    if not text:
        return None
    try:
        content = json.loads(text)
    except ValueError as error:
        raise InputError(f"TF_CONFIG: not valid JSON ({error}); it should look like {EXAMPLE}") from error
    jobs = content.get("cluster") or {} if isinstance(content, dict) else None
    if not isinstance(jobs, dict) or not all(isinstance(addresses, list) for addresses in jobs.values()):
        raise InputError(f"TF_CONFIG: cluster is not a list of addresses per job; it should look like {EXAMPLE}")
    if unknown := sorted(set(jobs) - set(JOBS)):
        raise InputError(f"TF_CONFIG: job {unknown[0]}: training has only {' and '.join(JOBS)}; remove it")
    places = [(job, index) for job in JOBS for index in range(len(jobs.get(job, ())))]
    addresses = [jobs[job][index] for job, index in places]
    for address in addresses:
        host, _, port = address.rpartition(":") if isinstance(address, str) else ("", "", "")
        if not host or not port.isdigit() or addresses.count(address) > 1:
            raise InputError(f"TF_CONFIG: address {address!r}: each process needs a host:port of its own")
    if len(addresses) < 2:
        return None
    task = content.get("task")
    task = (task.get("type"), task.get("index")) if isinstance(task, dict) else None
    if task not in places or isinstance(task[1], bool):
        named = ", ".join(f"{job} {index}" for job, index in places)
        raise InputError(f"TF_CONFIG: its task is not one of {named}; it should look like {EXAMPLE}")
    return Cluster(tuple(addresses), places.index(task))


class Devices(Protocol):
    """What a training needs from the devices that share its steps.

    Attributes:
        chief: whether this process validates the model and writes the run folder.
    """

    chief: bool

    def agree(self, what: str, value: int | str) -> None:
        """Waits for all processes and makes sure that they have the same `value`, a number or a text, of `what`.

        Raises:
            InputError: the processes have different values, or one is gone.
        """

    def spread(self, model: Any, make: Callable[..., Any]) -> Any:
        """The model that learns on all devices, in the state of `model`; `make(**options)` builds a new one."""

    def step(self, learner: Any, batch: Mapping[str, Any]) -> dict[str, Any]:
        """One training step of the model given by `spread`.

        Returns:
            the loss and the watched values over the whole batch, by name; they are not waited for.

        Raises:
            InputError: another process is gone.
        """

    def bring_back(self, learner: Any, model: Any) -> None:
        """Gives `model` the state of `learner`."""

    def wait(self) -> None:
        """Waits until all processes are here."""


class OneDevice:
    """The `Devices` of most runs: a single one, in a single process."""

    chief = True

    def __init__(self) -> None:
        self._step: Any = None

    def agree(self, what: str, value: int | str) -> None:
        """See `Devices`."""

    def spread(self, model: Any, make: Callable[..., Any]) -> Any:
        """See `Devices`."""
        from training.step import compile_step

        self._step = compile_step(model)
        return model

    def step(self, learner: Any, batch: Mapping[str, Any]) -> dict[str, Any]:
        """See `Devices`."""
        return self._step(batch)

    def bring_back(self, learner: Any, model: Any) -> None:
        """See `Devices`."""

    def wait(self) -> None:
        """See `Devices`."""


def open_devices(batch_size: int, run_dir: Path) -> Devices:
    """What this process is to train on; call it before the backend's first operation.

    Args:
        batch_size: frames of a step, over all devices.
        run_dir: folder of the run, which the complaint about a lost process names.

    Raises:
        InputError: TF_CONFIG is malformed or another backend than TensorFlow runs, the other processes cannot be
            joined, or the batch cannot be divided among the devices.
    """
    import keras

    cluster = read_cluster()
    if keras.backend.backend() != "tensorflow":
        if cluster:
            raise InputError(
                f"TF_CONFIG: the Keras backend {keras.backend.backend()} trains in one process; "
                "set KERAS_BACKEND=tensorflow, or unset TF_CONFIG"
            )
        return OneDevice()
    if cluster:
        from training.distribution import join

        return join(cluster, batch_size, run_dir)
    if len(keras.distribution.list_devices("gpu") or keras.distribution.list_devices("cpu")) > 1:
        from training.distribution import all_devices

        return all_devices(batch_size, run_dir)
    return OneDevice()
