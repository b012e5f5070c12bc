"""What all settings of trainings share: they are read and written as JSON, and name their features."""

import dataclasses
from dataclasses import dataclass

from preprocessing.speech.audio_features import FEATURE_PRESETS
from runtime.program import InputError


@dataclass(frozen=True)
class TrainingSettings:
    """The base of `BeganConfig`, `VaeConfig` and the regressor's: frozen dataclasses of plain values."""

    @property
    def feature_settings(self):
        """The `FeatureSettings` of the maps, which the field `features` names."""
        return FEATURE_PRESETS[self.features]

    @property
    def rows(self):
        """Rows of a map."""
        return self.feature_settings.rows

    @property
    def coefficients(self):
        """Coefficients of a row."""
        return self.feature_settings.coefficients

    def as_json(self):
        """The settings as a JSON object: lists for tuples."""
        fields = dataclasses.asdict(self)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in fields.items()}

    @classmethod
    def from_json(cls, content):
        """The inverse of `as_json`.

        A missing key takes its default, so that what was written before a field was added stays readable: the default
        of a new field has to be what the code did without it.

        Raises:
            InputError: a key is unknown.
        """
        if unknown := set(content) - {field.name for field in dataclasses.fields(cls)}:
            raise InputError(
                f"unknown settings {', '.join(sorted(unknown))}: from another version; install it, or train again"
            )
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in content.items()})
