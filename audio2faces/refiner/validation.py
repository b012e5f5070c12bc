"""Looks at a refiner during its training: it paints the validation clips again, the lower face hidden."""

import dataclasses

import keras
import numpy as np

from audio2faces.trained.face import FaceModel
from measures.collapse import ratio, sharpness
from measures.mouth import MouthComponents, mouth_measures
from measures.similarity import psnr
from preprocessing.faces.alignment import mouth_slices
from runtime.progress import with_progress
from training.frames import FrameSet, rest_frame, shown_moments


class RefinerValidation:
    """The validation clips with all that does not change while the network learns.

    Args:
        face: of the regressor, without a refiner.
        held_out: validation clips, faces in full size.
        components: of mouth motion, of faces in full size.
    """

    def __init__(self, face: FaceModel, held_out: FrameSet, components: MouthComponents) -> None:
        self.face, self.components = face, components
        self.real = [clip.faces for clip in held_out.clips]
        self.rows, self.columns = mouth_slices(face.config.size)
        self.motion, self.real_motion, self.still = [], [], []
        for of_clip, faces in with_progress(
            list(zip(held_out.maps, self.real, strict=True)), "clip", "motion of validation clips"
        ):
            quiet = rest_frame(of_clip)
            predicted = face.predict_motion(of_clip)
            self.motion.append(face.relative_motion(predicted, predicted[quiet]))
            self.still.append(faces[[quiet]][0])
            self.real_motion.append(components.transform(faces))

    def __call__(self, refiner: keras.Model | None) -> tuple[dict[str, float | None], dict[str, np.ndarray]]:
        """Validates a network; None stands for the regressor alone.

        Returns:
            (values, rows): those that `RefinerTask.measured` names, and rows of faces for `began.figures.draw_rows`.
        """
        face = dataclasses.replace(self.face, refiner=refiner)
        made = []
        of_clips = list(zip(self.motion, self.still, self.real, strict=True))
        for motion, still, frames in with_progress(of_clips, "clip", "validation"):
            made.append(face.render(motion, reference=still, frames=np.asarray(frames)))
        measures = mouth_measures(self.real_motion, [self.components.transform(faces) for faces in made])
        real, refined = ([faces[:, self.rows, self.columns] for faces in of_clips] for of_clips in (self.real, made))
        values = {name: measures[name] for name in ("correlation", "amplitude", "explained_variance")}
        values["mouth_sharpness"] = ratio(sum(map(sharpness, refined)), sum(map(sharpness, real)))
        values["mouth_psnr"] = float(np.mean(np.concatenate([psnr(x, y) for x, y in zip(real, refined, strict=True)])))
        moments = shown_moments(len(self.real[0]))
        moved = self.face.render(self.motion[0], refined=False, reference=self.still[0])
        rows = {"real": self.real[0], "regressor": moved, "refined": made[0]}
        return values, {label: faces[moments] for label, faces in rows.items()}
