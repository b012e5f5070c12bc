"""Looks at an audio VAE during its training: errors beside the mean map's, what its code uses, and pictures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from began.vae.model import MapScaling, Vae, kl_divergence, map_error
from began.vae.pictures import draw_codes, draw_reconstructions
from media.reading import SPEECH_RATE
from preprocessing.dataset import Clip
from preprocessing.speech.audio_features import FeatureStatistics
from training.frames import FrameSet, SmallerClip, shown_moments

ACTIVE = 0.01  # least variance of the mean code over speech (Burda, Grosse, Salakhutdinov, arXiv 1509.00519, 5.2)
CLIPS, MOMENTS = 3, 8  # of the picture of reconstructions
TRAVERSED = 5  # units of the code
STEPS_ALONG = np.linspace(-2, 2, 5)  # of a traversal, in standard deviations of the prior
BATCH = 256


class VaeValidation:
    """The validation speech with all that does not change while the network learns.

    Args:
        scaling: of the VAE, `model.MapScaling`.
        train_maps: maps of the training clips, standardised, not clipped [shape=(frames, rows, coefficients)].
        validation: `frames.FrameSet` of the validation clips.
        statistics: `FeatureStatistics` of the training speech.
    """

    def __init__(
        self, scaling: MapScaling, train_maps: np.ndarray, validation: FrameSet, statistics: FeatureStatistics
    ) -> None:
        self.maps = np.concatenate([statistics.standardise(of_clip, np.inf) for of_clip in validation.maps])
        self.loudness = np.concatenate([loudness(clip) for clip in validation.clips])
        batches = np.array_split(train_maps, -(-len(train_maps) // BATCH))
        sums = [keras.ops.convert_to_numpy(scaling(batch)).sum(axis=0, dtype=float) for batch in batches]
        self.mean_map = sum(sums) / len(train_maps)
        frames = [len(of_clip) for of_clip in validation.maps[:CLIPS]]
        firsts = np.cumsum(frames) - frames
        moments = [first + shown_moments(count, MOMENTS) for first, count in zip(firsts, frames, strict=True)]
        self.shown = np.stack(moments)  # (clips, moments)

    def __call__(self, model: Vae) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Validates a compiled VAE, which reconstructs from the mean code.

        Returns:
            (values, seen): `validation_loss` (its terms as in training), `map_error` and `mean_map_error` (mean
            absolute, of an entry in the VAE's own units, the second of the training speech's mean map),
            `kl_divergence` (nats of a map), `active_units`, `explained_variance` (1 - squared error / that of
            the mean map); and what `pictures` wants.
        """
        seen = model.predict({"map": self.maps}, batch_size=BATCH, verbose=0)
        real, reconstructed = seen["scaled"], seen["map"]
        errors = keras.ops.convert_to_numpy(map_error(real, reconstructed))
        divergences = keras.ops.convert_to_numpy(kl_divergence(seen["mean"], seen["log_variance"]))  # (frames, units)
        kl = float(divergences.sum(axis=1).mean())
        left, of_mean_map = (float(np.square(real - other).sum()) for other in (reconstructed, self.mean_map))
        values = {
            "validation_loss": float(errors.mean()) + model.config.kl_weight * kl,
            "map_error": float(errors.mean()) / real[0].size,
            "mean_map_error": float(np.abs(real - self.mean_map).mean()),
            "kl_divergence": kl,
            "active_units": int((seen["mean"].var(axis=0) > ACTIVE).sum()),
            "explained_variance": 1 - left / of_mean_map,
        }
        return values, {**seen, "divergences": divergences}

    def pictures(self, model: Vae, seen: dict[str, np.ndarray]) -> dict[str, Callable[[Path], np.ndarray]]:
        """What draws real maps above reconstructed ones, and the codes and what their strongest units stand for.

        Returns:
            functions that take the path of a PNG and give it as a picture, by name.
        """
        standardised, code_size = _standardised(model.scaling), model.config.speech.code_size
        real, reconstructed = (standardised(seen[name][self.shown]) for name in ("scaled", "map"))
        information = seen["divergences"].mean(axis=0)
        strongest = np.argsort(-information)[:TRAVERSED]
        codes = np.zeros((len(strongest), len(STEPS_ALONG), code_size), np.float32)
        for row, unit in enumerate(strongest):
            codes[row, :, unit] = STEPS_ALONG
        decoded = keras.ops.convert_to_numpy(model.decoder(codes.reshape(-1, code_size)))
        decoded = standardised(decoded).reshape(*codes.shape[:2], *decoded.shape[1:])
        of_codes = (seen["mean"], self.loudness, information, strongest, STEPS_ALONG, decoded)
        return {
            "maps": lambda path: draw_reconstructions(path, real, reconstructed),
            "codes": lambda path: draw_codes(path, *of_codes),
        }


def _standardised(scaling: MapScaling) -> Callable[[np.ndarray], np.ndarray]:
    """The function that takes maps from a VAE's own units back to standardised ones."""
    factor, offset = np.array(scaling.factor), np.array(scaling.offset)
    return lambda maps: (maps - offset) / factor


def loudness(clip: Clip | SmallerClip) -> np.ndarray:
    """Level of a clip's sound in the 40 ms around each of its frames: decibels below full scale [shape=(frames,)]."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(clip.speech(), dtype=float))])
    ends = np.rint(np.asarray(clip.times)[:, None] * SPEECH_RATE + [-0.02 * SPEECH_RATE, 0.02 * SPEECH_RATE])
    first, last = np.clip(ends, 0, len(energy) - 1).astype(int).T
    return 10 * np.log10((energy[last] - energy[first]) / np.maximum(last - first, 1) + 1e-9)
