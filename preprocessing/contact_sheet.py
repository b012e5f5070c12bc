"""One picture of a whole dataset: a face from each clip, so that a person sees at a glance what went in."""

from pathlib import Path

import numpy as np

from .pictures import tile, write_png

MOST_CLIPS = 240
COLUMNS = 20


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
