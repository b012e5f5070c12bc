"""BEGANs with what only the ladder of docs/collapse.md tries: other sources of z, other losses, other negatives."""

from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from began.eigenfaces import COVERED, FIT_FACES, Eigenfaces
from began.losses import code_distance
from began.model import Began
from began.networks.encoder import build_encoder
from began.networks.inference import BATCH
from began.training import Z_NOISE, BeganTask
from experiments.collapse_rows import VariantConfig
from media.pixels import to_signed
from training.trainable import Batch

REFERENCE_N = 8  # channels of the reference encoder
CODE_PENALTY = 0.001  # of the squared code of a reference


class VariantBegan(Began):
    """See `VariantConfig`; a batch whose z is learned has in its place

    reference: a face of the same clip, same shape as face, its mouth covered, and
    noise: [batch, z_size], added to its code.
    """

    config: VariantConfig

    def __init__(self, config: VariantConfig, *arguments: Any, **options: Any):
        self.reference_encoder = None
        super().__init__(config, *arguments, **options)
        self.speech_ramp = self.add_scalar("speech_ramp", 1.0)  # share of the speech's code
        if config.code_consistency:
            self.code_head = keras.layers.Dense(self.generator.input_shape[-1], dtype="float32", name="code_head")
            self.code_head.build((None, self.adversary.discriminator.output_shape[1][-1]))

    def build_generator(self) -> keras.Model:
        """See `Began.build_generator`; makes the reference encoder before."""
        config = self.config
        if config.learned_z:
            self.reference_encoder = build_encoder(config.size, REFERENCE_N, config.z_size, sub_pixel=config.sub_pixel)
        return super().build_generator()

    def encode_speech(self, batch: Batch, training: bool = False) -> Any:
        """See `Began.encode_speech`."""
        code = super().encode_speech(batch, training)
        return self.speech_ramp * code if training and code is not None else code

    def z_of(self, batch: Batch, training: bool = False) -> Any:
        """See `Began.z_of`."""
        if self.reference_encoder is None:
            return super().z_of(batch, training)
        z = self.reference_encoder(batch["reference"], training=training)
        return z + Z_NOISE * batch["noise"] if training else z

    def more_negatives(self, made: dict[str, Any], training: bool) -> tuple:
        """See `Began.more_negatives`."""
        config = self.config
        self.others = None
        if config.swapped or config.mode_seeking:
            heard = made["code"][:, : config.speech.code_size] if config.speech.code_size else None
            self.others = self.generator(self.join(heard, ops.roll(made["z"], 1, axis=0)), training=training)
        return (self.others,) if config.swapped else ()

    def generator_losses(self, batch: Batch, made: dict[str, Any], training: bool) -> tuple:
        """See `Began.generator_losses`."""
        config, generated = self.config, made["face"]
        loss, paired_error = super().generator_losses(batch, made, training)
        if self.reference_encoder is not None:
            loss = loss + CODE_PENALTY * ops.mean(ops.square(made["z"]))
        if config.code_consistency:
            encoded = self.code_head(self.adversary.discriminator.get_layer("encoder")(generated, training=training))
            loss = loss + config.code_consistency * ops.mean(code_distance(encoded, ops.stop_gradient(made["code"])))
        if config.mode_seeking:
            distances = mode_seeking_loss(generated, self.others, made["z"], ops.roll(made["z"], 1, axis=0))
            loss = loss + config.mode_seeking * ops.mean(distances)
        if config.energy:
            loss = loss + config.energy * energy_distance(batch["face"], generated)
        return loss, paired_error

    def begin_step(self, step: int) -> None:
        """See `Trainable.begin_step`."""
        if self.config.ramp_steps:
            self.speech_ramp.assign(min(1.0, step / self.config.ramp_steps))


class VariantTask(BeganTask):
    """See `VariantConfig`."""

    def find_eigenfaces(self) -> Eigenfaces:
        """See `BeganTask.find_eigenfaces`."""
        if self.config.mouth_left_out:
            return super().find_eigenfaces()
        return Eigenfaces.fit(self.fit_faces, self.config.z_size, COVERED)

    def build(self, **options: Any) -> VariantBegan:
        """See `Task.build`."""
        return self.with_eigenfaces(VariantBegan(self.config, self.audio_network, **options))

    def z(self, indices: np.ndarray, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """See `BeganTask.z`."""
        if self.config.z == "eigenfaces" and not self.config.same_frame:
            clip_of = self.frames.clip_of  # another frame of the same clip, any with the same chance
            first, end = (np.searchsorted(clip_of, clip_of[indices], side=side) for side in ("left", "right"))
            indices = first + (generator.random(len(indices)) * (end - first)).astype(int)
        if not self.config.learned_z:
            return super().z(indices, generator)
        noise = generator.normal(size=(len(indices), self.config.z_size)).astype(np.float32)
        return {"reference": covered(self.frames.faces(indices)), "noise": noise}

    def face_codes(self, model: VariantBegan) -> np.ndarray | None:
        """See `BeganTask.face_codes`."""
        if not self.config.learned_z:
            return super().face_codes(model)
        faces = covered(self.frames.some_faces(FIT_FACES))
        encode = partial(model.reference_encoder, training=False)
        return np.concatenate(
            [np.asarray(encode(faces[first : first + BATCH])) for first in range(0, len(faces), BATCH)]
        )


def covered(faces: np.ndarray) -> np.ndarray:
    """uint8 faces -> [-1, 1], the part below COVERED of the side grey: the mouth is not seen."""
    signed = to_signed(faces)
    signed[:, round(COVERED * faces.shape[1]) :] = 0
    return signed


def mode_seeking_loss(faces: Any, others: Any, z: Any, other_z: Any) -> Any:
    """d(z, z') / d(G(c, z), G(c, z')): small where faces differ as much as their z (Mao et al., arXiv 1903.05628).

    Args:
        faces: G(c, z) [batch, size, size, 3].
        others: G(c, z'), same shape, of the same speech c.
        z: [batch, z_size].
        other_z: z', same shape.

    Returns:
        loss of each pair [batch]; d is the mean absolute difference.
    """
    apart = ops.mean(ops.abs(faces - others), axis=(1, 2, 3))
    return ops.mean(ops.abs(z - other_z), axis=-1) / (apart + 1e-5)


def energy_distance(real: Any, generated: Any) -> Any:
    """2 E|x - G| - E|G - G'|, the part of the energy distance that generated pictures change.

    Its mean is lowest where they have the distribution of the real ones (Szekely and Rizzo, Energy statistics, 2013):
    each is drawn to the real ones and kept from the other generated ones.

    Args:
        real: x [batch, size, size, 3].
        generated: G, same shape, at least two.

    Returns:
        a scalar; |x| is the root mean square over a picture.
    """

    def distances(pictures: Any, others: Any) -> Any:
        return ops.sqrt(ops.mean(ops.square(pictures[:, None] - others[None]), axis=(2, 3, 4)) + 1e-6)

    count = ops.cast(ops.shape(generated)[0], "float32")
    apart = ops.sum(distances(generated, generated)) / (count * (count - 1))  # a picture's with itself is 0
    return 2 * ops.mean(distances(real, generated)) - apart
