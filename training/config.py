"""Settings that all trainables share: the base class with JSON, the speech input, and the training schedule."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from preprocessing.speech.audio_features import FEATURE_PRESETS, FeatureSettings, FeatureStatistics
from runtime.errors import InputError

AUDIO_NETWORKS = ("time", "2017-linear", "2017-leaky", "2017-elu")  # what `SpeechConfig.network` may be, or
OF_VAE = "vae:"  # begin with


@dataclass(frozen=True)
class Config:
    """The base of all settings: frozen dataclasses of plain values and of other settings, each with a default."""

    def updated(self, **changes: Any) -> Self:
        """The same settings with some changed.

        Args:
            changes: new values by field name; a mapping changes fields of the settings that are nested there, as in
                `config.updated(training={"steps": 100})`.

        Raises:
            InputError: there is no such field, or the values do not go together.
        """
        if unknown := sorted(set(changes) - {field.name for field in dataclasses.fields(self)}):
            raise InputError(f"unknown settings {', '.join(unknown)}: from another version; install it, or train again")
        values = {}
        for name, value in changes.items():
            nested = getattr(self, name)
            if isinstance(nested, Config) and isinstance(value, Mapping):
                value = nested.updated(**value)
            values[name] = tuple(value) if isinstance(value, list) else value
        return dataclasses.replace(self, **values)

    def as_json(self) -> dict[str, Any]:
        """The settings as a JSON object, nested as they are; lists for tuples."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {
            name: value.as_json() if isinstance(value, Config) else list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The inverse of `as_json`.

        A missing key takes its default, so that what was written before a field was added stays readable: the default
        of a new field has to be what the code did without it.

        Raises:
            InputError: a key is unknown.
        """
        return cls().updated(**content)


@dataclass(frozen=True)
class SpeechConfig(Config):
    """The speech input: MFCC maps, and the audio network that encodes them."""

    features: str = "wide"  # a key of preprocessing.speech.audio_features.FEATURE_PRESETS
    network: str = "time"  # convolutions over time; "2017-...": 3x3 ones; "vae:RUN": the encoder of a VAE, frozen
    widths: tuple[int, ...] = (64, 128, 128)  # channels of the convolutions
    code_size: int = 64  # length of the code; 0: no speech input
    noise: float = 0.3  # standard deviation, added to the map in training
    dropout: float = 0.3  # share of the code left out in training

    def __post_init__(self) -> None:
        if self.features not in FEATURE_PRESETS:
            raise InputError(f"features {self.features!r}: unknown; choose from {', '.join(FEATURE_PRESETS)}")
        if self.network not in AUDIO_NETWORKS and not self.network.startswith(OF_VAE):
            raise InputError(
                f"audio network {self.network!r}: unknown; choose from {', '.join(AUDIO_NETWORKS)}, {OF_VAE}RUN"
            )

    @property
    def feature_settings(self) -> FeatureSettings:
        """How the maps are computed."""
        return FEATURE_PRESETS[self.features]

    @property
    def map_shape(self) -> tuple[int, int]:
        """Rows and coefficients of a map."""
        return self.feature_settings.rows, self.feature_settings.coefficients

    @property
    def standardised(self) -> bool:
        """Whether maps are in units of their deviation over the training speech; the 2017 project's were raw."""
        return not self.features.startswith("2017")

    def standardiser(self, statistics: FeatureStatistics) -> Callable[[np.ndarray], np.ndarray]:
        """The function from raw maps to the input of the networks, float32 of the same shape."""
        return statistics.standardise if self.standardised else lambda maps: np.asarray(maps, np.float32)


@dataclass(frozen=True)
class TrainingConfig(Config):
    """Steps, batches, learning rate, validations, precision and seed of a training."""

    steps: int = 8000
    batch_size: int = 16
    learning_rate: float = 3e-4  # Adam's, of the first step
    schedule: str = "cosine"  # it falls to zero along half a cosine; "halved": see the next three
    halve_every: int = 0  # steps; 0: never
    patience: int = 0  # validations without progress after which it is halved; 0: never
    smallest_rate: float = 0.0  # below which it is not halved
    evaluate_every: int = 1000  # steps between validations, each with pictures and a checkpoint
    precision: str = "auto"  # "mixed_bfloat16" where the processor has it, or "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "evaluate_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)}: give 1 or more")
        if self.schedule not in ("cosine", "halved"):
            raise InputError(f"schedule {self.schedule!r}: unknown; choose cosine or halved")
        if self.schedule == "cosine" and (self.halve_every or self.patience):
            raise InputError("halve_every and patience: only the schedule halved knows them")
