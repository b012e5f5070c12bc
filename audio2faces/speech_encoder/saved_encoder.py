"""The folder of a speech encoder, from which the training of a face starts.

config.json      schema, kind, name, settings of the speech, feature statistics, minutes of each speaker
encoder.keras    standardised map -> code, float32 rounded to float16
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import keras
import numpy as np

from audio2faces.config import RegressorConfig
from audio2faces.published import ENCODER_KIND, find_encoder
from audio2faces.speech_encoder.config import FOLDER, SCHEMA, read_encoder_config
from began.config import BeganConfig
from preprocessing.speech.audio_features import FeatureStatistics
from runtime.errors import InputError
from runtime.files import atomic_folder, write_json
from training.checkpoints import DAMAGED
from training.config import SpeechConfig
from training.network_files import load_network, save_network


@dataclass(frozen=True)
class SavedEncoder:
    """A trained speech encoder.

    Attributes:
        name: of the run that made it.
        speech: its settings.
        statistics: of the speech of all its speakers.
        network: `keras.Model` from maps standardised with these [batch, rows, coefficients] to [batch, code_size].
    """

    name: str
    speech: SpeechConfig
    statistics: FeatureStatistics
    network: keras.Model

    @cached_property
    def fingerprint(self) -> str:
        """Tells one encoder from another by its weights."""
        digest = hashlib.sha256()
        for weight in [*self.network.get_weights(), self.statistics.mean, self.statistics.deviation]:
            digest.update(np.ascontiguousarray(weight, np.float32).tobytes())
        return digest.hexdigest()[:16]


def save_encoder(run_dir: Path, encoder: SavedEncoder, minutes: dict[str, float]) -> Path:
    """Writes the folder, whole or not at all.

    Args:
        run_dir: folder of the run.
        encoder: what is written.
        minutes: of training speech of each speaker, by name.

    Returns:
        path of the folder.
    """
    folder = Path(run_dir) / FOLDER
    with atomic_folder(folder) as partial:
        save_network(partial / "encoder.keras", encoder.network)
        write_json(
            partial / "config.json",
            {
                "schema": SCHEMA,
                "kind": ENCODER_KIND,
                "name": encoder.name,
                "speech": encoder.speech.as_json(),
                "feature_statistics": encoder.statistics.as_json(),
                "minutes": minutes,
            },
        )
    return folder


def load_encoder(folder: Path) -> SavedEncoder:
    """Reads a speech encoder.

    Args:
        folder: of the encoder, or of the run that left it.

    Raises:
        InputError: there is no such folder, it holds something else or another schema version, or a file is missing or
            damaged.
    """
    folder, content = read_encoder_config(folder)
    path = folder / "encoder.keras"
    if not path.is_file():
        raise InputError(f"{path}: missing; copy the whole folder again")
    try:
        speech = SpeechConfig.from_json(content["speech"])
        statistics = FeatureStatistics.from_json(content["feature_statistics"])
        network = load_network(path)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error
    except DAMAGED as error:
        raise InputError(f"{folder}: damaged speech encoder ({error}); copy the whole folder again") from error
    if network.input_shape[1:] != speech.map_shape or network.output_shape[1:] != (speech.code_size,):
        raise InputError(f"{path}: not the network of its config.json; copy the whole folder again")
    return SavedEncoder(str(content["name"]), speech, statistics, network)


def encoder_of(config: RegressorConfig | BeganConfig) -> SavedEncoder | None:
    """The speech encoder that a training starts from; None for none.

    Raises:
        InputError: there is no such encoder, or it is damaged, or of other speech.
    """
    encoder = load_encoder(find_encoder(config.encoder)) if config.encoder else None
    if encoder and encoder.speech != config.speech:
        raise InputError(f"{config.encoder}: a speech encoder of other settings than this preset's speech")
    return encoder
