"""A trained generator, in memory and on disk: the model folder holds nothing of the discriminator.

config.json      schema, kind, name, frame rate, settings, feature statistics, sound needed around a frame
generator.keras  from standardised maps and z to faces, float32 rounded to float16
codes.npy        codes of training faces, of which z is made; not where z is uniform noise
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import keras
import numpy as np

from began.config import BeganConfig
from began.model import Began
from began.model_folder import KIND, SCHEMA, read_config
from began.networks.inference import in_batches, without_xla
from media.pixels import to_uint8
from preprocessing.speech.audio_features import FeatureStatistics
from runtime.errors import InputError
from runtime.files import atomic_folder, write_json
from training.checkpoints import DAMAGED
from training.network_files import load_network, save_network

MIXED = 0.3  # share of the other face's deviation in z


@dataclass(frozen=True)
class BeganFace:
    """A trained generator.

    Attributes:
        name: of the run that made it.
        config: `BeganConfig`.
        frame_rate: frames per second.
        statistics: `FeatureStatistics` of the training speech.
        network: `keras.Model` from the pair (standardised maps [batch, rows, coefficients], z [batch, z_size]), or
            what of it there is, to faces in about [-1, 1].
        codes: of training faces [shape=(n, z_size)], or None where z is uniform noise or there is none.
    """

    name: str
    config: BeganConfig
    frame_rate: float
    statistics: FeatureStatistics
    network: keras.Model
    codes: np.ndarray | None

    def draw(self, count: int, seed: int) -> np.ndarray:
        """What the speech leaves open for `count` faces: z [shape=(count, z_size)], head pose and colour cast.

        Each is a training face's code with a little of another's: z has their mean and covariance and lies where they
        do (a smoothed bootstrap: Silverman and Young 1987); the standard normal gave faces with double edges.
        """
        generator = np.random.default_rng(seed)
        if self.codes is None:
            return generator.uniform(-1, 1, (count, self.config.z_size)).astype(np.float32)
        centre = self.codes.mean(axis=0)
        one, other = self.codes[generator.integers(len(self.codes), size=(2, count))] - centre
        return (centre + np.sqrt(1 - MIXED**2) * one + MIXED * other).astype(np.float32)

    # What a `FaceModel` may have.
    paints, footage, filmed, likeness = False, None, None, None

    @cached_property
    def z(self) -> np.ndarray:
        """The z that a video holds [shape=(1, z_size)]: where z is a face's code, that of the most usual one."""
        if self.codes is None:
            return self.draw(1, seed=0)
        return self.codes[[np.argmin(np.linalg.norm(self.codes - self.codes.mean(axis=0), axis=1))]]

    def faces(self, maps: np.ndarray, z: np.ndarray | None = None) -> np.ndarray:
        """Faces for raw MFCC maps: uint8 RGB [shape=(n, size, size, 3)].

        Args:
            maps: [shape=(n, rows, coefficients)].
            z: [shape=(n or 1, z_size)]; that of this face for all if None.
        """
        return self.render(self.motion(maps, z))

    def render(self, motion: np.ndarray) -> np.ndarray:
        """The faces that `motion` gave, as uint8: see `audio2faces.trained.face.FaceModel`."""
        return to_uint8(motion)

    def articulated(self, factor: float) -> None:
        """There is no motion to scale.

        Raises:
            InputError: always.
        """
        raise InputError(
            f"{self.name}: predicts whole faces, so that there is no motion to scale; leave out --articulation"
        )

    def motion(self, maps: np.ndarray, z: np.ndarray | None = None) -> np.ndarray:
        """The faces of `faces` in about [-1, 1], before they are rounded."""
        speech = self.config.speech.standardiser(self.statistics)(maps)
        z = np.broadcast_to(self.z if z is None else z, (len(speech), self.config.z_size))
        used = [part for part, there in zip((speech, z), self._inputs, strict=True) if there]
        return in_batches(self.network.predict_on_batch, *used)

    @property
    def _inputs(self) -> tuple[bool, bool]:
        return self.config.speech.code_size > 0, self.config.z_size > 0


def build_network(model: Began) -> keras.Model:
    """The generating half of a `Began` as a functional network: see `BeganFace.network`."""
    config = model.config
    inputs, parts = [], []
    if model.audio_network is not None:
        inputs.append(keras.Input(config.speech.map_shape, name="speech"))
        parts.append(keras.layers.Activation("linear", dtype="float32")(model.audio_network(inputs[0])))
    if config.z_size:
        inputs.append(keras.Input((config.z_size,), name="z"))
        parts.append(inputs[-1])
    code = parts[0] if len(parts) == 1 else keras.layers.Concatenate()(parts)
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], model.generator(code), name="generator")


def write_model(folder: Path, face: BeganFace, model: Began) -> Path:
    """Writes a model folder, whole or not at all.

    Args:
        folder: where to; an older model there is replaced.
        face: `BeganFace`.
        model: the `Began` of its weights, in float32.

    Returns:
        path of the folder.
    """
    config, features = face.config, face.config.speech.feature_settings
    with atomic_folder(folder) as partial:
        save_network(partial / "generator.keras", build_network(model))
        if face.codes is not None:
            np.save(partial / "codes.npy", face.codes)
        write_json(
            partial / "config.json",
            {
                "schema": SCHEMA,
                "kind": KIND,
                "name": face.name,
                "frame_rate": face.frame_rate,
                "left_context_seconds": features.left_context / features.sample_rate,
                "look_ahead_seconds": features.look_ahead / features.sample_rate,
                "config": config.as_json(),
                "feature_statistics": face.statistics.as_json(),
            },
        )
    return folder


def load_model(folder: str | Path, kind_of_config: type[BeganConfig] = BeganConfig) -> BeganFace:
    """Reads a model folder as `BeganFace`.

    Args:
        folder: of the model.
        kind_of_config: what its settings are; a variant's in experiments.

    Raises:
        InputError: a file is missing or damaged, or the folder holds another kind of model.
    """
    folder = Path(folder)
    content = read_config(folder, {KIND: SCHEMA})
    if not (folder / "generator.keras").is_file():
        raise InputError(f"{folder / 'generator.keras'}: missing; copy the whole model folder again")
    try:
        config = kind_of_config.from_json(content["config"])
        coded = config.z == "eigenfaces"
        codes = np.load(folder / "codes.npy", allow_pickle=False) if coded else None
        network = without_xla(load_network(folder / "generator.keras"))
        return BeganFace(
            name=str(content["name"]),
            config=config,
            frame_rate=float(content["frame_rate"]),
            statistics=FeatureStatistics.from_json(content["feature_statistics"]),
            network=network,
            codes=codes,
        )
    except InputError:
        raise
    except DAMAGED as error:
        raise InputError(f"{folder}: damaged model ({error}); copy the whole model folder again") from error
