"""The public interface of a talking face: load one, let it speak, train and save one."""

from math import gcd
from pathlib import Path
from typing import Any, Self

import numpy as np
from scipy.signal import resample_poly

from audio2faces.config import FROM_NOTHING, STAGES, system_config
from audio2faces.generate.video import Options, frame_count, generate_video
from audio2faces.published import DEFAULT_ENCODER, find_model, is_talking_face, published_models, runnable
from audio2faces.speech_encoder.config import with_encoder
from audio2faces.trained.face import load_model, save_model
from audio2faces.trained.onnx_network import OnnxNetwork
from media.reading import SPEECH_RATE
from media.sound import Loudness, gain_of
from preprocessing.clips import Settings
from preprocessing.dataset import Dataset, open_dataset
from preprocessing.prepare import prepare_dataset
from preprocessing.speech.audio_features import speech_maps
from runtime.backend import import_keras
from runtime.errors import InputError
from runtime.files import check_output_folder


class TalkingFace:
    """A face that speaks: `from_preset` loads one, `train` learns one from videos.

    Args:
        model: `audio2faces.trained.face.FaceModel`, or a `began.face.BeganFace`.

    Attributes:
        model: the same, whose networks and settings it gives access to.
    """

    presets = tuple(published_models())

    def __init__(self, model: Any) -> None:
        self.model = model

    @classmethod
    def from_preset(cls, preset: str | Path) -> Self:
        """Loads a trained face; a published one's copy for ONNX Runtime, where Keras is not installed.

        Args:
            preset: name of a published model, one of `TalkingFace.presets`, or a model folder.

        Raises:
            InputError: there is no such model, or it is damaged.
        """
        return cls(load_model(runnable(find_model(preset))))

    @classmethod
    def train(
        cls,
        data: Any,
        run: str | Path,
        preset: str | None = None,
        encoder: str | Path | None = DEFAULT_ENCODER,
        steps: int | None = None,
    ) -> Self:
        """Learns the face of a speaker; called again with the same arguments, it goes on where it stopped.

        Args:
            data: dataset, or its folder: see `prepare`.
            run: folder of the run, with checkpoints, curves and pictures.
            preset: "minutes", "hours" or "2017", how long training takes; None chooses by the amount of speech.
            encoder: speech encoder that training starts from: a published one's name, or a folder; None for none.
            steps: of each of the two stages; None for the preset's.

        Raises:
            InputError: the preset or the dataset does not exist, or the run is another one's.
        """
        import_keras()
        from audio2faces.train_system import train_system

        dataset = data if isinstance(data, Dataset) else open_dataset(data)
        config = system_config(dataset.training_minutes, preset, from_nothing=not encoder, size=dataset.size)
        if encoder and encoder != DEFAULT_ENCODER:
            if not config.regressor.encoder:
                raise InputError(f"encoder {encoder}: only the presets {' and '.join(FROM_NOTHING)} start from one")
            config = with_encoder(config, encoder)
        if steps:
            config = config.with_settings(STAGES, training={"steps": steps})
        return cls.from_preset(train_system(config, dataset, Path(run)))

    @property
    def name(self) -> str:
        """Name of the run that made it."""
        return self.model.name

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.model.frame_rate

    def generate(self, speech: str | Path, output: str | Path, **options: Any) -> Path:
        """Makes a video in which the face speaks.

        Args:
            speech: path of any file with sound that FFmpeg reads.
            output: path of the mp4 or webm file, which is replaced.
            options: fields of `audio2faces.generate.video.Options`: `source` puts the face into a picture or a video
                of the speaker, `frame_rate`, `still`, `smooth`, `articulation`.

        Returns:
            path of the video.

        Raises:
            InputError: the sound or the source cannot be read, or the video cannot be written.
        """
        generate_video(self.model, speech, output, options=Options(**options))
        return Path(output)

    def frames(self, samples: np.ndarray, sample_rate: int = SPEECH_RATE) -> np.ndarray:
        """Faces that speak what samples of sound say, the head held still.

        Args:
            samples: mono, floats in [-1, 1], heard louder where they are quiet, as by `generate` [shape=(samples,)].
            sample_rate: in Hz.

        Returns:
            uint8 RGB at `frame_rate` [shape=(frames, size, size, 3)].

        Raises:
            InputError: the samples are of another shape or type, or there are none.
        """
        samples = np.asarray(samples)
        if samples.ndim != 1 or not samples.size or samples.dtype.kind != "f":
            raise InputError(
                f"samples of shape {samples.shape} and type {samples.dtype}: give one channel of floats in [-1, 1]"
            )
        if sample_rate != int(sample_rate) or sample_rate < 1:
            raise InputError(f"sample rate {sample_rate}: give a whole number of Hz")
        sample_rate = int(sample_rate)
        loudness = Loudness(sample_rate)
        loudness.update(samples[None])
        samples = gain_of(loudness.level)[0] * samples
        features = self.model.config.speech.feature_settings
        if sample_rate != features.sample_rate:
            common = gcd(sample_rate, features.sample_rate)
            samples = resample_poly(samples, features.sample_rate // common, sample_rate // common)
        count = frame_count(len(samples) / features.sample_rate, self.frame_rate)
        return self.model.faces(speech_maps(samples, np.arange(count) / self.frame_rate, features))

    def save_to_preset(self, folder: str | Path) -> Path:
        """Writes the face as a model folder, which `from_preset` reads; an older one there is replaced.

        Raises:
            InputError: the folder holds anything but such a model, or this one is a BEGAN's or of ONNX files.
        """
        folder = Path(folder)
        if not hasattr(self.model, "refiner"):
            raise InputError(f"{self.name}: a model of --mode began is written by its training alone; copy its folder")
        if folder.exists() and any(folder.iterdir()) and not is_talking_face(folder):
            raise InputError(f"{folder}: this folder holds something else; choose another")
        if isinstance(self.model.network, OnnxNetwork):
            raise InputError(f"{self.name}: its networks are ONNX files; copy its folder")
        check_output_folder(folder)
        return save_model(folder, self.model)


def prepare(sources: Any, folder: Any, size: int = 64, **options: Any) -> Dataset:
    """Turns videos of a speaker into a dataset of aligned faces and speech, or adds to one.

    Args:
        sources: a video file, a folder of videos, an address or a list, or several of them.
        folder: of the dataset, made where missing.
        size: side of the faces in pixels: 32, 64, 128 or 256.
        options: as for `preprocessing.prepare.prepare_dataset`: `splits`, `licence`, `workers`.

    Raises:
        InputError: not one source gave a clip, or the folder holds a dataset of another kind.
    """
    sources = [sources] if isinstance(sources, str | Path) else list(sources)
    dataset, _ = prepare_dataset(sources, folder, settings=Settings(size=size), **options)
    return dataset
