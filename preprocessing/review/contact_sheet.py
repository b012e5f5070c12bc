"""One picture of a whole dataset: three faces from each clip, so that a person sees at a glance what went in."""

import numpy as np

from media.pictures import tile, write_png
from preprocessing.dataset import Dataset

MOST_CLIPS = 120
COLUMNS = 21  # seven clips in a row


def write_contact_sheet(dataset: Dataset) -> None:
    """Writes contact_sheet.png: the first, middle and last face of each clip, of at most MOST_CLIPS spread evenly.

    Raises:
        InputError: the faces of a clip are missing or damaged.
    """
    chosen = dataset.clips[:: max(1, -(-len(dataset.clips) // MOST_CLIPS))]
    faces = [clip.faces[place] for clip in chosen for place in (0, len(clip.faces) // 2, -1)]
    if faces:
        write_png(dataset.folder / "contact_sheet.png", tile(np.stack(faces), min(COLUMNS, len(faces))))
