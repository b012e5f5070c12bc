"""Several devices that share each training step, by tf.distribute: GPUs of one machine, or processes on many.

Each device takes its rows of the step's batch; gradients are summed over the devices, so that a step is that of one
device with the whole batch. Keras 3.15's `fit` does not work with several processes (keras issue 20585), a
`tf.function` around `strategy.run` does.
"""

import contextlib
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import tensorflow as tf

from runtime.errors import InputError
from training.checkpoints import kept_checkpoints

SEED_STRIDE = 1_000_003  # between the seeds of two devices, so that each draws noise and dropout of its own
LOST = (  # what TensorFlow raises when another process is gone
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
    tf.errors.UnknownError,
)


def all_devices(batch_size: int, run_dir: Path) -> Any:
    """Every GPU of this machine, or every logical CPU where there is none, in this process."""
    names = [device.name for device in tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")]
    return SeveralDevices(tf.distribute.MirroredStrategy(names), batch_size, run_dir)


def join(cluster: Any, batch_size: int, run_dir: Path) -> Any:
    """Joins the processes of a `devices.Cluster`; waits until all are there."""
    own = cluster.addresses[cluster.index]
    count = len(cluster.addresses)
    print(f"process {cluster.index + 1} of {count}, {own}: waiting for the others", file=sys.stderr, flush=True)
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:  # TensorFlow was at work before
        raise InputError(f"TF_CONFIG: {first_line(error)}; prepare the dataset first and give --data") from error
    except tf.errors.OpError as error:
        raise InputError(
            f"TF_CONFIG: {own} cannot join the other processes ({first_line(error)}); is the port free here, and does "
            "each process reach the addresses of the others?"
        ) from error
    return SeveralDevices(strategy, batch_size, run_dir, chief=cluster.index == 0, lost=LOST)


class SeveralDevices:
    """`devices.Devices` that are several.

    Args:
        strategy: `tf.distribute.Strategy`.
        batch_size: frames of a step, over all devices.
        run_dir: folder of the run.
        chief: whether this process writes it.
        lost: errors that mean that another process is gone.

    Raises:
        InputError: the batch cannot be divided.
    """

    def __init__(
        self,
        strategy: Any,
        batch_size: int,
        run_dir: Path,
        chief: bool = True,
        lost: tuple[type[Exception], ...] = (),
    ) -> None:
        self.strategy, self.run_dir, self.chief, self.lost = strategy, Path(run_dir), chief, lost
        self.replicas = strategy.num_replicas_in_sync
        self._train: Any = None
        self._names: Sequence[str] = ()
        if batch_size % self.replicas:
            raise InputError(
                f"batch of {batch_size}: cannot be divided among {self.replicas} devices; "
                f"give a --batch-size that {self.replicas} divides"
            )

    def agree(self, what: str, value: int | str) -> None:
        """See `Devices`.

        Raises:
            InputError: the processes have different values, or one is gone.
        """
        numbers = self._gather(value if isinstance(value, int) else zlib.crc32(value.encode()))
        if len(set(numbers)) > 1:
            values = f" ({', '.join(map(str, numbers))})" if isinstance(value, int) else ""
            raise InputError(
                f"{self.run_dir}: the processes disagree on the {what}{values}; give all the same command, "
                "and folders that all of them see"
            )

    def _gather(self, number: int) -> list[int]:
        """The whole numbers that all devices give."""

        @partial(tf.function, autograph=False)
        def gather() -> Any:
            return self.strategy.gather(self.strategy.run(lambda: tf.constant([number], tf.int64)), axis=0)

        with self._naming_the_checkpoint():
            return gather().numpy().tolist()

    def spread(self, model: Any, make: Callable[..., Any]) -> Any:
        """See `Devices`."""
        with self._naming_the_checkpoint(), self.strategy.scope():
            learner = make(mean_over_replicas=mean_over_replicas, replicas=self.replicas)
        copy_state(model, learner)
        states = [variable for variable in learner.variables if variable.path.endswith("seed_generator_state")]

        def train(rows: dict[str, Any]) -> Any:
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            for state in states:
                state.assign_add(tf.cast(tf.stack([replica * SEED_STRIDE, 0]), state.dtype))
            learner.reset_metrics()  # here, because outside it each of them would synchronise all processes
            values = learner.train_step(rows)
            self._names = list(values)
            return tf.stack([tf.cast(value, tf.float32) for value in values.values()])

        def train_everywhere(rows: Any) -> Any:
            return self.strategy.reduce("MEAN", self.strategy.run(train, args=(rows,)), axis=None)

        self._train = tf.function(train_everywhere, autograph=False)
        return learner

    def step(self, learner: Any, batch: Mapping[str, Any]) -> dict[str, Any]:
        """See `Devices`.

        Raises:
            InputError: another process is gone.
        """

        def rows_of(context: Any) -> dict[str, Any]:
            own, count = context.replica_id_in_sync_group, len(next(iter(batch.values()))) // self.replicas
            return {name: tf.constant(values[own * count : (own + 1) * count]) for name, values in batch.items()}

        with self._naming_the_checkpoint():
            values = self._train(self.strategy.experimental_distribute_values_from_function(rows_of))
        return dict(zip(self._names, tf.unstack(values), strict=True))

    def bring_back(self, learner: Any, model: Any) -> None:
        """See `Devices`. What is validated and saved is a model outside the strategy, which no other has to attend."""
        copy_state(learner, model)

    def wait(self) -> None:
        """See `Devices`: a process that left while another writes would count as lost."""
        self.agree("end", 0)

    @contextlib.contextmanager
    def _naming_the_checkpoint(self) -> Iterator[None]:
        """Says where to go on from when another process is gone."""
        try:
            yield
        except self.lost as error:
            kept = kept_checkpoints(self.run_dir)
            remedy = f"resume from {kept[0]}" if kept else "start over, for there is no checkpoint yet"
            raise InputError(
                f"{self.run_dir}: another process of this run ended or cannot be reached ({first_line(error)}); "
                f"start all of them again with the same commands, and they {remedy}"
            ) from error


def gpu_capability() -> tuple[int, ...] | None:
    """CUDA compute capability (major, minor) of the first GPU that TensorFlow sees; None without one."""
    for device in tf.config.list_physical_devices("GPU"):
        return tf.config.experimental.get_device_details(device).get("compute_capability")
    return None


def mean_over_replicas(value: Any) -> Any:
    """The mean of a scalar over all devices of the step."""
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, value)


def copy_state(source: Any, target: Any) -> None:
    """Gives a model the weights, moments and counters of another."""
    pairs = zip(
        [*source.weights, *source.optimizer.variables], [*target.weights, *target.optimizer.variables], strict=True
    )
    for ours, theirs in pairs:
        theirs.assign(ours.numpy())


def first_line(error: Exception) -> str:
    """What TensorFlow has to say, without where in its graph it was."""
    message = str(getattr(error, "message", error))
    return (message.partition("aborted by: ")[2] or message).splitlines()[0]
