"""The adversary of a generator: BEGAN's discriminator, its balance k, and the one pass that trains both players."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from began.config import CODE_MATCHING, AdversaryConfig
from began.losses import code_distance, global_convergence, reconstruction_error, scale_gradient, updated_k
from training.trainable import add_scalar

WATCHED = ("real_error", "generated_error", "m_global", "k")  # what `Adversary.balance` gives


class Adversary(keras.layers.Layer):
    """A discriminator and its balance with a generator (Berthelot, Schumm, Metz, arXiv 1703.10717).

    One pass through D serves both players. What is minimised is L(x) + L(G(z)), but D sees G(z) with weights whose
    gradient is multiplied by -k: D's weights receive the gradient of L(x) - k L(G(z)), G's that of L(G(z)). Adam scales
    each weight by itself, so that one optimiser is two of the same rate (but for clipping, whose norm is of both).

    Args:
        config: of the adversary.
        discriminator: of `began.networks.discriminator`.
        mean_over_replicas: function from a scalar to its mean over all devices that share the step.

    Attributes:
        k: weight of generated faces in D's loss.
    """

    def __init__(
        self,
        config: AdversaryConfig,
        discriminator: keras.Model,
        mean_over_replicas: Callable[[Any], Any] = lambda value: value,
    ) -> None:
        super().__init__(name="adversary", dtype="float32")
        self.config, self.discriminator, self.mean_over_replicas = config, discriminator, mean_over_replicas
        self.k = add_scalar(self, "k", config.smallest_k)
        self._features = features_of(discriminator.get_layer("encoder")) if config.matched else None
        self.built = True

    def adversarial_loss(
        self, real: Any, generated: Sequence[Any], speech: Any = None, foreign_speech: Any = None, training: bool = True
    ) -> tuple[Any, Any, Any]:
        """The part of the loss that both players have in D's errors.

        Args:
            real: x [batch, size, size, 3] in [-1, 1].
            generated: one batch or several of G(z), each of the same shape and speech.
            speech: the map of each face's moment [batch, rows, coefficients], where D is conditional.
            foreign_speech: the map of another moment, same shape, where there are mismatched pairs.
            training: whether noise and dropout are at work.

        Returns:
            (loss, L(x), L(G(z))): scalars; the two errors are those that the control balances.
        """
        config, k, count = self.config, ops.convert_to_tensor(self.k), len(generated)
        reconstructed, real_code = self.discriminator(self._seen(real, speech), training=training)
        real_error = config.pixel_scale * ops.mean(reconstruction_error(real, reconstructed))
        negatives = [scale_gradient(faces, config.weight) for faces in generated]
        conditions = [speech] * count
        if config.mismatched:
            negatives, conditions = [*negatives, real], [*conditions, foreign_speech]
        speech = ops.concatenate(conditions) if config.conditional else None
        errors, code = self._errors_against(k, ops.concatenate(negatives), speech, training)
        errors = ops.reshape(errors, (len(negatives), -1))  # (negatives, B)
        generated_error = config.pixel_scale * ops.mean(errors[:count])
        if CODE_MATCHING in config.defects:
            matched = code_distance(code[: ops.shape(real)[0]], scale_gradient(real_code, -k))
            generated_error = generated_error + ops.mean(matched)
        loss = real_error + generated_error
        if config.mismatched:
            loss = loss + config.mismatched * config.pixel_scale * ops.mean(errors[count:])
        return loss, real_error, generated_error

    def balance(self, real_error: Any, generated_error: Any, training: bool = True) -> dict[str, Any]:
        """Moves k, in training, by the errors of a step.

        Returns:
            what WATCHED names, over all devices.
        """
        config, k = self.config, ops.convert_to_tensor(self.k)
        real_error, generated_error = self.mean_over_replicas(real_error), self.mean_over_replicas(generated_error)
        if training:
            k = updated_k(k, real_error, generated_error, config.gamma, config.lambda_k, config.smallest_k)
            self.k.assign(ops.stop_gradient(k))
        m_global = global_convergence(real_error, generated_error, config.gamma)
        return dict(zip(WATCHED, (real_error, generated_error, m_global, k), strict=True))

    def feature_error(self, real: Any, generated: Any) -> Any:
        """Mean |f(x) - f(G)| over the maps f of D's encoder, each in units of mean |f(x)|; D learns nothing from it.

        Args:
            real: x [batch, size, size, 3] in [-1, 1].
            generated: the same faces by the generator, same shape.

        Returns:
            error: a scalar, of the first maps and of the deep ones alike.
        """
        assert self._features is not None, "config.matched is 0"
        weights = [ops.stop_gradient(ops.convert_to_tensor(weight)) for weight in self._features.trainable_variables]
        of_both = ops.concatenate([real, generated])
        maps, _ = self._features.stateless_call(weights, self._features.non_trainable_variables, of_both)
        errors = []
        for features in maps:
            of_real, of_generated = ops.split(ops.cast(features, "float32"), 2)
            errors.append(ops.mean(ops.abs(of_real - of_generated)) / (ops.mean(ops.abs(of_real)) + 1e-6))
        return sum(errors) / len(errors)

    def reconstructed(self, faces: Any, speech: Any = None) -> Any:
        """What D makes of faces [batch, size, size, 3], given their speech: same shape."""
        return self.discriminator(self._seen(faces, speech), training=False)[0]

    def _seen(self, faces: Any, speech: Any) -> dict[str, Any]:
        return {"face": faces, "speech": speech} if self.config.conditional else {"face": faces}

    def _errors_against(self, k: Any, faces: Any, speech: Any, training: bool) -> tuple[Any, Any]:
        """D's errors on faces [batch] and their codes, D's weights being moved the other way, k times as far."""
        discriminator = self.discriminator
        weights = [scale_gradient(ops.convert_to_tensor(weight), -k) for weight in discriminator.trainable_variables]
        (reconstructed, code), _ = discriminator.stateless_call(
            weights, discriminator.non_trainable_variables, self._seen(faces, speech), training=training
        )
        return reconstruction_error(faces, reconstructed), code


def features_of(encoder: keras.Model) -> keras.Model:
    """The maps of an encoder's convolutions, by the same weights: pictures -> a list, the first map first."""
    convolutions = [layer.output for layer in encoder.layers if isinstance(layer, keras.layers.Conv2D)]
    return keras.Model(encoder.input, convolutions, name="features")
