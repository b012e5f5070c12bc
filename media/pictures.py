"""Pictures as PNG files, and many small ones in one."""

from pathlib import Path

import cv2
import numpy as np

from runtime.errors import InputError
from runtime.files import atomic_write


def read_png(path: str | Path) -> np.ndarray:
    """Reads a picture as uint8 RGB [shape=(height, width, 3)].

    Raises:
        InputError: there is no picture that OpenCV reads.
    """
    picture = cv2.imread(str(path)) if Path(path).is_file() else None
    if picture is None:
        raise InputError(f"{path}: missing, or not a picture; restore it")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def write_png(path: str | Path, image: np.ndarray) -> None:
    """Writes a uint8 RGB image [shape=(height, width, 3)] as PNG, whole or not at all."""
    with atomic_write(path) as partial:
        if not cv2.imwrite(str(partial), cv2.cvtColor(image, cv2.COLOR_RGB2BGR)):
            raise InputError(f"{path}: this picture could not be written; is the disk full?")


def tile(images: np.ndarray, columns: int, gap: int = 2) -> np.ndarray:
    """Arranges images of one size [shape=(n, height, width, 3)] in rows of `columns` on white."""
    count, height, width, _ = images.shape
    rows = -(-count // columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for index, image in enumerate(images):
        top, left = gap + index // columns * (height + gap), gap + index % columns * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet
