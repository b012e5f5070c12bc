"""The audio network: from an MFCC map to a code."""

from typing import Any

import keras
from keras import layers

from preprocessing.speech.audio_features import FeatureStatistics
from training.config import SpeechConfig

AUDIO_NETWORK = "audio_network"  # its name within a network
LEAK_2017 = 0.25  # slope below zero
ACTIVATIONS_2017 = {"2017-linear": None, "2017-leaky": "leaky_relu", "2017-elu": "elu"}


def build_audio_network(
    rows: int, n_mfcc: int, widths: tuple[int, ...], code_size: int, dropout: float = 0.0, noise: float = 0.0
) -> keras.Model:
    """Convolutions over time whose channels are the coefficients, halving the time with each width, then dense.

    Cepstral coefficients have no neighbourhood (a shift along them has no meaning), so that the convolutions run
    over time alone; the 2017 project's 3x3 convolutions over both cost more.

    Args:
        rows: of the map, in time.
        n_mfcc: coefficients of a row.
        widths: channels of each pair of convolutions.
        code_size: length of the code.
        noise: standard deviation of what is added to the map in training.
        dropout: share of the features left out in training, before and after the dense layer.

    Returns:
        `keras.Model` from [batch, rows, n_mfcc] to [batch, code_size].
    """
    speech = keras.Input((rows, n_mfcc))
    x = layers.GaussianNoise(noise)(speech)
    for width in widths:
        x = layers.Conv1D(width, 3, padding="same", activation="elu")(x)
        x = layers.Conv1D(width, 3, padding="same", strides=2, activation="elu")(x)  # (B, rows / 2**n, width)
    x = layers.Flatten()(x)
    x = layers.Dropout(dropout)(x)
    x = layers.Dense(code_size, activation="elu")(x)
    x = layers.Dropout(dropout)(x)
    return keras.Model(speech, x, name=AUDIO_NETWORK)


def build_audio_network_2017(
    rows: int,
    coefficients: int,
    code_size: int,
    activation: str | None = None,
    widths: tuple[int, ...] = (64, 128, 256, 512),
) -> keras.Model:
    """The 2017 project's: 3x3 convolutions, pooling after the second and the fourth, two dense layers.

    Its BEGAN versions had no activations at all, so that the whole was linear but for the pooling.

    Args:
        rows: of the map, in time.
        coefficients: of a row.
        code_size: length of the code; 256 then.
        activation: None for that, "leaky_relu" for 2017's regressor (slope .25), or another name that Keras knows.
        widths: channels of the convolutions, 2017's by default; the first dense layer has as many units as the last.

    Returns:
        `keras.Model` from [batch, rows, coefficients] to [batch, code_size].
    """
    leaky = activation == "leaky_relu"
    plain = None if leaky else activation

    def activate(x: Any) -> Any:
        return layers.LeakyReLU(LEAK_2017)(x) if leaky else x

    speech = keras.Input((rows, coefficients))
    x = layers.Reshape((rows, coefficients, 1))(speech)
    for width, pooled in zip(widths, (False, True, False, True), strict=True):
        x = activate(layers.Conv2D(width, 3, padding="same", activation=plain)(x))
        if pooled:
            x = layers.MaxPooling2D(2, padding="same")(x)  # (B, rows / 2, coefficients / 2, width)
    x = layers.Flatten()(x)
    x = activate(layers.Dense(widths[-1], activation=plain)(x))
    x = activate(layers.Dense(code_size, activation=plain)(x))
    return keras.Model(speech, x, name=AUDIO_NETWORK)


def build_frozen_audio_network(
    encoder: keras.Model, code_size: int, statistics: FeatureStatistics | None = None
) -> keras.Model:
    """The encoder of an audio VAE that no step changes: neither noise nor dropout, the mean of the code.

    Where the code is not of the requested length, one linear dense layer leads from it to that length; only this layer
    is trained.

    Args:
        encoder: of `began.vae.saved_encoder`, whose inputs are maps standardised by its statistics; it is copied.
        code_size: length of the code.
        statistics: those, where the maps come raw and are to be standardised here; None where they are before.

    Returns:
        `keras.Model` from maps [batch, rows, coefficients] to [batch, code_size].
    """
    copied = keras.models.clone_model(encoder)
    copied.set_weights(encoder.get_weights())
    copied.trainable = False
    speech = x = keras.Input(encoder.input_shape[1:])
    if statistics:
        mean, variance = statistics.mean.tolist(), (statistics.deviation**2).tolist()
        x = layers.Normalization(mean=mean, variance=variance, dtype="float32")(x)
    code = copied(x)
    if code.shape[-1] != code_size:
        code = layers.Dense(code_size, name="to_code_size")(code)
    return keras.Model(speech, code, name=AUDIO_NETWORK)


def build_learned_audio_network(config: SpeechConfig) -> keras.Model:
    """The untrained audio network that the settings describe; beside a frozen encoder, convolutions over time."""
    rows, coefficients = config.map_shape
    if config.network.startswith("2017"):
        activation = ACTIVATIONS_2017[config.network]
        return build_audio_network_2017(rows, coefficients, config.code_size, activation, config.widths)
    return build_audio_network(rows, coefficients, config.widths, config.code_size, config.dropout, config.noise)
