"""Motion that speech does not determine: turns, nods and blinks. Fitted to training clips, replayed in videos.

It is what is left of the motion when what the regressor predicts is taken away. Turns and nods are kept as principal
components: those of the part above the mouth (`began.eigenfaces`), with what of the rest of the face goes with them,
less what goes with the mouth. The refiner is given them in training, so that it need not guess them. A lid that closes
over an eye is not a sum of components, so the pixels of real eyes are kept as well. A video replays stretches of
training clips one after the other: codes of the components, and the eyes of the same frames.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import keras
import numpy as np

from audio2faces.regressor.network import add_motion
from began.eigenfaces import FIT_FACES, Eigenfaces, directions_of_mouth
from began.networks.inference import in_batches
from measures.mouth import COMPONENTS, MouthComponents
from media.pixels import to_signed, to_uint8
from preprocessing.faces.alignment import eye_slices
from runtime.program import progress
from training.frames import FrameSet

AT_ONCE = 256  # frames, when all of them are looked at
STRETCH_SECONDS = 3.0  # of a stretch; each stays within one clip, and within its unbroken frames
CANDIDATES = 240  # stretches among which those of a model are chosen
STRETCHES = 10  # kept with a model, fewer of large faces
MOST_EYES = 6_000_000  # bytes of the eyes that are kept, before they are packed
JOIN_SECONDS = 0.4  # of the cross-fade from one stretch to the next
DRAWN = 4  # stretches drawn for the next one: the nearest follows
MASK_EDGE = 0.05  # of the side of the face, over which eyes and face are blended


def fit_idle_motion(
    frames: FrameSet,
    standardise: Callable[[np.ndarray], np.ndarray],
    network: keras.Model,
    z_size: int,
    covered: float,
    mouth: MouthComponents,
) -> tuple[np.ndarray, np.ndarray]:
    """The components of what a regressor leaves of the motion of training clips.

    What goes with the mouth is left out. People nod while they speak, so that above the mouth half of its motion can be
    seen: a refiner that is shown it takes the mouth from there, and mumbles where the head is held still.

    Args:
        frames: `training.frames.FrameSet` of the training clips.
        standardise: function from raw maps to the network's input.
        network: the regressor.
        z_size: number of components.
        covered: what lies below this share of the face is not seen.
        mouth: `measures.mouth.MouthComponents` of the frames.

    Returns:
        (kernel, codes): from a code to motion [shape=(z_size, size, size, 3)], and the codes of all frames
        [shape=(len(frames), z_size)].
    """
    maps = np.concatenate(frames.maps)
    some = np.sort(np.random.default_rng(0).permutation(len(frames))[:FIT_FACES])
    with progress(len(some) + len(frames), "frame", "fitting idle motion") as bar:

        def left(indices: np.ndarray) -> Iterator[np.ndarray]:
            """What is left of the motion of some frames, a part at a time."""
            for first in range(0, len(indices), AT_ONCE):
                part = indices[first : first + AT_ONCE]
                yield frames.motion(part) - in_batches(network.predict_on_batch, standardise(maps[part]))
                bar.update(len(part))

        eigenfaces = Eigenfaces.fit(np.concatenate(list(left(some))), z_size + COMPONENTS, covered)
        codes = np.concatenate([eigenfaces.transform(part) for part in left(np.arange(len(frames)))])
    motion = np.concatenate([mouth.transform(clip.faces) for clip in frames.clips])
    with_mouth = directions_of_mouth(codes.T @ motion, (motion**2).sum(axis=0), len(motion))
    eigenfaces, turn = eigenfaces.without(with_mouth)
    return eigenfaces.kernel.reshape(z_size, *frames.clip_means.shape[1:]), codes @ turn


@dataclass(frozen=True)
class IdleMotion:
    """Idle motion that a model replays.

    Attributes:
        kernel: from a code to motion in [-1, 1] pixels, float16 [shape=(z_size, size, size, 3)].
        codes: of the frames of each stretch, less that of the reference face, float16 [shape=(n, frames, z_size)].
        eyes: the part `alignment.eye_slices` of the same frames in the colours of the reference, uint8 RGB
            [shape=(n, frames, height, width, 3)].
        frame_rate: frames per second of the stretches.
    """

    kernel: np.ndarray
    codes: np.ndarray
    eyes: np.ndarray
    frame_rate: float

    @classmethod
    def from_clips(
        cls, kernel: np.ndarray, codes: np.ndarray, faces: FrameSet, reference: int, frame_rate: float
    ) -> Self:
        """Chooses the stretches of training clips that a model replays.

        Args:
            kernel: as of `fit_idle_motion`.
            codes: of all training frames, as of `fit_idle_motion`.
            faces: `training.frames.FrameSet` of these frames in full size.
            reference: index of the frame that motion is added to.
            frame_rate: frames per second.
        """
        codes = (codes - codes[reference]).astype(np.float16)
        idle = cls(kernel.astype(np.float16), codes[None], np.empty(0), frame_rate)
        firsts, length = find_stretches(faces.sequence_of, frame_rate)
        firsts = firsts[np.unique(np.linspace(0, len(firsts) - 1, CANDIDATES).round().astype(int))]
        still = faces.faces(np.array([reference]))
        rows, columns = eye_slices(still.shape[1])
        eyes, misfits = [], []
        with progress(len(firsts), "part", "choosing idle motion") as bar:
            for first in firsts:
                frames = np.arange(first, first + length)
                moved = to_uint8(np.asarray(add_motion(to_signed(still), idle.motion(codes[frames]))))
                matched, misfit = match_eyes(faces.faces(frames)[:, rows, columns], moved[:, rows, columns])
                eyes.append(to_uint8(to_signed(matched)))
                misfits.append(misfit.max())
                bar.update(1)
        join = join_frames(length, frame_rate)
        chosen = choose_stretches(np.stack(eyes), np.array(misfits), join)
        codes = np.stack([codes[firsts[index] : firsts[index] + length] for index in chosen])
        return cls(idle.kernel, codes, np.stack([eyes[index] for index in chosen]), frame_rate)

    def motion(self, codes: np.ndarray) -> np.ndarray:
        """Motion of codes [shape=(n, z_size)]: float32 [shape=(n, size, size, 3)]."""
        kernel = self.kernel.astype(np.float32)
        return (codes.astype(np.float32) @ kernel.reshape(len(kernel), -1)).reshape(-1, *kernel.shape[1:])

    def with_eyes(self, faces: np.ndarray, eyes: np.ndarray) -> np.ndarray:
        """Faces with other eyes, blended towards the edge of their part.

        Args:
            faces: uint8 RGB [shape=(n, size, size, 3)].
            eyes: in 0..255 [shape=(n, height, width, 3)].

        Returns:
            as `faces`.
        """
        rows, columns = eye_slices(faces.shape[1])
        made, part = faces.copy(), faces[:, rows, columns].astype(np.float32)
        part += eye_mask(faces.shape[1]) * (eyes - part)
        made[:, rows, columns] = np.rint(part)
        return made

    def replay(self, frame_rate: float, seed: int) -> Iterator[tuple[np.ndarray, ...]]:
        """Idle motion of one frame after the other, without end.

        Args:
            frame_rate: frames per second of the video.
            seed: another one gives another course.

        Yields:
            (code, eyes): float32 [shape=(z_size,)], float32 in 0..255 [shape=(height, width, 3)].
        """
        frames = self._frames(seed)
        before, after, place = next(frames), next(frames), 0.0
        while True:
            yield tuple(one + place * (other - one) for one, other in zip(before, after, strict=True))
            place += self.frame_rate / frame_rate
            while place >= 1:
                before, after, place = after, next(frames), place - 1

    def _frames(self, seed: int) -> Iterator[tuple[np.ndarray, ...]]:
        """The same at the rate of the stretches."""
        kept = [stretches.reshape(-1, *stretches.shape[2:]) for stretches in (self.codes, self.eyes)]
        for one, other, share in self.course(seed):
            first, second = ([values[frame].astype(np.float32) for values in kept] for frame in (one, other))
            yield tuple((1 - share) * x + share * y for x, y in zip(first, second, strict=True))

    def course(self, seed: int) -> Iterator[tuple[int, int, np.float32]]:
        """Which frames of the stretches, numbered through, are shown: real stretches, each faded into a near one.

        Yields:
            (one, other, share): of each frame, the numbers of two, and the share of the second in float32.
        """
        count, length = self.codes.shape[:2]
        generator = np.random.default_rng(seed)
        join = join_frames(length, self.frame_rate)
        codes = self.codes.astype(np.float32)
        current, begin = int(generator.integers(count)), 0
        while True:
            for frame in range(begin, length - join):
                yield current * length + frame, current * length + frame, np.float32(0)
            others = [index for index in range(count) if index != current] or [current]
            drawn = generator.choice(others, size=min(DRAWN, len(others)), replace=False)
            leap = np.linalg.norm(codes[drawn, 0] - codes[current, length - join], axis=-1)
            following = int(drawn[leap.argmin()])
            for frame in range(join):
                share = np.float32((frame + 1) / (join + 1))
                yield current * length + length - join + frame, following * length + frame, share
            current, begin = following, join


def idle_frames(replay: Any, count: int) -> tuple[np.ndarray, ...]:
    """The next frames of a replay, as `FaceModel.render` takes them: (codes, eyes), arrays over `count` frames."""
    return tuple(np.stack(values) for values in zip(*(next(replay) for _ in range(count)), strict=True))


def join_frames(length: int, frame_rate: float) -> int:
    """How many frames of a stretch of some length are faded into the next one."""
    return min(max(1, round(JOIN_SECONDS * frame_rate)), length // 2)


def find_stretches(sequence_of: np.ndarray, frame_rate: float) -> tuple[np.ndarray, int]:
    """Cuts training frames into stretches.

    Args:
        sequence_of: `training.frames.FrameSet.sequence_of`; no stretch goes over dropped frames [shape=(frames,)].
        frame_rate: frames per second.

    Returns:
        (firsts, length): indices of their first frames, and their length: STRETCH_SECONDS, or that of the longest
        sequence, if it is shorter.
    """
    counts = np.bincount(sequence_of)
    length = min(round(STRETCH_SECONDS * frame_rate), counts.max())
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    firsts = [
        start + offset
        for start, count in zip(starts, counts, strict=True)
        for offset in range(0, count - length + 1, length)
    ]
    return np.array(firsts), int(length)


def choose_stretches(eyes: np.ndarray, misfits: np.ndarray, join: int) -> np.ndarray:
    """The stretches whose eyes fit into the face best, and begin and end with eyes as they mostly are: open, ahead.

    Args:
        eyes: uint8 RGB [shape=(n, frames, height, width, 3)].
        misfits: of each stretch, grey levels at the edge of the eyes [shape=(n,)].
        join: frames at each end that are faded into those of another stretch.

    Returns:
        indices of at most STRETCHES that hold at most MOST_EYES, in rising order.
    """
    usual = np.median(eyes[:, 0], axis=0)
    ends = [np.abs(eyes[:, part] - usual).mean(axis=(1, 2, 3, 4)) for part in (slice(join), slice(-join, None))]
    count = max(1, min(STRETCHES, MOST_EYES // eyes[0].nbytes))
    return np.sort(np.argsort(misfits + np.maximum(*ends), kind="stable")[:count])


def match_eyes(eyes: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gives eyes the colour and light that a face has around them.

    A plane over the picture, for each channel of each frame, is added, by least squares over the edge of the mask.

    Args:
        eyes: uint8 RGB of real frames [shape=(frames, height, width, 3)].
        faces: the same part of the face that they are to be seen in.

    Returns:
        (matched, misfits): float32 [same shape], and the root mean square of what is left at the edge, in grey levels
        [shape=(frames,)].
    """
    height, width = eyes.shape[1:3]
    edge = np.ones((height, width), bool)
    margin = max(1, height // 8)
    edge[margin:-margin, margin:-margin] = False
    down, across = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    plane = np.stack([np.ones_like(down), down, across], axis=-1)
    lacking = faces[:, edge].astype(np.float64) - eyes[:, edge]
    weights = np.einsum("ke,fec->fkc", np.linalg.pinv(plane[edge]), lacking)
    misfit = lacking - np.einsum("ek,fkc->fec", plane[edge], weights)
    matched = eyes + np.einsum("hwk,fkc->fhwc", plane, weights)
    return np.clip(matched, 0, 255).astype(np.float32), np.sqrt(np.square(misfit).mean(axis=(1, 2)))


@lru_cache
def eye_mask(size: int) -> np.ndarray:
    """The share of real eyes in a face of `size` pixels: 1, falling to 0 at the edge [shape=(height, width, 1)]."""
    rows, columns = eye_slices(size)

    def ramp(part: slice) -> np.ndarray:
        length, edge = part.stop - part.start, MASK_EDGE * size
        from_edge = np.minimum(np.arange(length) + 0.5, length - np.arange(length) - 0.5)
        return 0.5 - 0.5 * np.cos(math.pi * np.clip(from_edge / edge, 0, 1))

    return (ramp(rows)[:, None] * ramp(columns))[..., None].astype(np.float32)
