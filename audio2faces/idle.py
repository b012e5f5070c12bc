"""What a face does that cannot be heard: it turns, nods and blinks. Kept as principal components, replayed in videos.

It is what is left of the motion when that which the regressor hears is taken away. Its components are those of the
part above the mouth (`began.eigenfaces`), with what of the rest of the face goes with them, less what goes with the
mouth. The refiner is given them in training, so that it need not guess them; a video replays stretches of real codes,
one after the other.
"""

from dataclasses import dataclass

import numpy as np

from began.eigenfaces import FIT_FACES, Eigenfaces, directions_of_mouth
from began.model_folder import in_batches
from began.mouth import COMPONENTS, MouthComponents
from preprocessing.program import progress

AT_ONCE = 1024  # frames, when all of them are looked at
STRETCH_SECONDS = 3.0  # of a stretch; each stays within one clip, and within its unbroken frames
STRETCHES = 48  # kept with a model
JOIN_SECONDS = 0.4  # in which one stretch turns into the next
CANDIDATES = 12  # stretches drawn for the next one: the nearest follows


def fit_idle_motion(frames, standardise, network, z_size, covered):
    """The components of what a regressor leaves of the motion of training clips.

    What goes with the mouth is left out. People nod while they speak, so that above the mouth half of its motion can be
    seen: a refiner that is shown it takes the mouth from there, and mumbles where the head is held still.

    Args:
        frames: `frames.MotionSet`.
        standardise: function from raw maps to what the network hears.
        network: the regressor.
        z_size: number of components.
        covered: what lies below this share of the face is not seen.

    Returns:
        (kernel, codes): from a code to motion [shape=(z_size, size, size, 3)], and the codes of all frames
        [shape=(len(frames), z_size)].
    """

    def left(indices, maps):
        return frames.motion(indices) - in_batches(network.predict_on_batch, standardise(maps))

    maps = np.concatenate(frames.maps)
    some = np.sort(np.random.default_rng(0).permutation(len(frames))[:FIT_FACES])
    eigenfaces = Eigenfaces.of(left(some, maps[some]), z_size + COMPONENTS, covered)
    codes = []
    with progress(len(frames), "frame", "what cannot be heard") as bar:
        for first in range(0, len(frames), AT_ONCE):
            some = np.arange(first, min(first + AT_ONCE, len(frames)))
            codes.append(eigenfaces.codes(left(some, maps[some])))
            bar.update(len(some))
    codes = np.concatenate(codes)
    mouth = MouthComponents.of(frames.clips)
    motion = np.concatenate([mouth.of_faces(clip.faces) for clip in frames.clips])
    with_mouth = directions_of_mouth(codes.T @ motion, (motion**2).sum(axis=0), len(motion))
    eigenfaces, turn = eigenfaces.without(with_mouth)
    return eigenfaces.kernel.reshape(z_size, *frames.clip_means.shape[1:]), codes @ turn


@dataclass(frozen=True)
class IdleMotion:
    """Idle motion that a model replays.

    Attributes:
        kernel: from a code to motion in [-1, 1] pixels, float16 [shape=(z_size, size, size, 3)].
        stretches: codes of training clips less that of the reference face, float16 [shape=(n, frames, z_size)].
        frame_rate: frames per second of the stretches.
    """

    kernel: np.ndarray
    stretches: np.ndarray
    frame_rate: float

    def pictures(self, codes):
        """Motion of codes [shape=(n, z_size)]: float32 [shape=(n, size, size, 3)]."""
        kernel = self.kernel.astype(np.float32)
        return (codes.astype(np.float32) @ kernel.reshape(len(kernel), -1)).reshape(-1, *kernel.shape[1:])

    def replay(self, frame_rate, seed):
        """Codes of one frame after the other, without end: real stretches, each led over into a near one.

        Args:
            frame_rate: frames per second of the video.
            seed: another one gives another course.

        Yields:
            code [shape=(z_size,)].
        """
        if self.stretches.shape[1] < 2 or not len(self.stretches):
            while True:
                yield np.zeros(self.stretches.shape[-1], np.float32)
        codes = self._course(np.random.default_rng(seed))
        before, after, place = next(codes), next(codes), 0.0
        while True:
            yield before + place * (after - before)
            place += self.frame_rate / frame_rate
            while place >= 1:
                before, after, place = after, next(codes), place - 1

    def _course(self, generator):
        """The same at the stretches' own rate."""
        length = self.stretches.shape[1]
        join = min(max(1, round(JOIN_SECONDS * self.frame_rate)), length // 2)
        share = (np.arange(join) + 1)[:, None] / (join + 1)
        stretches = self.stretches.astype(np.float32)
        current = stretches[generator.integers(len(stretches))]
        while True:
            yield from current[: length - join]
            drawn = stretches[generator.integers(len(stretches), size=CANDIDATES)]
            following = drawn[np.linalg.norm(drawn[:, 0] - current[length - join], axis=-1).argmin()]
            joined = (1 - share) * current[length - join :] + share * following[:join]
            current = np.concatenate([joined, following[join:]])


def stretches_of(codes, sequence_of, frame_rate):
    """Cuts the codes of training frames into stretches: at most STRETCHES, evenly over the clips.

    Args:
        codes: of all frames [shape=(frames, z_size)].
        sequence_of: `began.frames.FrameSet.sequence_of`; no stretch goes over dropped frames [shape=(frames,)].
        frame_rate: frames per second.

    Returns:
        [shape=(n, length, z_size)]; of length STRETCH_SECONDS, or of the longest sequence, if that is shorter.
    """
    counts = np.bincount(sequence_of)
    length = min(round(STRETCH_SECONDS * frame_rate), counts.max())
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    firsts = [
        start + offset
        for start, count in zip(starts, counts, strict=True)
        for offset in range(0, count - length + 1, length)
    ]
    chosen = np.unique(np.linspace(0, len(firsts) - 1, STRETCHES).round().astype(int))
    return np.stack([codes[firsts[index] : firsts[index] + length] for index in chosen])
