"""Sound as arrays: samples repaired, loudness, channels mixed down to one."""

from dataclasses import dataclass
from typing import Any

import numpy as np

LARGEST = 2.0  # times full scale: codecs exceed full scale a little, no sound reaches twice
LONGEST_BRIDGE = 0.01  # seconds of unusable samples that a straight line bridges; across more the sound fades
BLOCK_SECONDS = 0.02  # of sound, whose standard deviation is its level
EXCEEDED_BLOCKS = 10  # a sound is as loud as the level that it exceeds for so many blocks, 0.2 s: clicks do not count
SILENCE = 1e-4  # level below which a sound is silent: -80 dB, full scale being 1
QUIET = 10 ** (-30 / 20)  # level to which a softer sound is raised before its features are computed
SILENT = "the sound is silent"
ENDS_EARLY = "the sound ends before the picture"
AUDIBLE = 1e-3  # level of blocks that tell how channels belong together
ENOUGH_BLOCKS = 1500  # such blocks, 30 s of them
LONGEST_ANALYSIS = 600.0  # seconds after which a track is given up as silent
LOSS = 0.1  # share of the channels' power below which their mean has lost the voice; unlike channels keep half of it
NORMAL_LEVEL = 0.25  # of a sound whose unit was not full scale


@dataclass(frozen=True)
class SoundTrack:
    """How the sound of a file is read.

    Attributes:
        track: index of the stream in the container.
        weights: of the channels in the mix [shape=(channels,)]; None for their mean.
        scale: factor that brings the samples to full scale 1.
        notes: what was wrong with the file's sound, a line each.
    """

    track: int
    weights: np.ndarray | None = None
    scale: float = 1.0
    notes: tuple[str, ...] = ()

    def mix(self, channels: np.ndarray) -> np.ndarray:
        """Mono sound in [-1, 1] of channels: float32 [shape=(channels, n) -> (n,)]."""
        known = self.weights is not None and len(self.weights) == len(channels)
        return np.clip(self.weights @ channels if known else channels.mean(axis=0), -1, 1)


class SoundRepair:
    """Replaces invalid samples, those that are not finite or beyond LARGEST, in sound that comes in parts.

    A straight line bridges them; where they last longer than LONGEST_BRIDGE, or to the end of a part, the sound before
    fades out and the sound after them fades in.

    Args:
        sample_rate: in Hz.

    Attributes:
        count: samples replaced so far, in all channels.
        first, last: times of the first and the last of them in seconds, None where there are none.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._before: np.ndarray | None = None  # the last sample of each channel
        self.count = 0
        self.first: Any = None
        self.last: Any = None

    def __call__(self, channels: np.ndarray, time: float = 0.0) -> np.ndarray:
        """The same sound with usable samples alone.

        Args:
            channels: floats [shape=(channels, n)].
            time: of their first sample in seconds.

        Returns:
            array of the same shape and type; the very same one where nothing is wrong.
        """
        unusable = ~(np.abs(channels) <= LARGEST)  # of NaN, every comparison is false
        if unusable.any():
            places = np.flatnonzero(unusable.any(axis=0))
            self.first = time + places[0] / self._rate if self.first is None else self.first
            self.last = time + places[-1] / self._rate
            self.count += int(unusable.sum())
            before = self._before if self._before is not None and len(self._before) == len(channels) else None
            before = np.zeros(len(channels)) if before is None else before
            longest = round(LONGEST_BRIDGE * self._rate)
            channels = np.stack([_bridged(*row, longest) for row in zip(channels, unusable, before, strict=True)])
        if channels.shape[1]:
            self._before = channels[:, -1]
        return channels

    def notes(self) -> list[str]:
        """What was replaced, as a list of one line, or of none."""
        if not self.count:
            return []
        first, last = f"{self.first:.2f}", f"{self.last:.2f}"
        where = f"at {first} s" if first == last else f"from {first} to {last} s"
        return [f"unusable samples (NaN, infinite, or far beyond full scale) replaced: {self.count}, {where}"]


def _bridged(values: np.ndarray, unusable: np.ndarray, before: float, longest: int) -> np.ndarray:
    """One channel [shape=(n,)], its unusable samples replaced; `before` is the sample before the first."""
    places, usable = np.flatnonzero(unusable), np.flatnonzero(~unusable)
    known = np.concatenate([[-1], usable, [len(values) + 2 * longest]])
    levels = np.concatenate([[before], values[usable], [0.0]])
    after = np.searchsorted(known, places)
    (left, right), (start, end) = (known[after - 1], known[after]), (levels[after - 1], levels[after])
    line = start + (end - start) * (places - left) / (right - left)
    fade = max(longest, 1)
    fading = start * np.maximum(1 - (places - left) / fade, 0) + end * np.maximum(1 - (right - places) / fade, 0)
    repaired = values.copy()
    repaired[places] = np.where(right - left - 1 <= longest, line, fading)
    return repaired


class Loudness:
    """How loud a sound is that comes in parts.

    Args:
        sample_rate: in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._length = round(sample_rate * BLOCK_SECONDS)
        self._rest: np.ndarray | None = None  # samples that do not make a block yet
        self._loudest = np.zeros(0)

    def update(self, channels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Takes a part.

        Args:
            channels: floats [shape=(channels, n)].

        Returns:
            (blocks, levels): blocks that are whole now [shape=(channels, blocks, samples)], and the level of each in
            its loudest channel [shape=(blocks,)].
        """
        if self._rest is not None and len(self._rest) == len(channels):
            channels = np.concatenate([self._rest, channels], axis=1)
        whole = channels.shape[1] // self._length * self._length
        blocks, self._rest = channels[:, :whole].reshape(len(channels), -1, self._length), channels[:, whole:]
        levels = _levels(blocks)
        self._loudest = np.sort(np.concatenate([self._loudest, levels]))[-EXCEEDED_BLOCKS:]
        return blocks, levels

    def reaches(self, level: float) -> bool:
        """Whether the sound has exceeded a level for 0.2 s already."""
        return len(self._loudest) == EXCEEDED_BLOCKS and self._loudest[0] > level

    @property
    def level(self) -> float:
        """The level that the sound exceeds for 0.2 s in all, full scale being 1; of a shorter sound, its highest."""
        if len(self._loudest) == EXCEEDED_BLOCKS:
            return float(self._loudest[0])
        if len(self._loudest):
            return float(self._loudest[-1])
        return float(_levels(self._rest[:, None]).max()) if self._rest is not None and self._rest.size else 0.0


def gain_of(level: float) -> tuple[float, list[str]]:
    """The gain for a sound of some level.

    Returns:
        (gain, notes): 1 for most; what raises a quiet one to QUIET; 0 for silence. A line if it is not 1, or none.
    """
    if level < SILENCE:
        return 0.0, [SILENT]
    if level >= QUIET:
        return 1.0, []
    louder = 20 * np.log10(QUIET / level)
    return QUIET / level, [f"the sound is quiet: it is heard as if it were {louder:.0f} dB louder"]


def _levels(blocks: np.ndarray) -> np.ndarray:
    """Root mean square without the mean, of the loudest channel [shape=(channels, blocks, samples) -> (blocks,)]."""
    return np.std(blocks, axis=-1, dtype=np.float64).max(axis=0)


class ChannelAnalysis:
    """Looks at the channels of a sound until it is known how they are mixed.

    Args:
        sample_rate: in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._loudness, self._rate, self._taken = Loudness(sample_rate), sample_rate, 0
        self._levels, self._products = [], []  # of audible blocks

    def update(self, channels: np.ndarray) -> None:
        """Takes a part: floats [shape=(channels, n)]; NaN samples count as silence."""
        self._taken += channels.shape[1]
        blocks, levels = self._loudness.update(np.nan_to_num(channels, posinf=0, neginf=0))
        changes = np.diff(blocks, axis=-1)  # in which hum, often the same in all channels, hardly counts
        for place in np.flatnonzero(levels > AUDIBLE):
            of_block = np.asarray(changes[:, place], np.float64)
            self._levels.append(levels[place])
            self._products.append(of_block @ of_block.T)

    @property
    def level(self) -> float:
        """That of `Loudness`."""
        return self._loudness.level

    @property
    def done(self) -> bool:
        """Whether enough was taken."""
        return len(self._levels) >= ENOUGH_BLOCKS or self._taken > LONGEST_ANALYSIS * self._rate

    def weights(self) -> Any:
        """Weights of the channels by which the voice is kept, or None where their mean keeps it.

        Where the mean has lost the voice, as when one channel has the opposite sign of the other, or when one of many
        has all the sound, they are those of the first principal component.

        Returns:
            float32 [shape=(channels,)], of which the magnitudes add up to 1.
        """
        kept = np.argsort(self._levels)
        kept = kept[:-EXCEEDED_BLOCKS] if len(kept) > 2 * EXCEEDED_BLOCKS else kept  # not those with damaged samples
        products = [self._products[place] for place in kept]
        products = [each for each in products if each.shape == products[0].shape]  # joined files may change
        power = sum(products, np.zeros((1, 1)))
        if not np.trace(power) or power.mean() >= LOSS * np.trace(power) / len(power):
            return None
        component = np.linalg.eigh(power)[1][:, -1]
        component *= np.sign(component[np.argmax(np.abs(component))])
        return np.float32(component / np.abs(component).sum())
