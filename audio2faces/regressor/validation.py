"""Looks at a regressor during its training: loss and mouth motion on the validation clips, and a picture."""

from collections.abc import Callable

import keras
import numpy as np

from audio2faces.config import RegressorConfig
from began.losses import weighted_error
from began.model import mouth_weights
from measures.mouth import MouthComponents, mouth_measures
from media.pixels import to_signed, to_uint8
from runtime.progress import progress
from training.frames import FrameSet

GRID_FACES = 12  # columns of the picture
GRID_CLIPS = 3  # sentences in the picture
AT_ONCE = 256  # frames that the network sees


class RegressorValidation:
    """The validation clips with all that does not change while the network learns.

    Args:
        config: of the regressor.
        held_out: validation clips, faces in the size of the motion.
        components: of mouth motion, of faces of that size.
        standardise: function from raw maps to the network's input.
        reference: the face that motion is added to, uint8 RGB [shape=(1, motion_size, motion_size, 3)].
        reference_map: raw map of its moment [shape=(1, rows, coefficients)].
    """

    def __init__(
        self,
        config: RegressorConfig,
        held_out: FrameSet,
        components: MouthComponents,
        standardise: Callable[[np.ndarray], np.ndarray],
        reference: np.ndarray,
        reference_map: np.ndarray,
    ) -> None:
        self.motion = config.motion
        self.mouth_weights = mouth_weights(config.motion_size, config.mouth_weight)
        self.reference = to_signed(reference)
        self.clips, self.frames = held_out.clips, held_out
        self.maps = [standardise(of_clip) for of_clip in [*held_out.maps, reference_map]]
        self.components = components
        self.real = [self.components.transform(clip.faces) for clip in self.clips]

    def __call__(self, network: keras.Model) -> tuple[dict[str, float | None], dict[str, np.ndarray]]:
        """Validates a regressor.

        Returns:
            (values, rows): `validation_loss` and the mouth measures; rows of faces for `began.figures.draw_rows`, for
            each of GRID_CLIPS sentences the real faces above the generated ones.
        """
        ends = np.cumsum([len(of_clip) for of_clip in self.maps])
        maps, made = np.concatenate(self.maps), []
        with progress(len(maps), "frame", "validation", short=True) as bar:
            for first in range(0, len(maps), AT_ONCE):
                made.append(network.predict_on_batch(maps[first : first + AT_ONCE]))
                bar.update(len(made[-1]))
        *made, of_reference, _ = np.split(np.concatenate(made), ends)
        losses = [
            np.asarray(weighted_error(self._target(place), of_clip, self.mouth_weights))
            for place, of_clip in enumerate(made)
        ]
        still = self.reference - of_reference if self.motion else 0.0
        faces = [to_uint8(still + of_clip) for of_clip in made]
        measures = mouth_measures(self.real, [self.components.transform(of_clip) for of_clip in faces])
        values = {
            "validation_loss": float(np.concatenate(losses).mean()),
            **{name: measures[name] for name in ("correlation", "amplitude", "explained_variance")},
        }
        return values, self._rows(faces)

    def _target(self, place: int) -> np.ndarray:
        if not self.motion:
            return to_signed(self.clips[place].faces)
        return self.frames.motion(np.flatnonzero(self.frames.clip_of == place))

    def _rows(self, faces: list[np.ndarray]) -> dict[str, np.ndarray]:
        rows = {}
        for number, (clip, generated) in enumerate(zip(self.clips[:GRID_CLIPS], faces, strict=False), 1):
            chosen = np.linspace(0, len(generated) - 1, GRID_FACES).round().astype(int)
            rows |= {f"clip {number}: real": clip.faces[chosen], f"clip {number}: generated": generated[chosen]}
        return rows
