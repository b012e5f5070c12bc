"""The three networks of MTCNN (Zhang et al., arXiv 1604.02878) as compiled functions of TensorFlow.

The weights are those that the package `mtcnn` brings along. Importing this file imports TensorFlow.
"""

import io
from functools import partial
from importlib import resources
from typing import Any

import joblib
import lz4.frame
import numpy as np
import tensorflow as tf

PROPOSAL_SCORE = 0.6  # of a place that the first network proposes, the package's threshold
STRIDE, CELL = 2, 12  # the first network looks at squares of CELL pixels, STRIDE apart
LARGE = 100_000  # pixels from which compiling by XLA (0.3 s for each size) pays
MIDDLE, SPAN = 127.5, 128.0  # grey level that becomes 0, and levels up to 1


def _convolution(x: Any, weights: Any) -> Any:
    return tf.nn.bias_add(tf.nn.conv2d(x, weights[0], strides=1, padding="VALID"), weights[1])


def _dense(x: Any, weights: Any) -> Any:
    return tf.nn.bias_add(tf.matmul(x, weights[0]), weights[1])


def _parametric_relu(x: Any, slope: Any) -> Any:
    return tf.nn.relu(x) + slope * tf.minimum(x, 0.0)


def _flatten(
    x: Any,
) -> Any:  # (n, h, w, c) -> (n, w * h * c): the weights come from a framework that stores columns first
    return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [-1, x.shape[1] * x.shape[2] * x.shape[3]])


def _normalise(pixels: Any) -> Any:
    return (pixels - MIDDLE) / SPAN


def _patches(images: Any, index: Any, boxes: Any, side: Any) -> Any:
    """Boxes sampled at side x side points, the first and the last on their edges; grey outside the image."""
    height, width = tf.unstack(tf.cast(tf.shape(images)[1:3] - 1, tf.float32))
    boxes = tf.gather(boxes, [1, 0, 3, 2], axis=1) / tf.stack([height, width, height, width])
    return _normalise(tf.image.crop_and_resize(images, boxes, index, [side, side], extrapolation_value=MIDDLE))


def _blocked(kernel: np.ndarray) -> np.ndarray:
    """A 3x3 kernel [shape=(3, 3, 3, c)] as one over blocks of 2x2 pixels: [shape=(2, 2, 12, 4 * c)].

    It gives the four values that the following maximum over 2x2 joins as channels of one block. A convolution of
    three channels is several times slower than this one of twelve.
    """
    blocked = np.zeros((2, 2, 2, 2, 3, 2, 2, kernel.shape[-1]), kernel.dtype)  # block y, x; in y, x, colour; out y, x
    for row, column, y, x in np.ndindex(2, 2, 3, 3):
        (block_y, in_y), (block_x, in_x) = divmod(row + y, 2), divmod(column + x, 2)
        blocked[block_y, block_x, in_y, in_x, :, row, column] = kernel[y, x]
    return blocked.reshape(2, 2, 12, -1)


def _first_layer(x: Any, blocked_kernel: Any, bias: Any, slope: Any) -> Any:
    """P-Net's first convolution, activation and maximum over 2x2: [shape=(n, h, w, 3)] -> (n, (h-1)/2, (w-1)/2, c)."""
    height, width = tf.shape(x)[1], tf.shape(x)[2]
    x = tf.nn.space_to_depth(tf.pad(x, [[0, 0], [0, height % 2], [0, width % 2], [0, 0]]), 2)
    x = tf.nn.conv2d(x, blocked_kernel, strides=1, padding="VALID")
    rows, columns = tf.shape(x)[1], tf.shape(x)[2]
    x = _parametric_relu(tf.reshape(x, [-1, rows, columns, 2, 2, bias.shape[0]]) + bias, slope)
    # Of an odd number of rows or columns the last block has only one.
    there = (2 * tf.range(rows)[:, None] + [0, 1] < height - 2)[:, None, :, None]
    there &= (2 * tf.range(columns)[:, None] + [0, 1] < width - 2)[:, None, :]
    return tf.reduce_max(tf.where(there[..., None], x, x.dtype.min), axis=[3, 4])


def _propose(network: Any, images: Any, size: int) -> Any:
    offsets, scores = network(_normalise(tf.image.resize(images, size, method="area")))
    places = tf.where(scores > PROPOSAL_SCORE)
    corners = STRIDE * tf.cast(tf.gather(places, [2, 1], axis=1), tf.float32)
    boxes = tf.concat([corners + 1, corners + CELL], axis=1) + (CELL - 1) * tf.gather_nd(offsets, places)
    return places[:, 0], boxes, tf.gather_nd(scores, places)


def _packaged_weights(name: str) -> list[np.ndarray]:
    """The arrays of a file of the package.

    Its own function would prefer a file of that name in the current folder, and leaves it open.
    """
    packed = (resources.files("mtcnn.assets.weights") / name).read_bytes()
    return joblib.load(io.BytesIO(lz4.frame.decompress(packed)))


class FaceNetworks:
    """P-Net, R-Net and O-Net, each over a batch."""

    def __init__(self) -> None:
        # Kernel, bias and slope of the layers with an activation; kernel and bias of each head.
        self._p, self._r, self._o = (
            [tf.constant(weights) for weights in _packaged_weights(f"{name}net.lz4")] for name in "pro"
        )
        self._blocked_kernel = tf.constant(_blocked(self._p[0].numpy()))
        self._compiled_proposals = tf.function(self._proposals, jit_compile=True)
        shapes = [tf.TensorSpec([None, None, None, 3], tf.uint8), tf.TensorSpec([2], tf.int32)]
        self._propose = tf.function(partial(_propose, self._proposals), input_signature=shapes)
        self._propose_large = tf.function(partial(_propose, self._compiled_proposals), input_signature=shapes)
        shapes = [shapes[0], tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, 4], tf.float32)]
        self._refined = tf.function(self._refine, input_signature=shapes)
        self._landmarked = tf.function(self._output, input_signature=shapes)

    def propose(self, images: np.ndarray, height: int, width: int) -> list[np.ndarray]:
        """P-Net on images shrunk to one level of the pyramid.

        Args:
            images: uint8 [shape=(n, image height, image width, 3)].
            height: of the level, in pixels.
            width: of the level, in pixels.

        Returns:
            index of the image [shape=(m,)], box in pixels of the level (left, top, right, bottom) [shape=(m, 4)] and
            score [shape=(m,)] of each place that may be a face.
        """
        propose = self._propose_large if height * width >= LARGE else self._propose
        return [part.numpy() for part in propose(images, [height, width])]

    def refine(self, images: np.ndarray, index: np.ndarray, boxes: np.ndarray) -> list[np.ndarray]:
        """R-Net on boxes of images.

        Args:
            images: uint8 [shape=(n, height, width, 3)].
            index: image of each box [shape=(m,)].
            boxes: left, top, right, bottom in pixels, counted between the centres of pixels [shape=(m, 4)].

        Returns:
            offsets of the box's sides in units of its size [shape=(m, 4)], scores [shape=(m,)].
        """
        return [part.numpy() for part in self._refined(images, index.astype("i"), boxes.astype("f"))]

    def output(self, images: np.ndarray, index: np.ndarray, boxes: np.ndarray) -> list[np.ndarray]:
        """O-Net on boxes of images: arguments as for `refine`.

        Returns:
            offsets of the box's sides in units of its size [shape=(m, 4)], landmarks (x, y) in units of the box
            [shape=(m, 5, 2)], scores [shape=(m,)].
        """
        return [part.numpy() for part in self._landmarked(images, index.astype("i"), boxes.astype("f"))]

    def _proposals(self, x: Any) -> Any:
        p = self._p
        x = _first_layer(x, self._blocked_kernel, p[1], p[2])
        x = _parametric_relu(_convolution(x, p[3:5]), p[5])
        x = _parametric_relu(_convolution(x, p[6:8]), p[8])
        return _convolution(x, p[9:11]), tf.nn.softmax(_convolution(x, p[11:13]))[..., 1]

    def _refine(self, images: Any, index: Any, boxes: Any) -> Any:
        r = self._r
        x = _parametric_relu(_convolution(_patches(images, index, boxes, 24), r[0:2]), r[2])
        x = tf.nn.max_pool2d(x, 3, 2, "SAME")
        x = _parametric_relu(_convolution(x, r[3:5]), r[5])
        x = tf.nn.max_pool2d(x, 3, 2, "VALID")
        x = _flatten(_parametric_relu(_convolution(x, r[6:8]), r[8]))
        x = _parametric_relu(_dense(x, r[9:11]), r[11])
        return _dense(x, r[12:14]), tf.nn.softmax(_dense(x, r[14:16]))[:, 1]

    def _output(self, images: Any, index: Any, boxes: Any) -> Any:
        o = self._o
        x = _parametric_relu(_convolution(_patches(images, index, boxes, 48), o[0:2]), o[2])
        x = tf.nn.max_pool2d(x, 3, 2, "SAME")
        x = _parametric_relu(_convolution(x, o[3:5]), o[5])
        x = tf.nn.max_pool2d(x, 3, 2, "VALID")
        x = _parametric_relu(_convolution(x, o[6:8]), o[8])
        x = tf.nn.max_pool2d(x, 2, 2, "SAME")
        x = _flatten(_parametric_relu(_convolution(x, o[9:11]), o[11]))
        x = _parametric_relu(_dense(x, o[12:14]), o[14])
        landmarks = tf.stack(tf.split(_dense(x, o[17:19]), 2, axis=1), axis=2)  # five x, then five y
        return _dense(x, o[15:17]), landmarks, tf.nn.softmax(_dense(x, o[19:21]))[:, 1]
