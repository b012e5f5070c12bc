"""A linear decoder: from the code of a speech encoder to motion, by ridge regression.

Half a minute of a face is too little to train convolutions on, and from 44 minutes they learn nothing that a linear map
of the code lacks (docs/speech-encoder.md). It has one setting, how much large weights cost, which the validation clips
choose. Each frame counts as often as a training step would draw it: as recorded, with its speech changed, or with noise
and the face at rest (`audio2faces.training_speech`).
"""

from collections.abc import Callable, Iterator

import keras
import numpy as np

from audio2faces.training_speech import CHANGED, NONSPEECH, TrainingSpeech
from began.networks.audio_network import AUDIO_NETWORK
from began.networks.inference import in_batches
from runtime.progress import progress
from training.frames import FrameSet

LINEAR_DECODER = "linear_decoder"  # its name within a network
AT_ONCE = 2048  # frames whose motion is held in memory
PENALTIES = 10.0 ** np.arange(-2.5, 1.1, 0.5)  # of the squared weights, against the mean squared error


def fit_linear_decoder(
    network: keras.Model,
    frames: FrameSet,
    speech: TrainingSpeech,
    held_out: FrameSet,
    standardise: Callable[[np.ndarray], np.ndarray],
    weights: np.ndarray,
) -> dict[str, np.ndarray]:
    """The weights of a linear decoder that fit the training clips.

    Args:
        network: of `build_regressor`, its audio network trained.
        frames: of the training clips, faces in the size of the motion.
        speech: of the same.
        held_out: validation clips, which choose the penalty.
        standardise: function from raw maps to the network's input.
        weights: of the pixels [shape=(size, size, 1)].

    Returns:
        `kernel` [shape=(code_size, pixels)] and `bias` [shape=(pixels,)], float32.
    """
    audio_network = network.get_layer(AUDIO_NETWORK)

    def encode(maps: np.ndarray) -> np.ndarray:
        return in_batches(audio_network.predict_on_batch, maps).astype(np.float64)

    mean_code, mean_motion, products, shared = 0.0, 0.0, 0.0, 0.0
    for weight, maps, motion in _training_frames(frames, speech):
        codes = encode(maps)
        mean_code += weight * codes.sum(axis=0)
        mean_motion += weight * motion.sum(axis=0)
        products += weight * codes.T @ codes
        shared += weight * codes.T @ motion
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
    bias = mean_motion - mean_code @ kernel
    return {"kernel": np.asarray(kernel, np.float32), "bias": np.asarray(bias, np.float32)}


def _training_frames(frames: FrameSet, speech: TrainingSpeech) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
    """What the decoder is fitted to: speech as recorded, each version of it, noise with faces at rest.

    Yields:
        (weight, maps, motion): of each of these frames, the weights of all sum to one; standardised maps; motion
        [shape=(n, pixels)].
    """
    count, versions = len(frames), speech.versions
    spoken, changed = (1 - NONSPEECH, CHANGED) if versions else (1.0, 0.0)
    with progress(count, "frame", "fitting the decoder", short=True) as bar:
        for first in range(0, count, AT_ONCE):
            block = np.arange(first, min(first + AT_ONCE, count))
            motion = frames.motion(block).reshape(len(block), -1)
            yield spoken * (1 - changed) / count, speech.recorded[block], motion
            for version in speech.changed:
                yield spoken * changed / versions / count, version[block].astype(np.float32), motion
            bar.update(len(block))
    if versions:
        rest = frames.rest.mean(axis=0).ravel()
        at_rest = np.broadcast_to(rest, (len(speech.nonspeech), len(rest)))
        yield NONSPEECH / len(at_rest), speech.nonspeech, at_rest
