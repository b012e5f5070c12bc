"""Changes speech as other rooms, microphones and voices would: the speech that a model is trained and tested on.

Each change takes mono samples [shape=(n,)] and gives as many, but for `at_speed`, which gives more or fewer.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import fftconvolve, firwin2

from media.sound import SILENCE

RESPONSE_POINTS = 6  # octaves at which a microphone's response is drawn
RESPONSE_TAPS = 129
MUSIC_NOTES = 5  # sounding together
MUSIC_SECONDS = 0.4  # of a note


@dataclass(frozen=True)
class AugmentationSettings:
    """How far speech is changed. Each change happens with its own chance; the defaults were chosen on GRID."""

    gain: tuple = (-20.0, 6.0)  # dB
    noise_chance: float = 0.5
    signal_to_noise: tuple = (0.0, 30.0)  # dB
    reverberation_chance: float = 0.3
    reverberation_time: tuple = (0.1, 0.6)  # seconds until -60 dB
    response_chance: float = 0.7
    response_deviation: float = 6.0  # dB, at octave distances
    band_chance: float = 0.3
    band: tuple = ((50, 400), (3000, 8000))  # Hz, of the lower and of the upper edge; a telephone's are 300 and 3400
    speed: tuple = (0.85, 1.2)  # of pitch and formants: another speaker's vocal tract
    speed_chance: float = 0.7


def augment(
    samples: np.ndarray, sample_rate: int, settings: AugmentationSettings, generator: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Changes speech by what is drawn.

    The speed is changed by resampling (Ko et al. 2015, Audio augmentation for speech recognition): pitch and formants
    move with it, and time t of the speech comes at t / factor.

    Args:
        samples: mono [shape=(n,)].
        sample_rate: Hz.
        settings: `AugmentationSettings`.
        generator: NumPy's, from which everything is drawn.

    Returns:
        (samples, factor): the changed speech and the factor by which its times are to be divided.
    """
    factor = 1.0
    if generator.random() < settings.speed_chance:
        factor = generator.uniform(*settings.speed)
        samples = at_speed(samples, factor)
    if generator.random() < settings.reverberation_chance:
        samples = reverberate(samples, sample_rate, generator.uniform(*settings.reverberation_time), generator)
    if generator.random() < settings.noise_chance:
        samples = add_noise(samples, sample_rate, generator.uniform(*settings.signal_to_noise), generator)
    if generator.random() < settings.response_chance:
        samples = change_response(samples, settings.response_deviation, generator)
    if generator.random() < settings.band_chance:
        samples = limit_band(samples, sample_rate, *(generator.uniform(*edge) for edge in settings.band))
    return samples * 10 ** (generator.uniform(*settings.gain) / 20), factor


def at_speed(samples: np.ndarray, factor: float) -> np.ndarray:
    """The samples played `factor` times as fast [shape=(about n / factor,)]."""
    places = np.arange(0, max(len(samples) - 1, 0), factor)
    return np.interp(places, np.arange(len(samples)), samples)


def reverberate(samples: np.ndarray, sample_rate: int, seconds: float, generator: np.random.Generator) -> np.ndarray:
    """In a room whose echo, noise that decays exponentially, needs `seconds` to fall by 60 dB."""
    times = np.arange(1, max(2, int(seconds * sample_rate))) / sample_rate
    echo = generator.normal(size=len(times)) * 10 ** (-3 * times / seconds)
    echo *= generator.uniform(0.2, 1.0) / np.linalg.norm(echo)
    return samples + np.pad(fftconvolve(samples, echo), (1, 0))[: len(samples)]


def add_noise(samples: np.ndarray, sample_rate: int, ratio: float, generator: np.random.Generator) -> np.ndarray:
    """With `noise` so that speech is `ratio` dB above it; silence stays as it is."""
    level = np.sqrt(np.mean(samples**2)) if len(samples) else 0.0
    if level < SILENCE:
        return samples
    return samples + level * 10 ** (-ratio / 20) * noise(len(samples), sample_rate, generator)


def noise(count: int, sample_rate: int, generator: np.random.Generator) -> np.ndarray:
    """Noise of unit power: coloured from white to brown, a hum, or music, each as often [shape=(count,)]."""
    if not count:
        return np.zeros(0)
    kind = generator.integers(3)
    if kind == 0:
        sound = coloured(count, generator.uniform(0, 2), generator)
    elif kind == 1:
        sound = hum(count, sample_rate, generator)
    else:
        sound = music(count, sample_rate, generator)
    return sound / max(np.sqrt(np.mean(sound**2)), 1e-9)


def coloured(count: int, slope: float, generator: np.random.Generator) -> np.ndarray:
    """Noise whose power falls with frequency as f ** -slope: 0 is white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(generator.normal(size=count))
    frequencies = np.maximum(np.arange(len(spectrum)), 1)
    return np.fft.irfft(spectrum * frequencies ** (-slope / 2), count)


def hum(count: int, sample_rate: int, generator: np.random.Generator) -> np.ndarray:
    """Harmonics of the mains or of a machine, and some noise."""
    times = np.arange(count) / sample_rate
    lowest = generator.uniform(40, 200)
    sound = sum(
        generator.uniform(0, 1) / k * np.sin(2 * np.pi * (lowest * k * times + generator.random()))
        for k in range(1, 12)
    )
    return sound + 0.3 * coloured(count, 1, generator)


def music(count: int, sample_rate: int, generator: np.random.Generator) -> np.ndarray:
    """Chords of decaying notes, a new one each MUSIC_SECONDS."""
    sound = np.zeros(count)
    length = int(MUSIC_SECONDS * sample_rate)
    times = np.arange(2 * length) / sample_rate
    for start in range(-length, count, length):
        for _ in range(MUSIC_NOTES):
            pitch = 110 * 2 ** (generator.integers(0, 37) / 12)
            note = sum(
                np.sin(2 * np.pi * k * pitch * times) / k**1.5 for k in range(1, 7) if k * pitch < sample_rate / 2
            )
            note = note * np.exp(-times * generator.uniform(2, 8)) * np.minimum(1, times * 100)
            first, end = max(start, 0), min(start + 2 * length, count)
            sound[first:end] += generator.uniform(0.2, 1) * note[first - start : end - start]
    return sound


def change_response(samples: np.ndarray, deviation: float, generator: np.random.Generator) -> np.ndarray:
    """Through a microphone whose response wanders by `deviation` dB between octaves."""
    frequencies = np.concatenate([[0], 2.0 ** -np.arange(RESPONSE_POINTS)[::-1]])
    gains = 10 ** (generator.normal(scale=deviation, size=len(frequencies)) / 20)
    return fftconvolve(samples, firwin2(RESPONSE_TAPS, frequencies, gains), "same")


def limit_band(samples: np.ndarray, sample_rate: int, lowest: float, highest: float) -> np.ndarray:
    """Through a telephone or a codec: what lies between two frequencies in Hz.

    Below, the power falls by 24 dB an octave; above, nothing is left, as in a recording of a lower sampling rate.
    """
    spectrum = np.fft.rfft(samples)
    frequencies = np.fft.rfftfreq(len(samples), 1 / sample_rate)
    gains = 1 / np.sqrt(1 + (lowest / np.maximum(frequencies, 1e-3)) ** 8)
    return np.fft.irfft(spectrum * gains * (frequencies <= highest), len(samples))
