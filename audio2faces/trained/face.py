"""The model folder: all that generation and evaluation need, and nothing else.

config.json           schema, kind, name, frame rate, settings, feature statistics, sound needed around a frame
regressor.keras       from MFCC maps to motion, float32 rounded to float16
refiner.keras         paints a mouth into a frame, from the moving face, its reference and that frame, if there is one
NAME.onnx             the same two for ONNX Runtime in their place, in a folder that `audio2faces.export` wrote
reference.png         a real face of the speaker at rest, which the motion is added to
reference_map.npy     the MFCC map of that moment
articulation.npy      directions of mouth motion, and what moves with them, float16, where there is motion
footage.mp4           pictures of the speaker that the mouth is put into, where a source could still be read
footage.npz           where the face lies in them
likeness.npy          directions in which the details of the speaker's face change, float16
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from audio2faces.config import RegressorConfig
from audio2faces.published import PICTURE, check_model, is_onnx
from audio2faces.regressor.articulation import Articulation
from audio2faces.trained.footage import PICTURES, PLACES, Footage
from audio2faces.trained.likeness import Likeness
from audio2faces.trained.motion import add_motion
from audio2faces.trained.onnx_network import OnnxNetwork
from began import model_folder
from began.networks.inference import in_batches
from media.pictures import read_picture, write_png
from media.pixels import to_signed, to_uint8
from preprocessing.speech.audio_features import FeatureStatistics
from runtime.backend import import_keras
from runtime.errors import InputError
from runtime.files import atomic_folder, write_json
from runtime.progress import progress
from training.checkpoints import DAMAGED

SCHEMA = 5
KIND = "audio2faces"
LIKENESS, CARD = "likeness.npy", "README.md"  # in a model folder


@dataclass(frozen=True)
class FaceModel:
    """A trained model.

    Attributes:
        name: of the run that made it.
        config: `RegressorConfig`.
        frame_rate: frames per second.
        statistics: `FeatureStatistics` of the training speech.
        network: `keras.Model`, or an `OnnxNetwork`, from maps to motion (to faces, if not `config.motion`).
        reference: the face that motion is added to, uint8 RGB [shape=(size, size, 3)].
        reference_map: raw MFCC map of that face's moment [shape=(rows, coefficients)].
        refiner: the same from a moving face, its reference and the frame that it is painted into, or, the 2017
            project's, from the first alone, to a sharp face; or None.
        articulation: `Articulation` that gives the motion back what averaging took, or None.
        footage: `Footage` that the mouth is put into, or None.
        likeness: `Likeness` that tells the speaker from other people, or None.
    """

    name: str
    config: RegressorConfig
    frame_rate: float
    statistics: FeatureStatistics
    network: Any
    reference: np.ndarray
    reference_map: np.ndarray
    refiner: Any = None
    articulation: Articulation | None = None
    footage: Footage | None = None
    likeness: Likeness | None = None

    def predict_motion(self, maps: np.ndarray) -> np.ndarray:
        """What the regressor makes of raw MFCC maps [shape=(n, rows, coefficients)].

        Returns:
            float32 in about [-2, 2] [shape=(n, motion_size, motion_size, 3)].
        """
        return self._run(self.network, self.config.speech.standardiser(self.statistics)(maps))

    def motion(self, maps: np.ndarray) -> np.ndarray:
        """Motion since the moment of the reference, or faces, if not `config.motion`: as `predict_motion`."""
        return self.relative_motion(self.predict_motion(maps))

    def relative_motion(self, predicted: np.ndarray, still: float | np.ndarray | None = None) -> np.ndarray:
        """Motion since the moment of a reference, or faces, if not `config.motion`.

        Args:
            predicted: what `predict_motion` gave.
            still: what it gave for the moment of another reference [shape=(motion_size, motion_size, 3)]; 0 for the
                mean face; None for the model's own reference.

        Returns:
            of the shape of `predicted`.
        """
        if not self.config.motion:
            return predicted
        motion = predicted - (self._reference_motion if still is None else still)
        return motion if self.articulation is None else self.articulation(motion)

    def render(
        self,
        motion: np.ndarray,
        refined: bool = True,
        reference: np.ndarray | None = None,
        frames: np.ndarray | None = None,
    ) -> np.ndarray:
        """Faces of what `motion` gave: the reference plus the motion, refined.

        Args:
            motion: [shape=(n, motion_size, motion_size, 3)].
            refined: False leaves out the refiner.
            reference: another face to add the motion to, uint8 RGB [shape=(size, size, 3)].
            frames: aligned faces to paint the mouth into, uint8 RGB [shape=(n, size, size, 3)]; None for the reference.

        Returns:
            uint8 RGB [shape=(n, size, size, 3)].
        """
        if not self.config.motion:
            faces, seen = motion, [motion]
        else:
            still = to_signed(self.reference if reference is None else reference)[None]
            painted_into = still if frames is None else to_signed(frames)
            faces = add_motion(still, motion)
            seen = [faces, *(np.broadcast_to(other, faces.shape) for other in (still, painted_into))]
        if refined and self.refiner is not None:
            faces = self._run(self.refiner, *seen[: len(self.refiner.inputs)])
        return to_uint8(faces)

    def articulated(self, strength: float) -> Self:
        """The same face with another strength of its articulation.

        Raises:
            InputError: the model has none.
        """
        if self.articulation is None:
            raise InputError(f"{self.name}: no articulation was fitted to it; leave out --articulation")
        return dataclasses.replace(self, articulation=dataclasses.replace(self.articulation, strength=strength))

    def faces(self, maps: np.ndarray, **options: Any) -> np.ndarray:
        """Faces for raw MFCC maps [shape=(n, rows, coefficients)]; options as for `render`."""
        return self.render(self.motion(maps), **options)

    @cached_property
    def filmed(self) -> np.ndarray | None:
        """Aligned faces that the mouth is painted into when the face is shown alone; None: the reference itself moves.

        Returns:
            of the footage, in the order of time, uint8 RGB [shape=(frames, size, size, 3)].
        """
        return self.footage.aligned(self.config.size) if self.footage is not None and self.paints else None

    def around(self, numbers: np.ndarray, frame_rate: float) -> dict[str, Any]:
        """Options of `render` for a face that is shown alone in its footage, which is played forwards and backwards.

        Args:
            numbers: of the frames of a video, whole numbers [shape=(n,)].
            frame_rate: of that video.

        Returns:
            reference and frames; nothing for a model that paints into no footage.
        """
        if self.footage is None or self.filmed is None:
            return {}
        return {
            "reference": self.filmed[self.footage.rest],
            "frames": self.filmed[self.footage.played(numbers, frame_rate)],
        }

    @property
    def paints(self) -> bool:
        """Whether its refiner sees the frame that it paints into."""
        return self.refiner is not None and len(self.refiner.inputs) > 2

    def _run(self, network: Any, *inputs: np.ndarray) -> np.ndarray:
        return in_batches(network.predict_on_batch, *inputs, padded=not isinstance(network, OnnxNetwork))

    @cached_property
    def _reference_motion(self) -> np.ndarray:
        return self.predict_motion(self.reference_map[None])[0]


def save_model(folder: Path, model: FaceModel) -> Path:
    """Writes a model folder, whole or not at all.

    Args:
        folder: where to; an older model there is replaced.
        model: `FaceModel`.

    Returns:
        path of the folder.
    """
    from training.network_files import save_network

    return write_folder(folder, model, ".keras", save_network)


def write_folder(
    folder: Path, model: FaceModel, suffix: str, save: Callable[[Path, Any], None], card: str = ""
) -> Path:
    """Writes a model folder with networks of some kind, whole or not at all.

    Args:
        folder: as for `save_model`.
        model: `FaceModel`.
        suffix: of the networks' files.
        save: function of the path of a network's file, and the network.
        card: text of its model card, if there is one.

    Returns:
        path of the folder.
    """
    features = model.config.speech.feature_settings
    networks = {"regressor": model.network}
    if model.refiner is not None:
        networks["refiner"] = model.refiner
    with atomic_folder(folder) as partial:
        with progress(len(networks), "network", "writing the model", short=True) as bar:
            for name, network in networks.items():
                save(partial / f"{name}{suffix}", network)
                bar.update(1)
        if card:
            (partial / CARD).write_text(card, encoding="utf-8")
        write_png(partial / PICTURE, model.reference)
        np.save(partial / "reference_map.npy", model.reference_map)
        if model.articulation is not None:
            np.save(partial / "articulation.npy", [model.articulation.directions, model.articulation.moving])
        if model.likeness is not None:
            np.save(partial / LIKENESS, model.likeness.motion)
        if model.footage is not None:
            model.footage.save(partial)
        write_json(
            partial / "config.json",
            {
                "schema": SCHEMA,
                "kind": KIND,
                "name": model.name,
                "frame_rate": model.frame_rate,
                "left_context_seconds": features.left_context / features.sample_rate,
                "look_ahead_seconds": features.look_ahead / features.sample_rate,
                "refined": model.refiner is not None,
                "articulation": None if model.articulation is None else list(model.articulation.gains),
                "footage": model.footage is not None,
                "likeness": model.likeness is not None,
                "config": model.config.as_json(),
                "feature_statistics": model.statistics.as_json(),
            },
        )
    return folder


def load_model(folder: Any) -> Any:
    """Reads a model folder: a `FaceModel`, or a `began.face.BeganFace`, which makes faces the same way.

    Raises:
        InputError: a file is missing or damaged, or the folder has another schema version.
    """
    folder = Path(folder)
    check_model(folder)
    content = model_folder.read_config(folder, {KIND: SCHEMA, model_folder.KIND: model_folder.SCHEMA})
    if content["kind"] == model_folder.KIND:
        from began import face

        return face.load_model(folder)
    suffix = ".onnx" if is_onnx(folder) else ".keras"
    try:
        config = RegressorConfig.from_json(content["config"])
        refined, frame_rate, gains = bool(content["refined"]), float(content["frame_rate"]), content["articulation"]
        names = [f"regressor{suffix}", PICTURE, "reference_map.npy"]
        names += [f"refiner{suffix}"] * refined + ["articulation.npy"] * (gains is not None)
        filmed = bool(content.get("footage"))
        has_likeness = bool(content.get("likeness"))
        names += [PICTURES, PLACES] * filmed + [LIKENESS] * has_likeness
        for name in names:
            if not (folder / name).is_file():
                raise InputError(f"{folder / name}: missing; copy the whole model folder again")
        articulation = None
        if gains is not None:
            directions, moving = _array(folder / "articulation.npy")
            articulation = Articulation(directions, moving, tuple(map(float, gains)))
        reference = read_picture(folder / PICTURE)
        model = FaceModel(
            name=str(content["name"]),
            config=config,
            frame_rate=frame_rate,
            statistics=FeatureStatistics.from_json(content["feature_statistics"]),
            network=_network(folder / f"regressor{suffix}"),
            reference=reference,
            reference_map=_array(folder / "reference_map.npy"),
            refiner=_network(folder / f"refiner{suffix}") if refined else None,
            articulation=articulation,
            footage=Footage.load(folder) if filmed else None,
            likeness=Likeness.of_motion(reference, _array(folder / LIKENESS)) if has_likeness else None,
        )
    except InputError:
        raise
    except DAMAGED as error:
        raise InputError(f"{folder}: damaged model ({error}); copy the whole model folder again") from error
    if model.reference.shape != (config.size, config.size, 3):
        raise InputError(f"{folder / PICTURE}: not of {config.size} pixels; copy the model folder again")
    return model


def _array(path: str | Path) -> np.ndarray:
    return np.load(path, allow_pickle=False)


def _network(path: Path) -> Any:
    if path.suffix == ".onnx":
        return OnnxNetwork(path)
    import_keras()
    from audio2faces.trained.saved_networks import load_face_network

    return load_face_network(path)
