"""Mirrors a clip of the dataset left to right: its faces, its landmarks and the way from the frame to the crop."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from preprocessing.dataset import Clip
from preprocessing.faces.detection import LEFT_EYE, MOUTH_LEFT, MOUTH_RIGHT, NOSE, RIGHT_EYE
from runtime.files import atomic_folder

EXCHANGED = [RIGHT_EYE, LEFT_EYE, NOSE, MOUTH_RIGHT, MOUTH_LEFT]  # rows of a landmark array, left and right exchanged


def mirror_faces(faces: np.ndarray) -> np.ndarray:
    """Faces [shape=(frames, size, size, 3)] with their columns in reverse order."""
    return faces[:, :, ::-1]


def mirror_landmarks(landmarks: np.ndarray) -> np.ndarray:
    """Exchanges left and right: [shape=(frames, 5, 2)], still in pixels of the frame, which itself is not mirrored."""
    return landmarks[:, EXCHANGED]


def mirror_transforms(transforms: np.ndarray, size: int) -> np.ndarray:
    """Puts a mirror behind the transforms [shape=(frames, 2, 3)] from the frame to crops of `size` pixels.

    The result has a negative determinant; its inverse puts a mirrored face back to where it came from in the frame.
    """
    mirror = np.array([[-1.0, 0, size - 1], [0, 1, 0], [0, 0, 1]])  # pixel centres lie at integers: 0 <-> size - 1
    rows = np.concatenate([transforms, np.tile([[[0.0, 0, 1]]], (len(transforms), 1, 1))], axis=1)
    return (mirror @ rows)[:, :2]


def is_mirrored(clip: Clip) -> bool:
    """Whether `mirror_clip` has been at this clip."""
    return bool(np.any(clip.track.get("mirrored", False)))


def mirror_clip(folder: Path) -> bool:
    """Mirrors the clip in `folder` on disk, all of its files at once, unless it has been mirrored before.

    Faces and track change together with the rename of one folder; the track says that they have (`mirrored`, a boolean
    for each frame), so that nothing is mirrored twice. To undo it, delete the folder and run preprocessing again.

    Returns:
        whether the clip was mirrored now.

    Raises:
        InputError: faces.npy or track.npz is missing or damaged.
    """
    clip = Clip(Path(folder), {})
    if is_mirrored(clip):
        return False
    faces, landmarks = np.array(clip.faces), clip.landmarks
    track: dict[str, Any] = dict(clip.track)
    track["landmarks"] = mirror_landmarks(landmarks)
    track["transform"] = mirror_transforms(track["transform"], faces.shape[2])
    track["mirrored"] = np.ones(len(faces), bool)
    with atomic_folder(folder) as partial:
        shutil.copytree(folder, partial, ignore=shutil.ignore_patterns("faces.npy", "track.npz"), dirs_exist_ok=True)
        np.save(partial / "faces.npy", mirror_faces(faces))
        np.savez(partial / "track.npz", **track)
    return True
