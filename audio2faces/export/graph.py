"""A model as a TensorFlow graph: from samples of speech to frames, with nothing of Python between.

What `generate.py` computes in NumPy and Keras is computed here by TensorFlow alone: MFCC maps (`mfcc_graph`),
networks, articulation, reference, footage.
"""

import math
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops

from audio2faces.export.mfcc_graph import SpeechMaps
from audio2faces.trained.motion import add_motion
from audio2faces.trained.onnx_network import OnnxNetwork
from began.face import BeganFace
from media.pixels import to_signed
from runtime.errors import InputError

AT_ONCE = 16  # frames that the networks take, at most: their memory does not grow with the speech


def stored(array: Any, dtype: str) -> Any:
    """A variable that lies beside the graph, not in it; of floats, it has the given type there: `read` it."""
    array = np.array(array)
    return tf.Variable(array, dtype=dtype if array.dtype.kind == "f" else array.dtype, trainable=False)


def read(variable: Any) -> Any:
    """What `stored` keeps, floats in float32."""
    return tf.cast(variable, tf.float32) if variable.dtype.is_floating else tf.convert_to_tensor(variable)


class StoredNetwork(tf.Module):
    """A Keras network whose weights lie beside the graph.

    Args:
        network: `keras.Model` in float32.
        dtype: as for `stored`.
    """

    def __init__(self, network: Any, dtype: str) -> None:
        super().__init__()
        self._call = network.stateless_call
        self._weights, self._state = (
            [stored(weight, dtype) for weight in weights]
            for weights in (network.trainable_variables, network.non_trainable_variables)
        )

    def __call__(self, inputs: Any) -> Any:
        """What the network makes of its inputs."""
        weights, state = ([read(weight) for weight in weights] for weights in (self._weights, self._state))
        return self._call(weights, state, inputs, training=False)[0]


class ServedFace(tf.Module):
    """A `FaceModel` or a `began.face.BeganFace` in a graph.

    Args:
        model: either of them.
        dtype: of the stored weights, "float32" or "float16".
        still: holds the head still: the reference in place of the footage.
        at_once: frames that the networks take together.

    Attributes:
        context: samples before a chunk that `stream` wants to see.
        look_ahead: samples after it, enough to know whether there will be another frame.

    Raises:
        InputError: the networks of the model are not Keras's.
    """

    def __init__(self, model: Any, dtype: str = "float32", still: bool = False, at_once: int = AT_ONCE) -> None:
        super().__init__()
        if isinstance(model.network, OnnxNetwork):
            raise InputError(f"{model.name}: its networks are for ONNX Runtime; use the model that they come from")
        config, self.at_once = model.config, at_once
        self.size, self.frame_rate, self.features = config.size, model.frame_rate, config.speech.feature_settings
        self.context = self.features.left_context + 1
        half_a_frame = math.ceil(
            self.features.sample_rate / self.frame_rate / 2
        )  # so far a speech may end after a frame
        self.look_ahead = max(self.features.look_ahead, half_a_frame)
        self.maps = SpeechMaps(self.features, model.statistics if config.speech.standardised else None)
        drawn = isinstance(model, BeganFace)
        self._painter = _DrawnFace(model, dtype) if drawn else _MovedFace(model, dtype, still)
        self._filmed: Any = None if still or model.filmed is None else _StoredFootage(model)

    def centres(self, frames: Any) -> Any:
        """Sample nearest to the time of each frame: int32 of the same shape."""
        times = tf.cast(frames, tf.float64) / self.frame_rate
        return tf.cast(tf.round(times * self.features.sample_rate), tf.int32)

    def count(self, samples: Any) -> Any:
        """How many frames a speech of so many samples has, as `generate.video.frame_count`: int32 of the same shape."""
        seconds = tf.cast(samples, tf.float64) / self.features.sample_rate
        frames = tf.cast(tf.round(seconds * self.frame_rate), tf.int32)
        return tf.where(samples > 0, tf.maximum(frames, 1), 0)

    def whole(self, samples: Any, lengths: Any) -> Any:
        """Signature serving_default: the frames of whole speeches.

        Args:
            samples: float32 [batch, samples] in [-1, 1], mono, at the rate of the features.
            lengths: int32 [batch], how many of them belong to each speech.

        Returns:
            dictionary: frames uint8 [batch, frames, size, size, 3], black after the end of a speech; times float32
            [batch, frames] in seconds; counts int32 [batch], the number of frames of each speech.
        """
        lengths = tf.clip_by_value(lengths, 0, tf.shape(samples)[1])
        nowhere = tf.zeros_like(lengths)
        return self._frames(samples, nowhere, lengths, nowhere, self.count(lengths))

    def stream(self, samples: Any, lengths: Any, start: Any, last: Any) -> Any:
        """Signature stream: the frames whose time lies in a chunk of speech, as the whole speech would give them.

        Args:
            samples: float32 [batch, context + chunk + look_ahead]: the chunk, and the sound around it. Before the
                speech begins and after `lengths` it may hold anything.
            lengths: int32 [batch]: how many of them there are.
            start: int32 [batch]: how many samples of the speech come before the chunk.
            last: bool [batch]: the speech ends after `lengths`; the frames of all that is left are given.

        Returns:
            as `whole`.
        """
        lengths = tf.clip_by_value(lengths, 0, tf.shape(samples)[1])
        origin = start - self.context
        end = start + tf.maximum(lengths - self.context - self.look_ahead, 0)
        first, after = self._first_from(start), self._first_from(end)
        after = tf.where(last, self.count(tf.maximum(origin + lengths, 0)), after)
        return self._frames(samples, origin, lengths, first, tf.maximum(after - first, 0))

    def of_maps(self, maps: Any) -> Any:
        """Signature features: a face for each raw MFCC map, its head still.

        Args:
            maps: float32 [frames, rows, coefficients].

        Returns:
            dictionary: frames uint8 [frames, size, size, 3].
        """
        return {"frames": self._painted(self.maps.standardise(maps))}

    def together(self, maps: Any) -> Any:
        """The same without a loop: the network takes all frames together. For runtimes that are not TensorFlow."""
        return {"frames": self._paint(self.maps.standardise(maps))}

    def signatures(self) -> dict[str, Any]:
        """Name of each signature and its function, as `tf.saved_model.save` takes them."""
        samples = tf.TensorSpec([None, None], tf.float32, "samples")
        lengths = tf.TensorSpec([None], tf.int32, "lengths")
        start = tf.TensorSpec([None], tf.int32, "start")
        last = tf.TensorSpec([None], tf.bool, "last")
        maps = tf.TensorSpec([None, self.features.rows, self.features.coefficients], tf.float32, "maps")
        return {
            "serving_default": tf.function(self.whole, [samples, lengths]),
            "stream": tf.function(self.stream, [samples, lengths, start, last]),
            "features": tf.function(self.of_maps, [maps]),
        }

    def _first_from(self, sample: Any) -> Any:
        """The first frame that is not before a sample."""
        frame = tf.cast(tf.floor(tf.cast(sample, tf.float64) / self.features.sample_rate * self.frame_rate), tf.int32)
        return tf.where(self.centres(frame) < sample, frame + 1, frame)

    def _frames(self, samples: Any, origin: Any, lengths: Any, first: Any, counts: Any) -> Any:
        """Frames number first, ... of each speech, whose sample number `origin` is the first of `samples`."""
        places = tf.range(tf.shape(samples)[1])
        numbers = first[:, None] + tf.range(tf.reduce_max(tf.concat([counts, [0]], 0)))

        def maps_of(row):
            samples, origin, length, numbers = row
            spoken = (places + origin >= 0) & (places < length)
            return self.maps(samples, spoken, self.centres(numbers) - origin)

        maps = tf.map_fn(maps_of, (samples, origin, lengths, numbers), fn_output_signature=tf.float32)
        there = numbers < (first + counts)[:, None]
        shape = tf.shape(numbers)
        maps = tf.reshape(maps, [-1, self.features.rows, self.features.coefficients])
        frames = self._painted(maps, tf.reshape(numbers, [-1]))
        frames = tf.reshape(frames, tf.concat([shape, [self.size, self.size, 3]], 0))
        return {
            "frames": tf.where(there[..., None, None, None], frames, tf.zeros_like(frames)),
            "times": tf.cast(numbers, tf.float32) / self.frame_rate,
            "counts": counts,
        }

    def _painted(self, maps: Any, numbers: Any = None) -> Any:
        """Faces of standardised maps, and of the numbers of their frames if the head moves, `at_once` at a time.

        Of any number of frames each comes out the same to the last bit, but a single one: that takes other kernels. So
        what would be left alone gets company; networks do not take none at all either.
        """
        count = tf.shape(maps)[0]
        moves = numbers is not None and self._filmed is not None
        numbers = numbers if moves else tf.zeros([count], tf.int32)
        company = tf.cast(count == 0, tf.int32)
        if self.at_once > 1:
            company += tf.cast((count + company) % self.at_once == 1, tf.int32)
        maps, numbers = tf.pad(maps, [[0, company], [0, 0], [0, 0]]), tf.pad(numbers, [[0, company]])
        parts = -(-(count + company) // self.at_once)
        faces = tf.TensorArray(tf.uint8, parts, infer_shape=False, element_shape=[None, self.size, self.size, 3])

        def paint(part, faces):
            chosen = slice(part * self.at_once, (part + 1) * self.at_once)
            return part + 1, faces.write(part, self._paint(maps[chosen], numbers[chosen] if moves else None))

        _, faces = tf.while_loop(lambda part, _: part < parts, paint, [0, faces], parallel_iterations=1)
        return faces.concat()[:count]

    def _paint(self, maps: Any, numbers: Any = None) -> Any:
        """uint8 faces of standardised maps and, if the head moves, of the numbers of their frames."""
        signed = self._painter(maps, None if numbers is None else self._filmed(numbers))
        return tf.cast(tf.clip_by_value(tf.round((signed + 1) * 127.5), 0, 255), tf.uint8)


class _StoredFootage(tf.Module):
    """The aligned faces of a model's footage: see `FaceModel.filmed`."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self._faces = stored(model.filmed, "uint8")
        self._step = model.footage.frame_rate / model.frame_rate

    def __call__(self, numbers: Any) -> Any:
        """Those that are shown at some frames, as `Footage.played`: float32 in [-1, 1] [shape=(n, size, size, 3)]."""
        steps = tf.cast(tf.round(tf.cast(numbers, tf.float64) * self._step), tf.int32)
        last = self._faces.shape[0] - 1
        shown = tf.gather(read(self._faces), last - tf.abs(steps % (2 * last) - last))
        return tf.cast(shown, tf.float32) / 127.5 - 1


class _MovedFace(tf.Module):
    """The reference that moves: see `FaceModel`."""

    def __init__(self, model: Any, dtype: str, still: bool) -> None:
        super().__init__()
        self.regressor = StoredNetwork(model.network, dtype)
        self.refiner = None if model.refiner is None else StoredNetwork(model.refiner, dtype)
        self.moves, self.seen = model.config.motion, 0 if model.refiner is None else len(model.refiner.inputs)
        if self.moves:
            filmed = None if still else model.filmed
            self.reference = stored(to_signed(model.reference)[None], "float32")
            self.rest = self.reference if filmed is None else stored(to_signed(filmed[[model.footage.rest]]), "float32")
            self.at_reference = stored(model.predict_motion(model.reference_map[None]), "float32")
            self.articulation = None
            if model.articulation is not None:
                moved = model.articulation.added[:, None, None, None] * model.articulation.moving
                self.articulation = stored(model.articulation.directions, dtype), stored(moved, "float32")

    def __call__(self, maps: Any, frames: Any) -> Any:
        """Faces in about [-1, 1] of standardised maps and of frames to paint into, or None."""
        faces = self.regressor(maps)
        seen = [faces]
        if self.moves:
            motion = faces - self.at_reference
            still = self.reference if frames is None else self.rest
            frames = still if frames is None else frames
            if self.articulation is not None:
                directions, moved = map(read, self.articulation)
                motion += tf.tensordot(tf.tensordot(motion, directions, [[1, 2, 3], [1, 2, 3]]), moved, 1)
            faces = add_motion(still, motion, ops)
            seen = [faces, *(tf.broadcast_to(other, tf.shape(faces)) for other in (still, frames))]
        if self.refiner is None:
            return faces
        return self.refiner(seen[: self.seen] if self.seen > 1 else faces)


class _DrawnFace(tf.Module):
    """A BEGAN's face, whose z is that of `began.face.BeganFace`."""

    def __init__(self, model: BeganFace, dtype: str) -> None:
        super().__init__()
        self.generator, self.z, self.speaks = (
            StoredNetwork(model.network, dtype),
            model.z,
            model.config.speech.code_size > 0,
        )

    def __call__(self, maps: Any, frames: Any) -> Any:
        """Faces in about [-1, 1] of standardised maps."""
        z = tf.broadcast_to(self.z, [tf.shape(maps)[0], self.z.shape[1]])
        inputs = [maps] * self.speaks + [z] * (self.z.shape[1] > 0)
        return self.generator(inputs if len(inputs) > 1 else inputs[0])
