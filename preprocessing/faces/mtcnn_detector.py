"""MTCNN (Zhang et al., arXiv 1604.02878) over many frames at once, and a short cut for a face seen a moment ago.

The full cascade finds what the package `mtcnn` finds, with the same weights, thresholds and rounding.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from preprocessing.faces.detection import Face
from runtime.backend import import_keras

SMALLEST_FACE = 20.0  # pixels, the package's default
PYRAMID_STEP = 0.709  # each level of the pyramid is so much smaller than the one before
CELL = 12  # pixels: what the first network looks at; a smaller level of the pyramid holds nothing for it
REFINED_SCORE, OUTPUT_SCORE = 0.7, 0.8  # the package's thresholds of the second and third network
MINIMUM_SCORE = 0.9  # of a face that is believed: the package was seen to report a false one at .85
OVERLAP_IN_LEVEL, OVERLAP = 0.5, 0.7  # above which the less likely of two boxes goes
BATCH_PIXELS = 2_000_000  # of the frames that go through the networks together: bounds memory
# Search boxes of the cascade on frames of five people: where the middle of the landmarks lies in them, in their sides,
# and their side over the landmarks' root mean square distance from that middle.
CENTRE, SIDE = np.array([0.52, 0.585]), 4.26
LARGEST_DRIFT = 0.08  # of the side of a search box, by which the face may have left that place


class MtcnnDetector:
    """Finds faces with P-Net, R-Net and O-Net; see `detection.Detector` for `detect` and `follow`."""

    @cached_property
    def _networks(self) -> Any:
        import_keras()  # seconds, spent only by those who detect
        from preprocessing.faces.face_networks import FaceNetworks

        return FaceNetworks()

    def detect(self, images: Sequence) -> list:
        """The faces of each image with score >= MINIMUM_SCORE; see `detection.Detector.detect`.

        Args:
            images: list of uint8 RGB arrays of one size [shape=(height, width, 3)].
        """
        faces = []
        if len(images):
            per_batch = max(1, BATCH_PIXELS // (images[0].shape[0] * images[0].shape[1]))
            for first in range(0, len(images), per_batch):
                faces += self._detect(np.stack(images[first : first + per_batch]))
        return faces

    def follow(self, images: Sequence, search_boxes: list[np.ndarray]) -> list:
        """The face of each image, found by O-Net alone; see `detection.Detector.follow`.

        A face that has left the middle of its search box is looked at again in a box around it: landmarks are exact
        only from there.
        """
        if not len(images):
            return []
        faces = self._look_at(images, np.asarray(search_boxes, float))
        astray = [index for index, face in enumerate(faces) if face.score >= OUTPUT_SCORE and _has_drifted(face)]
        if astray:
            boxes = np.stack([self.search_box(faces[index].landmarks) for index in astray])
            for index, face in zip(astray, self._look_at([images[index] for index in astray], boxes), strict=True):
                faces[index] = face
        return [face if face.score >= MINIMUM_SCORE and not _has_drifted(face) else None for face in faces]

    def search_box(self, landmarks: np.ndarray) -> np.ndarray:
        """The square around landmarks [shape=(5, 2)] from which they are estimated best."""
        side = SIDE * np.sqrt(((landmarks - landmarks.mean(axis=0)) ** 2).sum(axis=1).mean())
        corner = landmarks.mean(axis=0) - CENTRE * side
        return np.concatenate([corner, corner + side])

    def _look_at(self, images: Sequence, search_boxes: np.ndarray) -> list[Face]:
        """What O-Net tells of one search box of each image, whatever its score."""
        shape = images[0].shape
        boxes = _between_centres(search_boxes, shape)
        # Only the region that holds all boxes is copied.
        left, top = np.clip(np.floor(boxes[:, :2].min(axis=0)), 0, [shape[1] - 2, shape[0] - 2]).astype(int)
        right, bottom = np.maximum(np.ceil(boxes[:, 2:].max(axis=0)), [left + 1, top + 1]).astype(int) + 1
        region = np.stack([image[top:bottom, left:right] for image in images])
        found_by_onet = self._networks.output(region, np.arange(len(images)), boxes - [left, top, left, top])
        return _faces(search_boxes, *found_by_onet)

    def _detect(self, images: np.ndarray) -> list:
        index, boxes = self._proposals(images)
        if len(boxes):
            offsets, scores = self._networks.refine(images, index, _between_centres(boxes, images.shape[1:]))
            sure = scores > REFINED_SCORE
            index, boxes, scores = index[sure], _moved(boxes, offsets)[sure], scores[sure]
            best = suppress(index, boxes, scores, OVERLAP)
            index, boxes = index[best], _squares(boxes[best])
        faces = [[] for _ in images]
        if len(boxes):
            found_by_onet = self._networks.output(images, index, _between_centres(boxes, images.shape[1:]))
            found_by_onet = _faces(boxes, *found_by_onet)
            scores = np.array([face.score for face in found_by_onet])
            sure = np.flatnonzero(scores > OUTPUT_SCORE)
            found = np.array([found_by_onet[i].box for i in sure]).reshape(-1, 4)
            for i in sure[suppress(index[sure], found, scores[sure], OVERLAP, of_smaller=True)]:
                if found_by_onet[i].score >= MINIMUM_SCORE:
                    faces[index[i]].append(found_by_onet[i])
        return [sorted(of_image, key=lambda face: -face.area) for of_image in faces]

    def _proposals(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Index of the image and square box of each place that P-Net proposes on any level of the pyramid."""
        height, width = images.shape[1:3]
        found = [(np.zeros(0, int), np.zeros((0, 4)), np.zeros(0))]
        scale = CELL / SMALLEST_FACE
        while min(height, width) * scale >= CELL:
            index, boxes, scores = self._networks.propose(images, int(height * scale), int(width * scale))
            best = suppress(index, boxes, scores, OVERLAP_IN_LEVEL)
            found.append((index[best], boxes[best] / scale, scores[best]))
            scale *= PYRAMID_STEP
        index, boxes, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
        best = suppress(index, boxes, scores, OVERLAP)
        return index[best], _squares(boxes[best])


def suppress(
    index: np.ndarray, boxes: np.ndarray, scores: np.ndarray, threshold: float, of_smaller: bool = False
) -> np.ndarray:
    """Non-maximum suppression: a box goes if a likelier one of the same image, kept or not, overlaps it too much.

    Args:
        index: image of each box [shape=(n,)].
        boxes: left, top, right, bottom [shape=(n, 4)].
        scores: [shape=(n,)].
        threshold: overlap above which a box goes, 0..1.
        of_smaller: measure the overlap by the smaller box's area, not by the union's.

    Returns:
        rows that stay, image by image, the likeliest first [shape=(m,)].
    """
    order = np.argsort(scores)[::-1]
    kept = [np.zeros(0, int)]
    for image in np.unique(index):
        rows = order[index[order] == image]
        left, top, right, bottom = boxes[rows].T
        areas = (right - left) * (bottom - top)
        across = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
        down = np.minimum(bottom[:, None], bottom) - np.maximum(top[:, None], top)
        common = np.maximum(across, 0) * np.maximum(down, 0)
        whole = np.minimum(areas[:, None], areas) if of_smaller else areas[:, None] + areas - common
        kept.append(rows[~np.triu(common > threshold * whole, k=1).any(axis=0)])
    return np.concatenate(kept)


def _squares(boxes: np.ndarray) -> np.ndarray:
    """Boxes widened about their centre to squares."""
    sizes = boxes[:, 2:] - boxes[:, :2]
    side = sizes.max(axis=1, keepdims=True)
    corners = boxes[:, :2] + (sizes - side) / 2
    return np.concatenate([corners, corners + side], axis=1)


def _moved(boxes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Boxes whose sides are moved by offsets in units of their size."""
    sizes = boxes[:, 2:] - boxes[:, :2] + 1
    return boxes + offsets * np.tile(sizes, 2)


def _between_centres(boxes: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Boxes as the package samples them: its 0 and its width are the centres of the first and the last pixel."""
    height, width = shape[:2]
    return boxes * np.tile([(width - 1) / width, (height - 1) / height], 2)


def _faces(search_boxes: np.ndarray, offsets: np.ndarray, landmarks: np.ndarray, scores: np.ndarray) -> list[Face]:
    """The faces that O-Net's answers mean."""
    corners = search_boxes[:, None, :2]
    landmarks = corners - 1 + landmarks * (search_boxes[:, None, 2:] - corners + 1)
    boxes = _moved(search_boxes, offsets)
    return [Face(*parts) for parts in zip(boxes, scores.tolist(), landmarks, search_boxes, strict=True)]


def _has_drifted(face: Face) -> bool:
    """Whether the landmarks have left their place in the search box."""
    corner, side = face.search_box[:2], face.search_box[2] - face.search_box[0]
    return np.abs((face.landmarks.mean(axis=0) - corner) / side - CENTRE).max() > LARGEST_DRIFT
