"""The refiner: it paints a sharp mouth into a frame; it may have a BEGAN's adversary.

The 2017 project's sees the face that the regressor moved, blurred, and answers to the discriminator and to a squared
error. Ours sees the reference that was moved, too, and the frame that it paints into, whose lower face is hidden:
light, pose and the skin around the mouth are those of the frame.
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from audio2faces.config import RefinerConfig
from audio2faces.lower_face import hidden_mask, painted_mask
from audio2faces.refiner.light import Light, lit
from began.adversary import WATCHED, Adversary
from began.losses import averaged, detail_error, weighted_error
from began.model import draw_normal_kernels, mouth_weights
from began.networks.blocks import depth_to_space, double_convolution, space_to_depth
from began.networks.discriminator import build_discriminator
from preprocessing.faces.alignment import MOUTH_BOX
from training.trainable import Batch, Trainable

WINDOW = 0.375, 0.125  # of the face's side: the refiner computes below the first, and so far from the left and right
HALVED = 128  # pixels of the largest faces that it computes at half their size
SQUARE = 0.5, 0.25  # likewise: what the discriminator sees
LIGHT = "light"  # name of the layer
MARGIN = 0.06  # of the face's side: detail is compared in the mouth box and so much around it
BLOCKS_2017 = 4  # residual blocks
COARSE = 32  # pixels of the small faces


def build_refiner(config: RefinerConfig) -> keras.Model:
    """The network that a `RefinerConfig` describes.

    Returns:
        `keras.Model` to sharp faces [batch, size, size, 3], float32: from (moving face, reference, frame), each of that
        shape, or, the 2017 project's, from the moving face alone.
    """
    return build_refiner_2017(config) if config.network == "2017" else build_unet(config)


def build_refiner_2017(config: RefinerConfig) -> keras.Model:
    """A convolution, residual blocks of two 3x3 ELU convolutions at full size, a convolution to the face."""
    x = moving = keras.Input((config.size, config.size, 3))
    x = layers.Conv2D(config.n, 3, padding="same", activation="elu")(x)
    for _ in range(BLOCKS_2017):
        x = layers.Add()([x, double_convolution(x, config.n)])
    return keras.Model(moving, layers.Conv2D(3, 3, padding="same", dtype="float32")(x), name="refiner")


def build_unet(config: RefinerConfig) -> keras.Model:
    """A U-Net (Ronneberger, Fischer, Brox, arXiv 1505.04597) that adds to the moving face and paints it into the frame.

    It sees the painted part and some skin around it, and computes at half its size, a quarter and an eighth, with n, 2n
    and 2n channels; of faces larger than HALVED at half of these. The two ends are sub-pixel (arXiv 1609.05158). Its
    last convolution starts at zero: an untrained refiner paints the moving face as it is. All of this happens in the
    usual light; the result is in that of the frame.
    """
    size, n = config.size, config.n
    folds = 1 if size <= HALVED else 2
    moving, reference, frame = (keras.Input((size, size, 3)) for _ in range(3))
    measure = Light(size, name=LIGHT)
    light, of_reference = measure(frame), measure(reference)
    rows, columns = window(size)
    around = (rows.start, size - rows.stop), (columns.start, size - columns.stop)
    even = [lit(face, 1 / of_reference) for face in (moving, reference)]
    faces = *even, HiddenLowerFace(size)(lit(frame, 1 / light))
    seen = [layers.Cropping2D(around, dtype="float32")(face) for face in faces]  # small motion counts
    x = layers.Concatenate()(seen)
    for _ in range(folds):
        x = space_to_depth(x)  # (B, rows / 2, columns / 2, 36)
    half = double_convolution(x, n)
    quarter = _halved(half, 2 * n)
    x = _halved(quarter, 2 * n)
    for skipped, width in ((quarter, 2 * n), (half, n)):
        x = layers.Concatenate()([layers.UpSampling2D(interpolation="nearest")(x), skipped])
        x = layers.Conv2D(width, 3, padding="same", activation="elu")(x)
    x = layers.Conv2D(n, 3, padding="same", activation="elu")(x)
    x = layers.Conv2D(3 * 4**folds, 3, padding="same", kernel_initializer="zeros", dtype="float32")(x)
    for _ in range(folds):
        x = depth_to_space(x)
    added = layers.ZeroPadding2D(around, dtype="float32")(x)
    face = lit(layers.Add(dtype="float32")([even[0], added]), light)
    painted = PaintedLowerFace(size)([frame, face])
    return keras.Model([moving, reference, frame], painted, name="refiner")


def _halved(x: Any, width: int) -> Any:
    x = layers.Conv2D(width, 3, strides=2, padding="same", activation="elu")(x)
    return layers.Conv2D(width, 3, padding="same", activation="elu")(x)


def mouth_square(size: int) -> tuple[slice, slice]:
    """Rows and columns (slices) that the discriminator sees, as many of both."""
    top, left = (round(edge * size) for edge in SQUARE)
    return slice(top, size), slice(left, size - left)


def around_mouth(size: int) -> tuple[slice, slice]:
    """Rows and columns (slices) of the mouth box and MARGIN around it, and of all below."""
    top, _, left, right = (round(edge * size) for edge in np.array(MOUTH_BOX) + np.array([-1, 1, -1, 1]) * MARGIN)
    return slice(top, size), slice(left, right)


def window(size: int) -> tuple[slice, slice]:
    """Rows and columns (slices) that the refiner computes, their numbers multiples of 8."""
    top, left = (int(edge * size) // 8 * 8 for edge in WINDOW)
    return slice(top, size), slice(left, size - left)


class _Masked(layers.Layer):
    """A layer of a mask of faces, in float32.

    Args:
        size: of the faces.
    """

    def __init__(self, size: int, **options: Any) -> None:
        super().__init__(**{**options, "dtype": "float32"})
        self.size = size

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of a face."""
        return input_shape[0] if isinstance(input_shape, list) else input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments, for a file."""
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable("audio2faces")
class HiddenLowerFace(_Masked):
    """Faces [batch, size, size, 3] with 0 in place of what is hidden."""

    def call(self, faces: Any) -> Any:
        """Selects rather than multiplies: not even a value that is not finite shows through."""
        return ops.where(ops.convert_to_tensor(hidden_mask(self.size) > 0), ops.zeros_like(faces), faces)


@keras.saving.register_keras_serializable("audio2faces")
class PaintedLowerFace(_Masked):
    """Frames into which faces are painted: the pair (frames, faces) [batch, size, size, 3] each -> the same shape."""

    def call(self, inputs: list[Any]) -> Any:
        """The frame outside of the painted part, the face within, bit by bit."""
        frames, faces = inputs
        opacity = painted_mask(self.size)
        return ops.convert_to_tensor(1 - opacity) * frames + ops.convert_to_tensor(opacity) * faces


class Refiner(Trainable):
    """A refiner, its loss, and the adversary that it may have.

    A batch is a dictionary:
        moving: faces that the regressor moved [batch, size, size, 3] in about [-1, 1].
        reference: the faces it started from, same shape.
        frame: those that are painted into, same shape.
        face: the real ones, same shape, in pairs: a moment and the next one, or the same where there is no next.
        speech, foreign_speech: maps of the same moments, and of others [batch, rows, coefficients].

    An adversary sees a square around the mouth; the 2017 project's sees the whole face.

    Args:
        config: its settings.
    """

    watched = (*WATCHED, "paired_error")
    latest = ("k",)

    def __init__(self, config: RefinerConfig) -> None:
        super().__init__("refiner_in_training")
        self.config = config
        self.generator = build_refiner(config)
        plain = config.network == "2017"
        self.adversary = None
        if config.adversary.weight:
            rows, _ = mouth_square(config.size)
            size = config.size if plain else rows.stop - rows.start
            discriminator = build_discriminator(
                size, config.adversary, config.speech, skips=not plain, sub_pixel=not plain
            )
            self.adversary = Adversary(config.adversary, discriminator)
        if plain:
            draw_normal_kernels(self.generator, config.training.seed)
        self.mouth_weights = mouth_weights(config.size, config.mouth_weight)
        self.built = True

    def call(self, batch: Batch, training: bool = False) -> Any:
        """Refined faces [batch, size, size, 3]."""
        seen = [batch["moving"], batch["reference"], batch["frame"]][: len(self.generator.inputs)]
        return self.generator(seen if len(seen) > 1 else seen[0], training=training)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The loss over a batch, of both players where there is an adversary; moves its k."""
        loss, paired_error = self.generator_losses(x["face"], y_pred)
        balance = dict.fromkeys(WATCHED, 0.0)
        if self.adversary is not None:
            real, refined = x["face"], y_pred
            if self.config.network != "2017":
                rows, columns = mouth_square(self.config.size)
                real, refined = real[:, rows, columns], refined[:, rows, columns]
            adversarial_loss, real_error, refined_error = self.adversary.adversarial_loss(
                real, [refined], x["speech"], x["foreign_speech"], training
            )
            balance, loss = self.adversary.balance(real_error, refined_error, training), adversarial_loss + loss
            if self.config.adversary.matched:
                loss = loss + self.config.adversary.matched * self.adversary.feature_error(real, refined)
        self.report(**balance, paired_error=paired_error)
        return loss

    def generator_losses(self, real: Any, refined: Any) -> tuple[Any, Any]:
        """The losses of the refiner that are not D's: of faces, of small ones, of changes between frames, of detail.

        What the speech leaves open is where exactly an edge lies. By squared error alone it is blurred; so the error
        counts most on small faces, in which that place hardly matters, and detail has a term of its own.

        Args:
            real: faces [batch, size, size, 3].
            refined: same shape.

        Returns:
            (loss, paired error): scalars.
        """
        config = self.config
        paired_error = ops.mean(weighted_error(real, refined, self.mouth_weights))
        loss = config.paired * paired_error
        if config.coarse:
            factor = max(1, config.size // COARSE)
            weights = mouth_weights(config.size // factor, config.mouth_weight)
            error = weighted_error(averaged(real, factor), averaged(refined, factor), weights)
            loss = loss + config.coarse * ops.mean(error)
        if config.temporal:
            change, refined_change = (faces[1::2] - faces[:-1:2] for faces in (real, refined))  # of whole pairs alone
            error = weighted_error(change, refined_change, self.mouth_weights)
            pairs = ops.maximum(ops.shape(error)[0], 1)  # a batch of one face has none
            loss = loss + config.paired * config.temporal * ops.sum(error) / ops.cast(pairs, error.dtype)
        if config.detail:
            loss = loss + config.detail * ops.mean(detail_error(real, refined, around_mouth))
        return loss, paired_error
