"""BEGAN: the generator, the discriminator, and the one step that trains both."""

import keras
import numpy as np
from keras import ops

from began.losses import (
    code_distance,
    global_convergence,
    mode_seeking_loss,
    reconstruction_error,
    scale_gradient,
    updated_k,
    weighted_error,
)
from began.networks.audio_network import audio_network_of
from began.networks.blocks import VanishingResidual
from began.networks.discriminator import build_discriminator
from began.networks.generator import build_generator, build_reference_encoder
from preprocessing.faces.alignment import mouth_slices

WATCHED = ("real_error", "generated_error", "m_global", "k", "paired_error")  # what each step reports


class Began(keras.Model):
    """A boundary-equilibrium GAN whose generator hears speech (Berthelot, Schumm, Metz, arXiv 1703.10717).

    One pass through D serves both players. What is minimised is L(x) + L(G(z)), but D judges G(z) with weights whose
    gradient is multiplied by -k: D's weights receive the gradient of L(x) - k L(G(z)), G's that of L(G(z)). Adam scales
    each weight by itself, so that one optimiser is two of the same rate (but for `clipping`, whose norm is of both).

    A batch is a dictionary:
        face: x [batch, size, size, 3] in [-1, 1].
        speech: the map of the same moment [batch, rows, coefficients].
        foreign_speech: the map of another moment, same shape.
        z: [batch, z_size]; or, where a network finds it, in its place
        reference: a face of the same clip, same shape as face, its mouth covered, and
        noise: [batch, z_size], added to its code.

    Args:
        config: `BeganConfig`.
        mean_over_replicas: function from a scalar to its mean over all devices that share the step.
        replicas: how many do.
    """

    def __init__(self, config, mean_over_replicas=lambda value: value, replicas=1):
        super().__init__(name="began", dtype="float32")  # of batches and codes; the networks have the global policy
        self.config = config
        self.mean_over_replicas, self.replicas = mean_over_replicas, replicas
        self.build_players(config)
        if config.initial_deviation:
            initializer = keras.initializers.RandomNormal(stddev=config.initial_deviation, seed=config.seed)
            for kernel in (weight for weight in self.generator.trainable_variables if weight.path.endswith("kernel")):
                kernel.assign(initializer(kernel.shape))
        self.k = self._state("k", config.smallest_k)
        self.steps_done = self._state("steps_done", 0.0)
        self.speech_ramp = self._state("speech_ramp", 1.0)  # share of the speech's code
        if config.code_consistency:
            self.code_head = keras.layers.Dense(self.generator.input_shape[-1], dtype="float32", name="code_head")
            self.code_head.build((None, self.discriminator.output_shape[1][-1]))
        self.trackers = {name: keras.metrics.Mean(name) for name in WATCHED}
        self.mouth_weights = mouth_weights(config.size, config.mouth_weight)
        self.built = True

    def build_players(self, config):
        """Makes the networks."""
        self.audio_network = audio_network_of(config) if config.audio_code else None
        self.reference_encoder = build_reference_encoder(config) if config.z_source == "reference" else None
        self.generator = build_generator(config)
        self.discriminator = build_discriminator(config)

    def _state(self, name, value):
        return self.add_weight(
            name=name,
            shape=(),
            initializer=keras.initializers.Constant(value),
            trainable=False,
            dtype="float32",
            aggregation="only_first_replica",
        )

    def call(self, batch, training=False):
        """Generates faces.

        Args:
            batch: with "speech" and, as the source of z asks, "z" or "reference" and "noise".
            training: whether noise, dropout and the speech's ramp are at work.

        Returns:
            dictionary: "face" [batch, size, size, 3] about [-1, 1], "code" that they were made of
            [batch, audio_code + z_size], "z" [batch, z_size] or None.
        """
        z = self.z_of(batch, training)
        code = self.join(self.encode_speech(batch, training), z)
        return {"face": self.generator(code, training=training), "code": code, "z": z}

    def encode_speech(self, batch, training=False):
        """Code of the speech [batch, audio_code]; None for a generator that hears nothing."""
        if self.audio_network is None:
            return None
        code = ops.cast(self.audio_network(batch["speech"], training=training), "float32")
        return self.speech_ramp * code if training else code

    def z_of(self, batch, training=False):
        """Code z of what cannot be heard [batch, z_size]; None for a generator that has none."""
        if self.config.z_source == "none":
            return None
        if self.config.z_source != "reference":
            return batch["z"]
        z = self.reference_encoder(batch["reference"], training=training)
        return z + self.config.z_noise * batch["noise"] if training else z

    def join(self, heard, z):
        """The generator's code, of what is there of the two."""
        parts = [part for part in (heard, z) if part is not None]
        return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The loss of both players over a batch; moves k. See the class."""
        config, batch, made = self.config, x, y_pred
        others = other_z = None
        if config.swapped or config.mode_seeking:
            other_z = ops.roll(made["z"], 1, axis=0)
            heard = made["code"][:, : config.audio_code] if config.audio_code else None
            others = self.generator(self.join(heard, other_z), training=training)
        adversarial_loss, real_error, generated_error = self.adversarial_loss(batch, made, others, training)
        other_losses, paired_error = self.generator_losses(batch, made, training)
        loss = adversarial_loss + other_losses
        if config.mode_seeking:
            apart = mode_seeking_loss(made["face"], others, made["z"], other_z)
            loss = loss + config.mode_seeking * ops.mean(apart)

        # The balance.
        k = ops.convert_to_tensor(self.k)
        real_error, generated_error = self.mean_over_replicas(real_error), self.mean_over_replicas(generated_error)
        if training:
            k = updated_k(k, real_error, generated_error, config.gamma, config.lambda_k, config.smallest_k)
            self.k.assign(ops.stop_gradient(k))
        m_global = global_convergence(real_error, generated_error, config.gamma)
        values = (real_error, generated_error, m_global, k, paired_error)
        for name, value in zip(WATCHED, values, strict=True):
            self.trackers[name].update_state(value)
        return loss / self.replicas

    def adversarial_loss(self, batch, made, others, training):
        """What D says of real and of generated faces.

        Args:
            batch: see the class.
            made: what `call` gave.
            others: faces of the same speech and another z, or None.
            training: as in `call`.

        Returns:
            (loss, L(x), L(G(z))): both players' part of the loss, and the two errors that the control balances.
        """
        config, generated, speech, k = self.config, made["face"], batch["speech"], ops.convert_to_tensor(self.k)
        reconstructed, real_code = self.discriminator(self._seen(batch["face"], speech), training=training)
        real_error = config.pixel_scale * ops.mean(reconstruction_error(batch["face"], reconstructed))
        negatives, heard = [scale_gradient(generated, config.adversarial)], [speech]
        if config.swapped:
            negatives, heard = [*negatives, scale_gradient(others, config.adversarial)], [*heard, speech]
        count = len(negatives)
        if config.mismatched:
            negatives, heard = [*negatives, batch["face"]], [*heard, batch["foreign_speech"]]
        errors, code = self._errors_against(k, ops.concatenate(negatives), ops.concatenate(heard), training)
        errors = ops.reshape(errors, (len(negatives), -1))  # (negatives, B)
        generated_error = config.pixel_scale * ops.mean(errors[:count])
        if config.code_match:
            matched = code_distance(code[: ops.shape(generated)[0]], scale_gradient(real_code, -k))
            generated_error = generated_error + config.code_match * ops.mean(matched)
        loss = real_error + generated_error
        if config.mismatched:
            loss = loss + config.mismatched * config.pixel_scale * ops.mean(errors[count:])
        return loss, real_error, generated_error

    def generator_losses(self, batch, made, training):
        """The other losses of the generator: see `adversarial_loss`.

        Returns:
            (loss, paired error).
        """
        config, generated = self.config, made["face"]
        paired_error = ops.mean(weighted_error(batch["face"], generated, self.mouth_weights, config.paired_power))
        loss = config.paired * paired_error
        if config.z_source == "reference":
            loss = loss + config.code_penalty * ops.mean(ops.square(made["z"]))
        if config.code_consistency:
            encoded = self.code_head(self.discriminator.get_layer("encoder")(generated, training=training))
            loss = loss + config.code_consistency * ops.mean(code_distance(encoded, ops.stop_gradient(made["code"])))
        return loss, paired_error

    def _seen(self, faces, speech):
        return {"face": faces, "speech": speech} if self.config.conditional else {"face": faces}

    def _errors_against(self, k, faces, speech, training):
        """D's errors on faces [batch] and their codes, D's weights being moved the other way, k times as far."""
        discriminator = self.discriminator
        weights = [scale_gradient(ops.convert_to_tensor(weight), -k) for weight in discriminator.trainable_variables]
        (reconstructed, code), _ = discriminator.stateless_call(
            weights, discriminator.non_trainable_variables, self._seen(faces, speech), training=training
        )
        return reconstruction_error(faces, reconstructed), code

    def begin_step(self, step):
        """Sets what depends on the number of the step: the ramp of the speech, what residuals carry."""
        config = self.config
        if config.ramp_steps:
            self.speech_ramp.assign(min(1.0, step / config.ramp_steps))
        if config.vanishing:
            carry = max(0.0, 1.0 - step / config.vanishing_steps)
            for layer in self._flatten_layers():
                if isinstance(layer, VanishingResidual):
                    layer.carry.assign(carry)


def mouth_weights(size, mouth_weight):
    """Weights of mean 1 [size, size, 1], `mouth_weight` times as high in the mouth box as elsewhere."""
    weights = np.ones((size, size, 1), np.float32)
    weights[mouth_slices(size)] = mouth_weight
    return weights / weights.mean()
