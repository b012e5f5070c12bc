"""Measures how real generated mouths look, by two measures that no squared error can satisfy.

Models paint the mouth into the frames of held-out clips, those of the validation and the test split; all that is
measured is the mouth box of these frames.

Frechet distance: between generated and real mouths, in features of an autoencoder that was trained on real mouths of
the training split alone: its code, and the mean of each channel of its encoder. Each feature is in units of its
standard deviation over real mouths. "real, other clips" is the distance between the real mouths of one half of the
clips and those of the other.

Classifier accuracy: how often a network is right about a mouth being real or generated. For each method a new one is
trained on one half of the clips and measured on the other half, and the other way round; .5 is chance, and means that
no difference was found. It sees single frames, moved and brightened at random in training.
"""

import sys

import cv2
import numpy as np

from measures.collapse import mouths
from measures.frechet import frechet_distance
from media.pixels import to_signed
from preprocessing.dataset import check_size, open_dataset
from runtime.backend import import_keras
from runtime.program import ArgumentParser, number, program
from runtime.progress import with_progress

DOWN = 3  # times that the networks halve a mouth
CODE = 32  # numbers of the autoencoder's code
BATCH = 64
SHIFT, LIGHT = 2, 0.1  # pixels, and share of the brightness, by which mouths differ at random in training
SHOWN = 10  # columns of the picture


def parse_arguments():
    """Reads the command line."""
    parser = ArgumentParser(prog="python -m experiments.realism", description=__doc__)
    parser.add_argument("--data", metavar="DATASET", required=True, help="of the faces' speaker")
    parser.add_argument("--model", metavar="MODEL", action="append", required=True, help="a face; may be given again")
    parser.add_argument("--steps", type=number(1, 10**6, int), default=1000, help="of each network (default: 1000)")
    parser.add_argument("--picture", metavar="PNG", help="mouths to write, real and by each method")
    return parser.parse_args()


def padded(faces):
    """Mouths of faces, their edge repeated until their sides can be halved: uint8 [shape=(n, rows, columns, 3)]."""
    cut = mouths(np.asarray(faces))
    missing = [-side % 2**DOWN for side in cut.shape[1:3]]
    return np.pad(cut, ((0, 0), *((0, more) for more in missing), (0, 0)), "edge")


def moved(pictures, generator):
    """Mouths in [-1, 1], moved and brightened at random."""
    made = []
    for picture in to_signed(pictures):
        down, right = generator.integers(-SHIFT, SHIFT + 1, size=2)
        transform = np.float32([[1, 0, right], [0, 1, down]])
        shifted = cv2.warpAffine(picture, transform, picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
        made.append((shifted + 1) * generator.uniform(1 - LIGHT, 1 + LIGHT) - 1)
    return np.stack(made)


def build_autoencoder(shape):
    """A `keras.Model` from mouths in [-1, 1] to the same, and one from mouths to features [batch, features]."""
    import keras
    from keras import layers, ops

    inputs = keras.Input(shape)
    x, means = inputs, []
    for width in (32, 64, 96):
        x = layers.Conv2D(width, 3, 2, padding="same", activation="relu")(x)
        means.append(layers.GlobalAveragePooling2D()(x))
    code = layers.Dense(CODE)(layers.Flatten()(x))
    y = layers.Reshape(x.shape[1:])(layers.Dense(int(np.prod(x.shape[1:])), activation="relu")(code))
    for width in (64, 32, 16):
        y = layers.Conv2D(width, 3, padding="same", activation="relu")(layers.UpSampling2D()(y))
    made = layers.Conv2D(3, 3, padding="same")(y)
    return keras.Model(inputs, made), keras.Model(inputs, ops.concatenate([code, *means], axis=-1))


def build_classifier(shape):
    """A `keras.Model` from mouths in [-1, 1] to the logit of their being real [batch, 1]."""
    from keras import Input, Sequential, layers

    def halved(width):
        return [
            layers.Conv2D(width, 5, 2, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
        ]

    return Sequential([
        Input(shape), *halved(32), *halved(64), *halved(96),
        layers.GlobalAveragePooling2D(), layers.Dropout(0.3), layers.Dense(1),
    ])  # fmt: skip


class Features:
    """Features of mouths, by an autoencoder of real ones.

    Args:
        pictures: real mouths, uint8 [shape=(n, rows, columns, 3)].
        steps: of its training.
    """

    def __init__(self, pictures, steps):
        import keras

        keras.utils.set_random_seed(0)
        autoencoder, self._features = build_autoencoder(pictures.shape[1:])
        autoencoder.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, steps)), "mse")
        generator = np.random.default_rng(0)
        for _ in with_progress(range(steps), "step", "training the autoencoder"):
            batch = moved(pictures[generator.integers(len(pictures), size=BATCH)], generator)
            autoencoder.train_on_batch(batch, batch)
        self._scale = 1.0
        self._scale = self(pictures[generator.permutation(len(pictures))[:4000]]).std(axis=0) + 1e-6

    def __call__(self, pictures):
        """Features [shape=(n, features)]."""
        return self._features.predict(to_signed(pictures), batch_size=256, verbose=0).astype(np.float64) / self._scale


def classifier_accuracy(real, made, steps):
    """Accuracy of networks that tell real mouths from generated ones, in clips that they were not trained on.

    Args:
        real: mouths of each clip, uint8 [shape=(frames, rows, columns, 3)].
        made: the same, generated.
        steps: of each of the two networks.
    """
    import keras

    right = []
    for turn in range(2):
        keras.utils.set_random_seed(turn)
        classifier = build_classifier(real[0].shape[1:])
        rate = keras.optimizers.schedules.CosineDecay(1e-3, steps)
        classifier.compile(keras.optimizers.AdamW(rate), keras.losses.BinaryCrossentropy(from_logits=True))
        seen = [np.concatenate(clips[turn::2]) for clips in (real, made)]
        generator = np.random.default_rng(turn)
        for _ in with_progress(range(steps), "step", "training the classifier"):
            chosen = [pictures[generator.integers(len(pictures), size=BATCH // 2)] for pictures in seen]
            classifier.train_on_batch(
                moved(np.concatenate(chosen), generator), np.repeat([1.0, 0.0], BATCH // 2)[:, None]
            )
        for clips, is_real in ((real, True), (made, False)):
            asked = to_signed(np.concatenate(clips[1 - turn :: 2]))
            right.append(np.mean((classifier.predict(asked, batch_size=256, verbose=0) > 0) == is_real))
    return float(np.mean(right))


def methods_of(models, dataset, clips):
    """Yields the name of each method and its faces, one array per clip [shape=(frames, size, size, 3) each]."""
    from audio2faces.evaluate.baselines import NearestAudio
    from audio2faces.evaluate.evaluation import blended_into, in_frames
    from measures.similarity import mouth_opening
    from training.frames import FrameStore, clip_maps

    yield "first frame held", [np.broadcast_to(clip.faces[0], clip.faces.shape) for clip in clips]
    features = models[0].config.speech.feature_settings
    nearest = NearestAudio(FrameStore(dataset).frames("train", features), models[0].statistics, features)
    yield "nearest audio", [blended_into(nearest(clip), clip.faces[:]) for clip in clips]
    for model in models:
        alone, refined = [], []
        for clip in with_progress(clips, "clip", f"{model.name} speaks"):
            frames = clip.faces[:]
            rest = frames[mouth_opening(frames).argmin()]
            motion = model.relative_motion(model.predict_motion(clip_maps(clip, model.config.speech.feature_settings)))
            alone.append(blended_into(model.render(motion, refined=False, reference=rest), frames))
            refined.append(in_frames(model, motion, frames, rest))
        yield f"{model.name}, regressor alone", alone
        yield model.name, refined


@program
def main():
    """Trains the networks and prints a table."""
    arguments = parse_arguments()
    dataset = open_dataset(arguments.data)
    clips = [*dataset.split("validation"), *dataset.split("test")]
    import_keras()
    from audio2faces.published import find_model
    from audio2faces.trained.face import load_model

    models = [load_model(find_model(name)) for name in arguments.model]
    for model in models:
        check_size(dataset, model.config.size, model.name)
    train = [padded(clip.faces[:]) for clip in with_progress(dataset.split("train"), "clip", "reading mouths")]
    features = Features(np.concatenate(train), arguments.steps)
    real = [padded(clip.faces[:]) for clip in clips]
    of_real = [features(mouth) for mouth in real]
    print("| method | Frechet distance | classifier accuracy |\n|---|--:|--:|")
    floor = frechet_distance(*(np.concatenate(of_real[half::2]) for half in range(2)))
    print(f"| real, other clips | {floor:.2f} | - |", flush=True)
    rows = {"real": real[0][:: max(1, len(real[0]) // SHOWN)][:SHOWN]}
    for name, faces in methods_of(models, dataset, clips):
        made = [padded(of_clip) for of_clip in faces]
        distance = frechet_distance(np.concatenate(of_real), features(np.concatenate(made)))
        print(f"| {name} | {distance:.2f} | {classifier_accuracy(real, made, arguments.steps):.2f} |", flush=True)
        rows[name] = made[0][:: max(1, len(made[0]) // SHOWN)][:SHOWN]
    if arguments.picture:
        from began.figures import draw_rows

        draw_rows(arguments.picture, rows)


if __name__ == "__main__":
    sys.exit(main())
