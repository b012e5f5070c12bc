"""One picture of a whole dataset: a face from each clip, so that a person sees at a glance what went in."""

import numpy as np

from .pictures import tile, write_png

MOST_CLIPS = 240
COLUMNS = 20


def write_contact_sheet(dataset):
    """Writes contact_sheet.png: the middle face of each clip, of at most MOST_CLIPS clips spread evenly.

    Raises:
        InputError: the faces of a clip are missing or damaged.
    """
    chosen = dataset.clips[:: max(1, -(-len(dataset.clips) // MOST_CLIPS))]
    faces = [clip.faces[len(clip.faces) // 2] for clip in chosen]
    if faces:
        write_png(dataset.folder / "contact_sheet.png", tile(np.stack(faces), min(COLUMNS, len(faces))))
