"""A linear decoder for little speech: from the code of a frozen speech encoder to motion, by ridge regression.

Half a minute of a face is too little to train convolutions on. A linear map is found in seconds and has one setting,
how much large weights cost, which the validation clips choose. Each frame counts as often as a training step would draw
it: as recorded, with its speech changed, or with noise and the face at rest (`audio2faces.training_speech`).
"""

from collections.abc import Callable, Iterator

import keras
import numpy as np

from audio2faces.training_speech import CHANGED, UNVOICED, TrainingSpeech
from began.networks.audio_network import AUDIO_NETWORK
from began.networks.inference import in_batches
from runtime.program import progress
from training.frames import FrameSet

LINEAR_DECODER = "linear_decoder"  # its name within a network
PENALTIES = 10.0 ** np.arange(-2.5, 1.1, 0.5)  # of the squared weights, against the mean squared error


def fit_linear_decoder(
    network: keras.Model,
    frames: FrameSet,
    speech: TrainingSpeech,
    held_out: FrameSet,
    standardise: Callable[[np.ndarray], np.ndarray],
    weights: np.ndarray,
) -> None:
    """Gives a regressor's linear decoder the weights that fit the training clips.

    Args:
        network: of `build_regressor` without `decoder_widths`, its audio network trained.
        frames: of the training clips, faces in the size of the motion.
        speech: of the same.
        held_out: validation clips, which choose the penalty.
        standardise: function from raw maps to the network's input.
        weights: of the pixels [shape=(1, size, size, 1)].
    """
    audio_network, decoder = network.get_layer(AUDIO_NETWORK), network.get_layer(LINEAR_DECODER)

    def encode(maps: np.ndarray) -> np.ndarray:
        return in_batches(audio_network.predict_on_batch, maps).astype(np.float64)

    mean_code, mean_motion, products, shared = 0.0, 0.0, 0.0, 0.0
    for share, maps, motion in _training_frames(frames, speech):
        codes = encode(maps)
        each = share / len(codes)
        mean_code += each * codes.sum(axis=0)
        mean_motion += each * motion.sum(axis=0)
        products += each * codes.T @ codes
        shared += each * codes.T @ motion
    variances, directions = np.linalg.eigh(products - np.outer(mean_code, mean_code))
    along = directions.T @ (shared - np.outer(mean_code, mean_motion))

    codes = encode(held_out.standardised(standardise)) - mean_code
    real = held_out.motion(np.arange(len(held_out)))
    kernels, errors = [], []
    for penalty in PENALTIES:
        kernels.append(directions @ (along / (variances + penalty)[:, None]))
        made = (codes @ kernels[-1] + mean_motion).reshape(real.shape)
        errors.append(float((weights * np.square(made - real)).mean()))
    kernel = kernels[int(np.argmin(errors))]
    decoder.set_weights([kernel.astype(np.float32), (mean_motion - mean_code @ kernel).astype(np.float32)])


def _training_frames(frames: FrameSet, speech: TrainingSpeech) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
    """Share of all, maps, motion [shape=(n, pixels)]: of speech as recorded, of each version, of noise and rest."""
    motion = frames.motion(np.arange(len(frames))).reshape(len(frames), -1)
    versions = speech.versions
    spoken, changed = (1 - UNVOICED, CHANGED) if versions else (1.0, 0.0)
    with progress(versions + 1, "version", "fitting the decoder", short=True) as bar:
        yield spoken * (1 - changed), speech.recorded, motion
        bar.update(1)
        for version in speech.changed:
            yield spoken * changed / versions, version.astype(np.float32), motion
            bar.update(1)
    if versions:
        rest = frames.rest.mean(axis=0).ravel()
        yield UNVOICED, speech.unvoiced, np.broadcast_to(rest, (len(speech.unvoiced), len(rest)))
