"""Numbers of a run over its steps: metrics.csv for people and programs, TensorBoard where TensorFlow runs."""

import contextlib
import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from runtime.errors import InputError
from runtime.files import atomic_write
from runtime.tensorflow_files import written_by_tensorflow


class MetricsLog:
    """Appends rows of named numbers; a continued run drops the rows that its checkpoint does not know.

    One that does not write keeps its rows to itself: where several processes share a run, one writes.

    Attributes:
        rows: dictionaries from "step" and the names of columns to numbers, None where there is none; a continued run
            has the very numbers of the one that was interrupted.
    """

    def __init__(self, run_dir: Path, columns: Sequence[str], step: int, writes: bool = True) -> None:
        self.run_dir = Path(run_dir)
        self.path = self.run_dir / "metrics.csv"
        self.columns = ["step", *columns]
        self.writes = writes
        self.rows = [row for row in self._read() if row["step"] <= step]
        self._write()
        self.board: Any = None
        if writes and keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            self._tf = tf
            self.board = tf.summary.create_file_writer(str(Path(run_dir) / "tensorboard"))

    @property
    def last_step(self) -> int:
        """Of the last row; 0 without one."""
        return self.rows[-1]["step"] if self.rows else 0

    def lowest(self, name: str) -> float:
        """The lowest number in a column; infinity where there is none."""
        return min(self._known(name), default=math.inf)

    def highest(self, name: str) -> float:
        """The highest number in a column; minus infinity where there is none."""
        return max(self._known(name), default=-math.inf)

    def _known(self, name: str) -> list[float]:
        return [row[name] for row in self.rows if row[name] is not None]

    def add(self, step: int, values: Mapping[str, Any]) -> None:
        """Logs `values`, a dictionary with the columns given at the start; None and NaN leave a cell empty."""
        values = {name: _number(value) for name, value in values.items()}
        self.rows.append({"step": step, **values})
        self._write()
        if self.board:
            with self._on_board(step):
                for name, value in values.items():
                    if value is not None:
                        self._tf.summary.scalar(name, value)

    def add_picture(self, step: int, name: str, image: np.ndarray) -> None:
        """Shows a uint8 RGB picture in TensorBoard."""
        if self.board:
            with self._on_board(step):
                self._tf.summary.image(name, image[None])

    @contextlib.contextmanager
    def _on_board(self, step: int) -> Iterator[None]:
        with written_by_tensorflow(self.run_dir / "tensorboard"):
            with self.board.as_default(step=step):
                yield
            self.board.flush()

    def _read(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        with open(self.path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        try:
            return [
                {"step": int(row["step"]), **{name: _number(row.get(name) or None) for name in self.columns[1:]}}
                for row in rows
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{self.path}: not as it was written; restore it, or start a new --run") from error

    def _write(self) -> None:
        if not self.writes:
            return
        with atomic_write(self.path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(self.rows)


def _number(value: Any) -> float | None:
    """A float, which Python writes and reads without loss; None for what is not finite."""
    if value is None or not math.isfinite(number := float(value)):
        return None
    return number
