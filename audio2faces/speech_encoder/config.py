"""The settings of a speech encoder and of its training, the presets, and config.json of a saved encoder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio2faces.config import ENCODER_SPEECH, Startable, starting_from
from audio2faces.published import ENCODER_KIND, find_encoder
from runtime.errors import InputError
from runtime.files import read_json
from training.config import Config, SpeechConfig, TrainingConfig

SCHEMA = 1  # of the folder of a saved encoder
FOLDER = "speech-encoder"  # within a run


@dataclass(frozen=True)
class SpeechEncoderConfig(Config):
    """What a speech encoder is and how it is trained. The defaults are the preset `full`."""

    speech: SpeechConfig = ENCODER_SPEECH
    augmented_frames: int = 36000  # of each speaker: the fewer clips, the more versions of each
    most_versions: int = 24
    shared: float = 1.0  # weight of the output that all speakers share, against those of each alone
    training: TrainingConfig = TrainingConfig(steps=12000, batch_size=64, learning_rate=1e-3, evaluate_every=1000)

    def versions(self, frames: int) -> int:
        """How many versions of a speaker's speech are made, by the number of training frames."""
        return min(max(self.augmented_frames // frames, 1), self.most_versions)

    def __post_init__(self) -> None:
        if not self.speech.code_size:
            raise InputError("a speech encoder needs speech: speech.code_size is 0")


PRESETS = {
    "full": SpeechEncoderConfig(),
    "sample": SpeechEncoderConfig().updated(
        augmented_frames=4000, training={"steps": 600, "batch_size": 32, "evaluate_every": 200}
    ),
}


def read_encoder_config(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Reads config.json of a speech encoder, without Keras.

    Args:
        folder: of the encoder, or of the run that left it.

    Returns:
        (folder, content): of the encoder itself.

    Raises:
        InputError: there is no such folder, or it holds something else or another schema version.
    """
    if (folder / FOLDER / "config.json").is_file():
        folder = folder / FOLDER
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder}: no such speech encoder; give the folder of one, or nothing to start without")
    content = read_json(folder / "config.json")
    if content.get("kind") != ENCODER_KIND:
        what = content.get("kind") or f"a run of mode {content.get('mode')}"
        raise InputError(f"{folder}: {what}, no {ENCODER_KIND}; give the folder of a speech encoder")
    if content.get("schema") != SCHEMA:
        raise InputError(f"{folder}: schema {content.get('schema')}, this version reads {SCHEMA}; train it again")
    return folder, content


def read_speech_config(folder: Path) -> SpeechConfig:
    """The settings of the speech of an encoder: see `read_encoder_config`."""
    folder, content = read_encoder_config(folder)
    try:
        return SpeechConfig.from_json(content["speech"])
    except (InputError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder / 'config.json'}: damaged ({error}); copy the whole folder again") from error


def with_encoder(config: Startable, encoder: str | Path) -> Startable:
    """The settings of a training that starts from another speech encoder.

    Args:
        config: settings.
        encoder: name of a published encoder, or folder of one.

    Raises:
        InputError: there is no such encoder.
    """
    return starting_from(config, str(encoder), read_speech_config(find_encoder(encoder)))
