"""Reads the words off generated mouths: an outside judge that no part of the system has seen.

A GRID sentence is six words, each out of 4, 4, 4, 25, 10 and 4. A small network learns to name the word of a slot from
the mouth in the frames of that word, by the timings of real clips. Then it reads clips of the test split: real ones,
those that faces make of the same speech, pictures that do not move, the faces of another sentence, and the faces that
other speakers' voices drive.

A generator that had memorised its training frames would be read too well by a network that learned from the same
frames. So the clips of the training split are dealt out in turns: a face is trained on one half, by the preset for so
much speech and from an encoder that has not heard the speaker, and the network learns from the other half. Faces given
by --model have mostly learned from both.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from experiments.splits import splits_of, with_splits
from experiments.trained_face import train_face
from measures.sounds import read_labels
from preprocessing.dataset import check_size, open_dataset
from preprocessing.faces.alignment import mouth_slices
from runtime import tables
from runtime.backend import import_keras
from runtime.errors import InputError
from runtime.program import ArgumentParser, number, program
from runtime.progress import with_progress

SLOTS = (
    ["bin", "lay", "place", "set"],
    ["blue", "green", "red", "white"],
    ["at", "by", "in", "with"],
    list("abcdefghijklmnopqrstuvxyz"),
    ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
    ["again", "now", "please", "soon"],
)
WORDS = [word for slot in SLOTS for word in slot]
CHANCE = float(np.mean([1 / len(slot) for slot in SLOTS]))
HEIGHT, WIDTH = 24, 36  # of the mouth that the network sees
FRAMES = 16  # that a word is stretched to
MARGIN = 0.08  # seconds before and after a word that are seen too: neighbouring sounds shape a mouth
SHIFT, FRAMES_SHIFT = 2, 2  # pixels and frames by which training words are moved at random
BLUR = 1.0  # largest deviation in pixels by which training mouths are blurred, as generated ones are


def parse_arguments():
    """Reads the command line."""
    parser = ArgumentParser(prog="python -m experiments.lip_reader", description=__doc__)
    parser.add_argument("--data", metavar="DATASET", required=True, help="of GRID sentences of the faces' speaker")
    parser.add_argument(
        "--words", metavar="FOLDER", type=Path, required=True, help="of word timings: FOLDER/DATASET/CLIP.align"
    )
    parser.add_argument(
        "--encoder", metavar="ENCODER", required=True, help="speech encoder trained without the speaker"
    )
    parser.add_argument("--model", metavar="MODEL", action="append", default=[], help="a face; may be given again")
    parser.add_argument("--others", metavar="DATASET", action="append", default=[], help="of another speaker")
    parser.add_argument("--run", metavar="FOLDER", type=Path, required=True, help="of the face of one half")
    parser.add_argument("--epochs", type=number(1, 1000, int), default=40, help="of the network (default: 40)")
    return parser.parse_args()


def halves(dataset):
    """Two datasets that share the training clips of one, dealt out in turns; the other splits stay."""
    splits = splits_of(dataset)
    train = [name for name, split in splits.items() if split == "train"]
    return [
        with_splits(dataset, {name: split for name, split in splits.items() if name not in train[1 - turn :: 2]})
        for turn in range(2)
    ]


def mouths(faces):
    """Grey mouths of a clip without what does not move: float32 [shape=(frames, HEIGHT, WIDTH)]."""
    rows, columns = mouth_slices(faces.shape[1])
    grey = np.asarray(faces[:, rows, columns]).astype(np.float32).mean(axis=-1) / 255
    small = np.stack([cv2.resize(each, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for each in grey])
    return small - np.median(small, axis=0)


def words_of(clip, folder):
    """Slot, word and frames of each word of a clip: integers, integers, places [shape=(6, FRAMES)]."""
    labels = read_labels(folder / clip.folder.parents[1].resolve().name, clip.name)
    spoken = [(start, end, text) for start, end, text in labels if text in WORDS]
    in_slots = [text in slot for (_, _, text), slot in zip(spoken, SLOTS, strict=False)]
    if len(spoken) != len(SLOTS) or not all(in_slots):
        raise InputError(f"{clip.folder}: no sentence of GRID: {' '.join(text for _, _, text in spoken)}")
    times = [np.linspace(start - MARGIN, end + MARGIN, FRAMES) for start, end, _ in spoken]
    targets = [WORDS.index(text) for _, _, text in spoken]
    return np.arange(len(SLOTS)), np.array(targets), np.array([_nearest(clip.times, each) for each in times])


def _nearest(times, wanted):
    """Places of the frames that are nearest in time."""
    return np.abs(np.asarray(times)[None] - wanted[:, None]).argmin(axis=1)


def build_reader():
    """A `keras.Model` from mouths [batch, FRAMES, HEIGHT, WIDTH, 1] to a logit of each word [batch, words]."""
    from keras import Input, Sequential, layers

    def block(filters):
        return [
            layers.Conv3D(filters, (3, 3, 3), (1, 2, 2), padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
        ]

    return Sequential([
        Input((FRAMES, HEIGHT, WIDTH, 1)),
        *block(16), *block(32), *block(64),
        layers.Reshape((FRAMES, -1)), layers.Dropout(0.4),
        layers.Bidirectional(layers.GRU(96)), layers.Dropout(0.4),
        layers.Dense(len(WORDS)),
    ])  # fmt: skip


class Reader:
    """A network that names words, and the scale of its input."""

    def __init__(self, clips, words, epochs):
        import keras

        keras.utils.set_random_seed(0)
        self.folder = words
        self.seen = [mouths(clip.faces) for clip in with_progress(clips, "clip", "reading mouths")]
        self.scale = float(np.concatenate([each.ravel()[::7] for each in self.seen]).std())
        self.model = build_reader()
        self.train(clips, epochs)
        self.seen = None

    def train(self, clips, epochs):
        """Trains on all words of some clips, each moved, blurred and brightened at random in each epoch."""
        import keras

        examples = []
        for place, clip in enumerate(clips):
            examples += [(place, *example) for example in zip(*words_of(clip, self.folder), strict=True)]
        steps = epochs * len(examples) // 64
        rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
        self.model.compile(keras.optimizers.AdamW(rate, weight_decay=1e-3), masked_crossentropy)
        generator = np.random.default_rng(0)
        order = np.concatenate([generator.permutation(len(examples)) for _ in range(epochs)])
        for step in with_progress(range(steps), "step", "training the lip reader"):
            chosen = [examples[index] for index in order[64 * step : 64 * (step + 1)]]
            inputs = np.stack([self.changed(place, frames, generator) for place, _, _, frames in chosen])
            targets = np.array([(slot, word) for _, slot, word, _ in chosen], np.float32)
            self.model.train_on_batch(inputs[..., None], targets)

    def changed(self, place, frames, generator):
        """A training word as the network sees it this time."""
        clip = self.seen[place]
        frames = np.clip(frames + generator.integers(-FRAMES_SHIFT, FRAMES_SHIFT + 1), 0, len(clip) - 1)
        down, right = generator.integers(-SHIFT, SHIFT + 1, size=2)
        word = np.roll(clip[frames], (down, right), (1, 2)) * generator.uniform(0.7, 1.3) / self.scale
        deviation = generator.uniform(0, BLUR)
        if deviation > 0.3:
            word = np.stack([cv2.GaussianBlur(each, (0, 0), deviation) for each in word])
        return word

    def accuracy(self, clips, faces):
        """Share of words named right, of all slots and of each [shape=(7,)].

        Args:
            clips: whose words are spoken.
            faces: that are read, one array per clip; if they are fewer than the clip's, the last one stays.
        """
        right = []
        for clip, shown in zip(clips, faces, strict=True):
            _, targets, frames = words_of(clip, self.folder)
            seen = mouths(shown)[np.minimum(frames, len(shown) - 1)] / self.scale
            logits = self.model.predict_on_batch(seen[..., None])
            named = [
                max(slot, key=lambda word, of_word=of_word: of_word[WORDS.index(word)])
                for slot, of_word in zip(SLOTS, logits, strict=True)
            ]
            right.append([name == WORDS[target] for name, target in zip(named, targets, strict=True)])
        by_slot = np.mean(right, axis=0)
        return np.array([by_slot.mean(), *by_slot])


def masked_crossentropy(targets, logits):
    """Cross-entropy over the words of the slot [batch].

    Args:
        targets: slot and word [batch, 2].
        logits: of all words [batch, words].
    """
    from keras import ops

    allowed = np.array([[word in slot for word in WORDS] for slot in SLOTS], np.float32)
    slots, words = (ops.cast(targets[:, column], "int32") for column in range(2))
    masked = logits + (ops.take(allowed, slots, axis=0) - 1) * 1e4
    return -ops.sum(ops.one_hot(words, len(WORDS)) * ops.log_softmax(masked), axis=-1)


def rows(reader, models, dataset, others):
    """Yields (what is read, accuracies)."""
    from audio2faces.evaluate.baselines import mean_face
    from training.frames import clip_maps

    clips = dataset.split("test")

    def drive(model, of_clips, **options):
        made = []
        for clip in with_progress(of_clips, "clip", f"{model.name} speaks"):
            motion = model.relative_motion(model.predict_motion(clip_maps(clip, model.config.speech.feature_settings)))
            made.append(model.render(motion, **options))
        return made

    mean = mean_face(dataset.split("train"))
    yield "real", reader.accuracy(clips, [clip.faces for clip in clips])
    following = [clips[(place + 1) % len(clips)] for place in range(len(clips))]
    yield "real, another sentence", reader.accuracy(clips, [clip.faces for clip in following])
    yield "mean face", reader.accuracy(clips, [np.broadcast_to(mean, clip.faces.shape) for clip in clips])
    for model in models:
        made = drive(model, clips)
        if model.refiner:
            yield f"{model.name}, regressor alone", reader.accuracy(clips, drive(model, clips, refined=False))
        yield model.name, reader.accuracy(clips, made)
        yield f"{model.name}, another sentence", reader.accuracy(clips, made[1:] + made[:1])
        for other in others:
            name = f"{model.name}, voice of {other.folder.resolve().name}"
            yield name, reader.accuracy(other.clips, drive(model, other.clips))


@program
def main():
    """Trains and prints a table."""
    arguments = parse_arguments()
    dataset = open_dataset(arguments.data)
    others = [open_dataset(folder) for folder in arguments.others]
    one, other = halves(dataset)
    for clip in [*dataset.clips, *(clip for speaker in others for clip in speaker.clips)]:
        words_of(clip, arguments.words)
    import_keras()
    from audio2faces.published import find_model
    from audio2faces.trained.face import load_model

    models = [load_model(find_model(name)) for name in arguments.model]
    for model in models:
        check_size(dataset, model.config.size, model.name)
    models.insert(0, train_face(one, arguments.run, arguments.encoder))  # of one half of the clips
    reader = Reader(other.split("train"), arguments.words, arguments.epochs)
    print(tables.head(["read", "all words", "command", "colour", "preposition", "letter", "digit", "adverb"]))
    print(tables.row(["chance", *(f"{share:.2f}" for share in (CHANCE, *(1 / len(slot) for slot in SLOTS)))]))
    for name, accuracies in rows(reader, models, dataset, others):
        print(tables.row([name, *(f"{share:.2f}" for share in accuracies)]), flush=True)


if __name__ == "__main__":
    sys.exit(main())
