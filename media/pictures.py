"""Pictures read, written as PNG files, made smaller, and many small ones in one."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from runtime.errors import InputError
from runtime.files import atomic_write

GAP = 2  # pixels between the images of `tile`


def read_picture(path: str | Path) -> np.ndarray:
    """Reads a picture as uint8 RGB [shape=(height, width, 3)].

    Raises:
        InputError: there is no picture that OpenCV reads.
    """
    picture = cv2.imread(str(path)) if Path(path).is_file() else None
    if picture is None:
        raise InputError(f"{path}: missing, or not a picture that can be read")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def write_png(path: str | Path, image: np.ndarray) -> None:
    """Writes a uint8 RGB image [shape=(height, width, 3)] as PNG, whole or not at all."""
    with atomic_write(path) as partial:
        if not cv2.imwrite(str(partial), cv2.cvtColor(image, cv2.COLOR_RGB2BGR)):
            raise InputError(f"{path}: this picture could not be written; is the disk full?")


def fitted(image: np.ndarray, longest_side: Any) -> np.ndarray:
    """An image shrunk to a longest side of so many pixels (None: as it is) and cut to even sides, as videos need them.

    Args:
        image: uint8 RGB [shape=(height, width, 3)].
        longest_side: in pixels.

    Returns:
        uint8 RGB [shape=(height, width, 3)].
    """
    if longest_side is not None and max(image.shape) > longest_side:
        scale = longest_side / max(image.shape)
        height, width = (max(2, round(scale * side)) for side in image.shape[:2])
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2])


def tile(images: np.ndarray, columns: int, gap: int = GAP) -> np.ndarray:
    """Arranges images of one size [shape=(n, height, width, 3)] in rows of `columns` on white."""
    count, height, width, _ = images.shape
    rows = -(-count // columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for index, image in enumerate(images):
        top, left = gap + index // columns * (height + gap), gap + index % columns * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet
