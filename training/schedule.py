"""The learning rate of a step: a function of the step's number and of what was logged before it."""

import math
from collections.abc import Iterable

from training.config import TrainingConfig

STALLED = 0.001  # a measure has to fall by this share of itself to count as a new lowest


def learning_rate(config: TrainingConfig, step: int, measured: Iterable[float | None] = ()) -> float:
    """The learning rate of a step.

    Args:
        config: of the training.
        step: its number, from 0.
        measured: values of what should fall, one of each validation before the step; None where there is none.
    """
    if config.schedule == "cosine":
        return config.learning_rate * (1 + math.cos(math.pi * min(step / config.steps, 1))) / 2
    halvings = step // config.halve_every if config.halve_every else 0
    if config.patience:
        halvings += stalls(measured, config.patience)
    return max(config.learning_rate / 2**halvings, config.smallest_rate)


def stalls(measured: Iterable[float | None], patience: int) -> int:
    """How often values did not come to a new lowest `patience` times in a row."""
    count, lowest, since = 0, math.inf, 0
    for value in measured:
        if value is None:
            continue
        if value < lowest * (1 - STALLED):
            lowest, since = value, 0
        elif (since := since + 1) == patience:
            count, since = count + 1, 0
    return count
