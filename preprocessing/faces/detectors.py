"""Which face detectors there are, by name."""

from typing import Any

DETECTORS = ("mtcnn", "viola-jones")


def make_detector(name: str) -> Any:
    """The detector of that name, one of DETECTORS.

    Raises:
        ValueError: there is no such detector.
    """
    if name == "mtcnn":
        from preprocessing.faces.mtcnn_detector import MtcnnDetector

        return MtcnnDetector()
    if name == "viola-jones":
        from preprocessing.faces.viola_jones import ViolaJonesDetector

        return ViolaJonesDetector()
    raise ValueError(f"{name!r} is not a detector; choose one of {', '.join(DETECTORS)}")
