"""Both face detectors on the same videos: the faces that each finds, how fast, and the table of their measures."""

import time
from dataclasses import dataclass
from itertools import islice
from typing import Any

import av
import numpy as np

from media.reading import read_frames
from preprocessing.compare_detectors.measures import measure, true_boxes
from preprocessing.faces.detection import Face
from preprocessing.faces.detectors import make_detector
from preprocessing.faces.tracking import KEY_FRAME_INTERVAL, track_faces
from runtime import tables
from runtime.errors import InputError

TRACKED = "mtcnn, tracked"
TRUTH = "mtcnn"  # the detector that says where the face is
METHODS = ("viola-jones", TRUTH, TRACKED)

# Name in the table, key of the measure, digits.
TABLE = (
    ("frames", "frames", 0),
    ("misses", "misses", 0),
    ("false per 100", "false", 1),
    ("centre, %", "centre", 2),
    ("size, %", "size", 2),
    ("crop, pixels", "crop", 2),
    ("frames/s", "rate", 1),
)


@dataclass(frozen=True)
class ComparedVideo:
    """What was found in one video.

    Attributes:
        path: of the video.
        truth: where the face is, NaN where there is none [shape=(frames, 4)].
        faces: for each of METHODS the faces of each frame.
    """

    path: str
    truth: np.ndarray
    faces: dict


class TimedDetector:
    """A `detection.Detector` that adds up the seconds spent in it; a first call of each kind is made once before."""

    def __init__(self, detector: Any) -> None:
        self.seconds = 0.0
        self._detector, self._warm = detector, set()

    def detect(self, images: list[np.ndarray]) -> list[list[Face]]:
        """As the detector does."""
        return self._timed("detect", images)

    def follow(self, images: Any, search_boxes: Any) -> Any:
        """As the detector does."""
        return self._timed("follow", images, search_boxes)

    def search_box(self, landmarks: Any) -> Any:
        """As the detector does."""
        return self._detector.search_box(landmarks)

    def _timed(self, name: str, images: list[np.ndarray], *arguments: np.ndarray) -> Any:
        call = getattr(self._detector, name)
        kind = name, len(images), images[0].shape if len(images) else None
        if kind not in self._warm:
            call(images, *arguments)
            self._warm.add(kind)
        started = time.perf_counter()
        result = call(images, *arguments)
        self.seconds += time.perf_counter() - started
        return result


def compare(paths: Any, frames: Any = None, update: Any = lambda: None) -> Any:
    """Runs both detectors on every frame of videos as it is, and MTCNN with tracking as preparation does.

    Args:
        paths: of the videos.
        frames: number of frames of each video to look at, from its first; None for all.
        update: called after each video.

    Returns:
        (videos, rates, skipped): a list of `ComparedVideo`; frames per second spent in each of METHODS; a line on each
        video that cannot be read or shows no face.
    """
    detectors = {method: TimedDetector(make_detector(method.split(",")[0])) for method in METHODS}
    videos, skipped, seen = [], [], 0
    for path in paths:
        try:
            faces = {
                method: find_faces(islice(read_frames(path), frames), method, detector)
                for method, detector in detectors.items()
            }
            seen += len(faces[TRUTH])
            truth = true_boxes(faces[TRUTH])
            if np.isnan(truth).all():
                raise InputError(f"{path}: no face found; give a video of a speaker")
            videos.append(ComparedVideo(str(path), truth, faces))
        except (InputError, av.error.FFmpegError) as error:
            skipped.append(" ".join(str(error).split()))
        update()
    rates = {method: seen / max(detector.seconds, 1e-9) for method, detector in detectors.items()}
    return videos, rates, skipped


def find_faces(frames: Any, method: str, detector: TimedDetector) -> list[list[Face]]:
    """The faces of each of the frames (time, image); at most one each with tracking."""
    frames = iter(frames)
    if method == TRACKED:
        return [[frame.face] if frame.face else [] for frame in track_faces(frames, detector)]
    faces = []
    while images := [image for _, image in islice(frames, KEY_FRAME_INTERVAL)]:
        faces += detector.detect(images)
    return faces


def compare_measures(videos: Any, rates: Any) -> Any:
    """For each of METHODS the measures of `compare_detectors.measures.measure`, and its rate in frames per second."""
    return {
        method: measure([(video.faces[method], video.truth) for video in videos]) | {"rate": rates[method]}
        for method in METHODS
    }


def format_table(measures: dict[str, dict[str, Any]]) -> str:
    """The measures as an aligned Markdown table, a line for each of METHODS."""
    return tables.aligned(
        ["detector", *(title for title, _, _ in TABLE)],
        (
            [method, *(tables.cell(values[key], digits) for _, key, digits in TABLE)]
            for method, values in measures.items()
        ),
    )
