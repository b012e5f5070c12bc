"""Looks at a generator during its training and after: collapse, mouth motion and pictures, on held-out speech."""

from typing import Any

import numpy as np

from measures.collapse import (
    distances,
    diversity,
    duplicate_rate,
    duplicate_threshold,
    mouths,
    nearest,
    pair_distances,
    ratio,
    sharpness,
    two_groups,
)
from measures.mouth import MouthComponents, mouth_measures
from preprocessing.dataset import Dataset, check_size
from runtime.progress import progress
from training.frames import SHOWN, FrameSet, FrameStore, clip_mean, shown_moments

SAMPLES = 400  # faces that the collapse is measured on during training; afterwards there are more
THRESHOLD_FACES = 1000  # real ones that tell how near two faces of different clips come
GALLERY = 4  # real faces of each training clip, among which the nearest are looked for


class BeganValidation:
    """Real faces and speech that a generator is measured with, the same at every look.

    Args:
        train: `FrameSet` of the training clips.
        held_out: `FrameSet` of validation or test clips.
        components: `MouthComponents` of the training clips.
        samples: number of generated faces.
    """

    def __init__(
        self, train: FrameSet, held_out: FrameSet, components: MouthComponents, samples: int = SAMPLES
    ) -> None:
        generator = np.random.default_rng(0)
        self.held_out, self.samples = held_out, samples
        real = generator.permutation(len(held_out))[:samples]
        self.real, self.real_clips = held_out.faces(real), held_out.clip_of[real]
        self.speech, self.foreign = (np.concatenate(held_out.maps)[self._any(held_out, generator)] for _ in range(2))
        few = np.arange(SHOWN)
        real_speech = np.concatenate(held_out.maps)[real]
        self.speech_of_rows = {
            "real": real_speech[few % len(real_speech)],
            "generated": self.speech[few % len(self.speech)],
        }
        self.learned_speech = np.concatenate(train.maps)[self._any(train, generator)]

        moments = [np.linspace(0, len(clip.faces) - 1, GALLERY).round().astype(int) for clip in train.clips]
        gallery, self.real_motion, stills = [], [], []
        with progress(len(train.clips) + len(held_out.clips), "clip", "measuring real faces", short=True) as bar:
            for clip, at in zip(train.clips, moments, strict=True):
                gallery.append(clip.faces[at])
                bar.update(1)
            for clip in held_out.clips:
                faces = clip.faces[:]
                self.real_motion.append(components.transform(faces))
                stills.append(faces[:: max(1, min(5, len(faces) - 1))])  # two at the least
                bar.update(1)
        self.gallery = np.concatenate(gallery)
        self.gallery_clips = np.arange(len(train.clips)).repeat(GALLERY)
        few = generator.permutation(len(self.gallery))[:THRESHOLD_FACES]
        self.threshold = duplicate_threshold(self.gallery[few], self.gallery_clips[few])
        self.group_of = two_groups(self.gallery.reshape(len(train.clips), GALLERY, -1).mean(axis=1))
        self.real_coverage = len(self._clips_near(train.faces(np.sort(self._any(train, generator)))))

        self.components = components
        self.within, self.mouth_within = _mean_distance(stills), _mean_distance([mouths(faces) for faces in stills])

    def _any(self, frames: FrameSet, generator: np.random.Generator) -> np.ndarray:
        return generator.choice(len(frames), self.samples)

    def __call__(self, face: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Measures a generator.

        Args:
            face: `began.face.BeganFace`.

        Returns:
            (values, rows): a dictionary of floats (see docs/measures.md), None where there is nothing to compare with,
            and labelled rows of SHOWN faces.
        """
        z = face.draw(self.samples, seed=0)
        drawn, talking, made = [], [], []
        speech = (self.speech, self.foreign, self.learned_speech)
        with progress(len(speech) * self.samples + len(self.held_out), "face", "validating", short=True) as bar:
            for maps in speech:
                drawn.append(face.faces(maps, z))
                bar.update(self.samples)
            for index, maps in enumerate(self.held_out.maps):
                talking.append(face.faces(maps, z[[index % len(z)]]))
                made.append(self.components.transform(talking[-1]))
                bar.update(len(maps))
        generated, swapped, learned = drawn
        motion = mouth_measures(self.real_motion, made)
        values = {
            **self.collapse(generated),
            "learned_diversity": diversity(learned, self.real),
            "swap": ratio(aligned_distance(generated, swapped), self.within),
            "mouth_swap": ratio(aligned_distance(mouths(generated), mouths(swapped)), self.mouth_within),
            **{name: motion[name] for name in ("correlation", "amplitude", "explained_variance")},
        }
        values["score"] = score(values, conditional=face.config.speech.code_size > 0)
        return values, self._rows(face, generated, z, talking[0])

    def collapse(self, faces: np.ndarray) -> dict[str, float | None]:
        """The measures of some faces that need neither speech nor z, as a dictionary."""
        near = self._clips_near(faces)
        group = np.mean(self.group_of[self.gallery_clips[nearest(faces, self.gallery)]])
        return {
            "diversity": diversity(faces, self.real),
            "mouth_diversity": diversity(mouths(faces), mouths(self.real)),
            "duplicates": duplicate_rate(faces, self.threshold),
            "real_duplicates": duplicate_rate(self.real, self.threshold, self.real_clips),
            "coverage": len(near) / self.real_coverage,
            "rarer_group": float(min(group, 1 - group)),
            "sharpness": ratio(sharpness(faces), sharpness(self.real)),
        }

    def _clips_near(self, faces: np.ndarray) -> set[int]:
        """The training clips that the nearest real faces come from."""
        return set(self.gallery_clips[nearest(faces, self.gallery)])

    def _rows(self, face: Any, generated: np.ndarray, z: np.ndarray, talking: np.ndarray) -> dict[str, np.ndarray]:
        """What is worth looking at: real and generated faces, a sentence with z fixed, a sound with z varied."""
        few, clip = np.arange(SHOWN), self.held_out.clips[0].faces
        moments = shown_moments(len(clip))
        rows = {
            "real": self.real[few % len(self.real)],
            "generated": generated[few % len(generated)],
            "real sentence": clip[moments],
            "z fixed": talking[moments],
        }
        if face.config.z_size and face.config.speech.code_size:
            rows["speech fixed"] = face.faces(self.speech[:1].repeat(SHOWN, axis=0), z[few % len(z)])
        return rows


def _mean_distance(clips: list[np.ndarray]) -> float:
    """Mean distance between faces of one clip, over clips; 0 where none has two."""
    return float(np.mean([pair_distances(faces).mean() for faces in clips if len(faces) > 1] or [0.0]))


def aligned_distance(faces: np.ndarray, others: np.ndarray) -> float:
    """Mean distance of each face to the one in the same place."""
    return np.mean([distances(faces[[index]], others[[index]])[0, 0] for index in range(len(faces))])


def score(values: dict[str, Any], conditional: bool) -> float:
    """What the best step is chosen by: the product of diversities, sharpness and mouth correlation, each at most 1.

    What cannot be measured does not count.
    """
    factors = [values["diversity"], values["mouth_diversity"], values["sharpness"]]
    if conditional:
        factors.append(max(0.0, values["correlation"]))
    return float(np.prod([min(factor, 1.0) for factor in factors if factor is not None]))


def evaluate(models: list[Any], dataset: Dataset, split: str, samples: int) -> dict[str, Any]:
    """Measures generators beside real faces, on the same speech.

    Args:
        models: list of `began.face.BeganFace`.
        dataset: `preprocessing.dataset.Dataset` with faces of the models' size.
        split: "validation" or "test".
        samples: number of generated faces.

    Returns:
        a JSON object with the measures of each method: see docs/measures.md.

    Raises:
        InputError: the dataset has faces of another size, or lacks a split.
    """
    store = FrameStore(dataset)
    methods: dict[str, dict[str, Any]] = {}
    validate: Any = None
    features = components = None
    for model in models:
        check_size(dataset, model.config.size, model.name)
        if features != model.config.speech.feature_settings:
            features = model.config.speech.feature_settings
            train, held_out = (store.frames(part, features) for part in ("train", split))
            components = components or MouthComponents.fit(train.clips)
            validate = BeganValidation(train, held_out, components, samples)
        if not methods:
            others = train.faces(np.sort(np.random.default_rng(1).permutation(len(train))[:samples]))
            mean = np.rint(np.mean([clip_mean(clip.faces) for clip in train.clips], axis=0))
            real = validate.collapse(validate.real)
            methods["real"] = real | {"duplicates": real["real_duplicates"]}
            methods["real, of the training clips"] = validate.collapse(others)
            methods["mean face"] = validate.collapse(np.repeat(mean[None].astype(np.uint8), samples, axis=0))
        name = model.name if model.name not in methods else f"{model.name} ({len(methods)})"
        methods[name], _ = validate(model)
    return {"split": split, "clips": len(held_out.clips), "samples": samples, "methods": methods}
