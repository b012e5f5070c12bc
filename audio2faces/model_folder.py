"""The model folder: all that generation and evaluation need, and nothing else.

config.json        schema, kind, name, frame rate, settings, feature statistics, sound needed around a frame
regressor.keras    the network, float32
reference.png      a real face of the speaker at rest, which the motion is added to
reference_map.npy  the MFCC map of that moment
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import keras
import numpy as np

import began.model_folder
from began.model_folder import read_config
from preprocessing.audio_features import FeatureStatistics
from preprocessing.files import whole_folder, write_json
from preprocessing.pictures import read_png, write_png
from preprocessing.pixels import to_signed, to_uint8
from preprocessing.program import InputError

from .config import RegressorConfig

SCHEMA = 1
KIND = "regressor"
BATCH = 64  # frames that the network takes at once when generating


@dataclass(frozen=True)
class TalkingFace:
    """A trained model.

    Attributes:
        name: of the run that made it.
        config: `RegressorConfig`.
        frame_rate: frames per second.
        statistics: `FeatureStatistics` of the training speech.
        network: `keras.Model` from standardised maps to motion.
        reference: the face that motion is added to, uint8 RGB [shape=(size, size, 3)].
        reference_map: raw MFCC map of that face's moment [shape=(rows, n_mfcc)].
    """

    name: str
    config: RegressorConfig
    frame_rate: float
    statistics: FeatureStatistics
    network: keras.Model
    reference: np.ndarray
    reference_map: np.ndarray

    def motion(self, maps):
        """Motion for raw MFCC maps [shape=(n, rows, n_mfcc)]: float32 in about [-2, 2] [shape=(n, size, size, 3)].

        The network always sees batches of BATCH, so that it is traced once and a frame does not depend on how many
        are asked for.
        """
        standardised = self.statistics.standardise(maps)
        motion = []
        for first in range(0, len(standardised), BATCH):
            batch = standardised[first : first + BATCH]
            padded = np.concatenate([batch, np.zeros((BATCH - len(batch), *batch.shape[1:]), np.float32)])
            motion.append(np.asarray(self.network.predict_on_batch(padded))[: len(batch)])
        return np.concatenate(motion)

    def faces(self, maps):
        """Faces for raw MFCC maps: the reference plus the motion since its moment, uint8 RGB.

        The reference keeps its own sharpness; only what moves is the network's.

        Args:
            maps: [shape=(n, rows, n_mfcc)].

        Returns:
            [shape=(n, size, size, 3)].
        """
        return to_uint8(to_signed(self.reference) + self.motion(maps) - self._motion_of_reference)

    @cached_property
    def _motion_of_reference(self):
        return self.motion(self.reference_map[None])[0]


def save_model(folder, model):
    """Writes a model folder, whole or not at all.

    Args:
        folder: where to; an older model there is replaced.
        model: `TalkingFace`.
    """
    features = model.config.feature_settings
    with whole_folder(folder) as partial:
        model.network.save(partial / "regressor.keras")
        write_png(partial / "reference.png", model.reference)
        np.save(partial / "reference_map.npy", model.reference_map)
        write_json(
            partial / "config.json",
            {
                "schema": SCHEMA,
                "kind": KIND,
                "name": model.name,
                "frame_rate": model.frame_rate,
                "left_context_seconds": features.left_context / features.sample_rate,
                "look_ahead_seconds": features.look_ahead / features.sample_rate,
                "config": model.config.as_json(),
                "feature_statistics": model.statistics.as_json(),
            },
        )


def load_model(folder):
    """Reads a model folder: a `TalkingFace`, or a `began.model_folder.BeganFace`, which makes faces the same way.

    Raises:
        InputError: a file is missing or damaged, or the folder has another schema version.
    """
    folder = Path(folder)
    content = read_config(folder, {KIND: SCHEMA, began.model_folder.KIND: began.model_folder.SCHEMA})
    if content["kind"] == began.model_folder.KIND:
        return began.model_folder.load_model(folder)
    for name in ("regressor.keras", "reference.png", "reference_map.npy"):
        if not (folder / name).is_file():
            raise InputError(f"{folder / name}: missing; copy the whole model folder again")
    try:
        config = RegressorConfig.from_json(content["config"])
        model = TalkingFace(
            name=str(content["name"]),
            config=config,
            frame_rate=float(content["frame_rate"]),
            statistics=FeatureStatistics.from_json(content["feature_statistics"]),
            network=keras.models.load_model(folder / "regressor.keras", compile=False),
            reference=read_png(folder / "reference.png"),
            reference_map=np.load(folder / "reference_map.npy", allow_pickle=False),
        )
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, OSError, EOFError) as error:
        raise InputError(f"{folder}: damaged model ({error}); copy the whole model folder again") from error
    if model.reference.shape != (config.size, config.size, 3):
        raise InputError(f"{folder / 'reference.png'}: not of {config.size} pixels; copy the model folder again")
    model.network.compile(jit_compile=False)
    return model
