"""Looks at a regressor during its training: loss and mouth motion on the validation clips, and a picture."""

import numpy as np

from began.mouth import MouthComponents, mouth_measures
from preprocessing.pictures import tile
from preprocessing.pixels import to_signed, to_uint8

from .frames import choose_reference

GRID_FACES = 12  # columns of the picture
GRID_CLIPS = 3  # sentences in the picture


class Validation:
    """The validation clips with all that does not change while the network learns.

    Args:
        train: `FrameSet` of the training clips: they give the reference and the components of mouth motion.
        validation: `FrameSet` of the validation clips.
        statistics: `FeatureStatistics` of the training speech.
    """

    def __init__(self, train, validation, statistics):
        self.clips = validation.clips
        self.reference, self.reference_map = choose_reference(train)
        self.maps = [statistics.standardise(of_clip) for of_clip in [*validation.maps, self.reference_map[None]]]
        self.clip_means = validation.clip_means
        self.components = MouthComponents.of(train.clips)
        self.real = [self.components.of_faces(clip.faces) for clip in self.clips]

    def __call__(self, model):
        """Examines a compiled model.

        Returns:
            (values, picture): `validation_loss` and the mouth measures; for GRID_CLIPS sentences a row of real
            faces above the generated ones, uint8 RGB.
        """
        ends = np.cumsum([len(of_clip) for of_clip in self.maps])
        *motion, of_reference, _ = np.split(model.predict(np.concatenate(self.maps), batch_size=256, verbose=0), ends)
        losses = [
            np.asarray(model.loss.call(to_signed(clip.faces) - mean, of_clip))
            for clip, mean, of_clip in zip(self.clips, self.clip_means, motion, strict=True)
        ]
        faces = [to_uint8(to_signed(self.reference) + of_clip - of_reference) for of_clip in motion]
        measures = mouth_measures(self.real, [self.components.of_faces(of_clip) for of_clip in faces])
        values = {
            "validation_loss": float(np.concatenate(losses).mean()),
            **{name: measures[name] for name in ("correlation", "amplitude", "explained_variance")},
        }
        return values, self._picture(faces)

    def _picture(self, faces):
        rows = []
        for clip, generated in list(zip(self.clips, faces, strict=True))[:GRID_CLIPS]:
            chosen = np.linspace(0, len(generated) - 1, GRID_FACES).round().astype(int)
            rows += [clip.faces[chosen], generated[chosen]]
        return tile(np.concatenate(rows), GRID_FACES)
