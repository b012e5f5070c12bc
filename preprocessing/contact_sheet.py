"""One picture of a whole dataset: a face from each clip, so that a person sees at a glance what went in."""

from pathlib import Path

import cv2
import numpy as np

from .files import whole_file
from .program import InputError

MOST_CLIPS = 240
COLUMNS = 20


def write_png(path, image):
    """Writes a uint8 RGB image [shape=(height, width, 3)] as PNG, whole or not at all."""
    with whole_file(path) as partial:
        if not cv2.imwrite(str(partial), cv2.cvtColor(image, cv2.COLOR_RGB2BGR)):
            raise InputError(f"{path}: this picture could not be written; is the disk full?")


def tile(images, columns, gap=2):
    """Arranges images of one size [shape=(n, height, width, 3)] in rows of `columns` on white."""
    count, height, width, _ = images.shape
    rows = -(-count // columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for index, image in enumerate(images):
        top, left = gap + index // columns * (height + gap), gap + index % columns * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet


def write_contact_sheet(dataset):
    """Writes contact_sheet.png: the middle face of each clip, of at most MOST_CLIPS clips spread evenly."""
    entries = dataset.manifest["clips"]
    chosen = entries[:: max(1, -(-len(entries) // MOST_CLIPS))]
    faces = []
    for entry in chosen:
        clip = np.load(Path(dataset.folder) / "clips" / entry["name"] / "faces.npy", mmap_mode="r")
        faces.append(clip[len(clip) // 2])
    if faces:
        write_png(dataset.folder / "contact_sheet.png", tile(np.stack(faces), min(COLUMNS, len(faces))))
