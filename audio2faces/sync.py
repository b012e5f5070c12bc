"""How far the sound of each training clip is off its picture: found from the clips alone, and set right for training.

In recorded clips sound and picture may be some ten milliseconds apart, each clip by another amount (in GRID one in ten
by 40 or more). A regressor that hears such clips learns mouths blurred over time. A small network learns mouth motion
from the speech of one half of the clips and is then asked, for each clip of the other half, how much earlier or later
the speech should be heard for its prediction to fit best; then the same with the halves exchanged. Another round, with
the clips set right, is possible and changes little. (SyncNet, Chung and Zisserman 2016, asks the same of a network
trained on many speakers.)
"""

import keras
import numpy as np

from began.audio_network import build_audio_network
from began.mouth import COMPONENTS, MouthComponents
from preprocessing.audio_features import FeatureStatistics, speech_maps
from preprocessing.program import progress

LAGS = np.arange(-3, 3.01, 0.5)  # frames by which the speech is heard later
WIDTHS, CODE_SIZE, NOISE, DROPOUT = (64, 128, 128), 128, 0.3, 0.4
STEPS, BATCH_SIZE, LEARNING_RATE = 1500, 128, 1e-3
FEWEST_CLIPS = 20  # with fewer a half teaches too little, and all stay as they are


def estimate_offsets(clips, features, frame_rate, rounds, seed):
    """The offset of each clip: its frame at time t belongs to the speech at t + offset.

    Args:
        clips: training clips.
        features: `FeatureSettings`.
        frame_rate: frames per second.
        rounds: how often the estimate is made, each from clips set right by the one before; 0 leaves all as they are.
        seed: of weights and batches.

    Returns:
        seconds, multiples of half a frame [shape=(clips,)].
    """
    chosen = np.full(len(clips), len(LAGS) // 2)
    if not rounds or len(clips) < FEWEST_CLIPS:
        return LAGS[chosen] / frame_rate
    components = MouthComponents.of(clips)
    motion = [components.of_faces(clip.faces) for clip in clips]
    scale = np.concatenate(motion).std()
    motion = [of_clip / scale for of_clip in motion]
    maps = []
    with progress((1 + rounds) * len(clips), "clip", "aligning sound and picture") as bar:
        for clip in clips:
            samples = clip.speech(features.sample_rate)
            maps.append(np.stack([speech_maps(samples, clip.times + lag / frame_rate, features) for lag in LAGS]))
            bar.update(1)
        statistics = FeatureStatistics.of(of_clip[len(LAGS) // 2] for of_clip in maps)
        maps = [statistics.standardise(of_clip).astype(np.float16) for of_clip in maps]
        for _ in range(rounds):
            found = chosen.copy()
            for half in (0, 1):
                others = range(1 - half, len(clips), 2)
                heard = np.concatenate([maps[clip][chosen[clip]] for clip in others])
                network = _fit(heard, np.concatenate([motion[clip] for clip in others]), seed)
                for clip in range(half, len(clips), 2):
                    found[clip] = _best_lag(network, maps[clip], motion[clip])
                    bar.update(1)
            chosen = found
    return LAGS[chosen] / frame_rate


def _fit(maps, motion, seed):
    """A network from maps to mouth motion, trained on these pairs."""
    keras.utils.set_random_seed(seed)
    speech = keras.Input(maps.shape[1:])
    code = build_audio_network(*maps.shape[1:], WIDTHS, CODE_SIZE, DROPOUT, NOISE)(speech)
    network = keras.Model(speech, keras.layers.Dense(COMPONENTS)(code))
    schedule = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, STEPS)
    network.compile(keras.optimizers.Adam(schedule), "mse", jit_compile=False)
    generator = np.random.default_rng(seed)
    for _ in range(STEPS):
        indices = generator.integers(len(maps), size=BATCH_SIZE)
        network.train_on_batch(maps[indices].astype(np.float32), motion[indices])
    return network


def _best_lag(network, maps, motion):
    """Index of the lag at which the prediction from maps [shape=(lags, frames, ...)] is nearest to the motion."""
    heard = maps.reshape(-1, *maps.shape[2:]).astype(np.float32)
    predicted = np.asarray(network.predict_on_batch(heard)).reshape(len(maps), len(motion), -1)
    predicted = predicted - predicted.mean(axis=1, keepdims=True)
    return int(np.square(motion - predicted).sum(axis=(1, 2)).argmin())
