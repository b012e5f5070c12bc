"""Whether the picture of a video stands upright: if not, a face is found better in the turned picture."""

from typing import Any

import numpy as np

from preprocessing.faces.detection import Face
from preprocessing.faces.tracking import look_at_whole

SURE = 4.6  # log-odds of the score of a face that is believed in a turned picture: .99
LEAD = 2.0  # by which it has to be ahead of the face in the picture as it is
HIGHEST = 9.0  # log-odds that a score counts at most
MEMORY = 0.5  # weight that evidence keeps from one look to the next


class Orientation:
    """Gathers evidence of how the picture of a video lies, from a frame now and then.

    In an upside-down face a detector of upright ones may find a face, too, its eyes on the mouth and its mouth on the
    forehead, with a score up to .99; but it finds the true one in the turned picture with a higher score.
    """

    def __init__(self, detector: Any) -> None:
        self._detector = detector
        self._evidence = np.zeros(4)  # of the picture turned by so many quarters

    @property
    def quarters(self) -> int:
        """Quarter turns, anticlockwise, that the picture needs to be upright: 0 to 3."""
        best = int(self._evidence.argmax())
        return best if self._evidence[best] > max(SURE, self._evidence[0] + LEAD) else 0

    def look(self, image: np.ndarray, face: Face | None) -> None:
        """Takes a frame into account.

        Args:
            image: uint8 RGB [shape=(height, width, 3)].
            face: the `detection.Face` that was found in it, or None.
        """
        found = np.array([_log_odds(face), 0, 0, 0])
        turned = [np.ascontiguousarray(np.rot90(image, quarters)) for quarters in (1, 2, 3)]
        if face is not None:
            boxes = _turned_boxes(face.search_box, image.shape)
            detected = [self._detector.follow([picture], [box])[0] for picture, box in zip(turned, boxes, strict=True)]
            found[1:] = [_log_odds(other) for other in detected]
        if found[0] < SURE:
            whole = [look_at_whole([picture], self._detector)[0] for picture in turned]
            found[1:] = np.maximum(found[1:], [_log_odds(faces[0] if faces else None) for faces in whole])
        self._evidence = MEMORY * self._evidence + found


def _log_odds(face: Face | None) -> float:
    if face is None:
        return 0.0
    return float(np.clip(np.log(face.score / max(1 - face.score, np.exp(-HIGHEST))), 0, HIGHEST))


def _turned_boxes(box: np.ndarray, shape: tuple[int, int, int]) -> list[np.ndarray]:
    """A box (left, top, right, bottom) in the picture turned by one, two and three quarters, anticlockwise."""
    (left, top, right, bottom), (height, width) = box, shape[:2]
    return [
        np.array([top, width - right, bottom, width - left]),
        np.array([width - right, height - bottom, width - left, height - top]),
        np.array([height - bottom, left, height - top, right]),
    ]
