"""Pictures of known classes for `experiments.positive_control`: the faces of several speakers, or digits."""

import cv2
import numpy as np

from runtime.errors import InputError

SIZE = 32  # pixels
FROM_EACH = 900  # pictures of a class, at most
HELD_OUT = 5  # one in so many clips, or pictures, is


def speakers(datasets):
    """(training pictures, held-out ones), each from a speaker's name to uint8 RGB [shape=(n, SIZE, SIZE, 3)]."""
    from training.frames import smaller

    train, held_out = {}, {}
    for dataset in datasets:
        name = dataset.folder.resolve().name
        if name in train:
            raise InputError(f"{dataset.folder}: another dataset of the name {name} was given; rename one folder")
        entries = sorted(dataset.manifest["clips"], key=lambda entry: entry["name"])
        clips = [clip for split in sorted({entry["split"] for entry in entries}) for clip in dataset.split(split)]
        clips = sorted(clips, key=lambda clip: clip.name)
        parts = clips[::HELD_OUT], [clip for number, clip in enumerate(clips) if number % HELD_OUT]
        for part, chosen in zip((held_out, train), parts, strict=True):
            if not chosen:
                raise InputError(f"{dataset.folder}: {len(clips)} clip, of which none can be held out; give more")
            from_clip = -(-FROM_EACH // len(chosen))
            faces = [smaller(evenly(clip.faces, from_clip), SIZE) for clip in chosen]
            part[name] = evenly(np.concatenate(faces), FROM_EACH)
    fewest = min(map(len, train.values()))
    return {name: evenly(faces, fewest) for name, faces in train.items()}, held_out


def digits():
    """The same of the digits that scikit-learn ships, 8 x 8 and grey."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise InputError("--digits: needs the package scikit-learn; pip install scikit-learn") from error
    loaded = load_digits()
    pictures = [
        cv2.resize(np.float32(picture), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC) for picture in loaded.images
    ]
    pictures = np.repeat(np.clip(np.stack(pictures) * 255 / 16, 0, 255).round().astype(np.uint8)[..., None], 3, axis=-1)
    of_class = {str(digit): pictures[loaded.target == digit] for digit in range(10)}
    train = {name: np.delete(all_of_it, np.s_[::HELD_OUT], axis=0) for name, all_of_it in of_class.items()}
    fewest = min(map(len, train.values()))
    return {n: evenly(p, fewest) for n, p in train.items()}, {n: p[::HELD_OUT] for n, p in of_class.items()}


def evenly(pictures, count):
    """At most so many of some pictures, evenly over all."""
    return pictures[:][np.unique(np.linspace(0, len(pictures) - 1, min(count, len(pictures))).round().astype(int))]
