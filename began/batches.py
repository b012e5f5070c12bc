"""The batches of a run."""

import numpy as np

from began.model_folder import cover
from media.pixels import to_signed
from runtime.program import with_progress
from training.frames import batch_indices


class Batches:
    """The batches of a run: what a step sees is a function of its number alone.

    Args:
        config: `BeganConfig`.
        frames: `FrameSet` of the training clips.
        standardise: function from raw maps to what the networks hear.
        eigenfaces: `Eigenfaces`, where z is made of them.
    """

    def __init__(self, config, frames, standardise, eigenfaces=None):
        self.config, self.frames, self.standardise = config, frames, standardise
        self.maps = np.concatenate([standardise(of_clip) for of_clip in frames.maps])
        if eigenfaces:
            codes = []
            for clip in with_progress(frames.clips, "clip", "codes of faces"):
                codes.append(eigenfaces.codes(to_signed(clip.faces)))
            self.codes = np.concatenate(codes)

    def __call__(self, step):
        """The batch of a step, as `Began` takes it."""
        config, frames = self.config, self.frames
        generator = np.random.default_rng((config.seed, step))
        indices = batch_indices(len(frames), config.batch_size, step, config.seed, config.shuffled)
        face = to_signed(frames.faces(indices))
        batch = {
            "face": face,
            "speech": self.maps[indices],
            "foreign_speech": self.maps[generator.integers(len(frames), size=len(indices))],
        }
        shape = (len(indices), config.z_size)
        if config.z_source == "uniform":
            batch["z"] = generator.uniform(-1, 1, shape).astype(np.float32)
        elif config.z_source != "none":
            references = indices if config.same_frame else frames.companions(indices, generator)
            noise = generator.normal(size=shape).astype(np.float32)
            if config.z_source == "eigenfaces":
                batch["z"] = self.codes[references] + config.z_noise * noise
            else:
                batch |= {"reference": cover(frames.faces(references), config), "noise": noise}
        return batch
