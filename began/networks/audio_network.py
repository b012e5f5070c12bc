"""The audio network: from an MFCC map to a code."""

import keras
from keras import layers

from began.config import LEARNED, OF_VAE
from began.vae.model_folder import load_vae_encoder
from runtime.program import InputError

LEAK_2017 = 0.25  # slope below zero


def build_audio_network(rows, n_mfcc, widths, code_size, dropout=0.0, noise=0.0):
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
    return keras.Model(speech, x, name="audio_network")


def build_audio_network_2017(rows, coefficients, code_size, activation=None, widths=(64, 128, 256, 512)):
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

    def activate(x):
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
    return keras.Model(speech, x, name="audio_network")


def build_frozen_audio_network(run, features, standardised, code_size, data=None):
    """The encoder of an audio VAE that no step changes: neither noise nor dropout, the mean of the code.

    Where the code is not of the length asked for, one linear dense layer leads from it to that length; only this layer
    is trained.

    Args:
        run: run of the VAE, or vae/ within it (`vae_folder.load_vae_encoder`).
        features: key of `FEATURE_PRESETS`; the VAE must have heard the same.
        standardised: whether the maps come standardised, which has to be by the statistics of the VAE's own training
            speech: train both on the same dataset. Otherwise they come raw and are standardised here. What clips and
            scales them as this VAE had it (+-40 to 0..1 in 2017) is within the encoder either way.
        code_size: length of the code.
        data: fingerprint of that dataset, where it is known.

    Returns:
        `keras.Model` from maps [batch, rows, coefficients] to [batch, code_size].

    Raises:
        InputError: the VAE cannot be read, or has other features or data.
    """
    encoder, config, statistics = load_vae_encoder(run, data)
    if config.features != features:
        raise InputError(
            f"{run}: this VAE hears the features {config.features!r}, the BEGAN {features!r}; "
            f"train a VAE on the same features"
        )
    encoder.trainable = False
    speech = x = keras.Input(encoder.input_shape[1:])
    if not standardised:
        mean, variance = statistics.mean.tolist(), (statistics.deviation**2).tolist()
        x = layers.Normalization(mean=mean, variance=variance, dtype="float32")(x)
    code = encoder(x)
    if code.shape[-1] != code_size:
        code = layers.Dense(code_size, name="to_code_size")(code)
    return keras.Model(speech, code, name="audio_network")


def learned_audio_network_of(config):
    """The untrained audio network that a `BeganConfig` asks for."""
    if config.audio_network == "2017":
        return build_audio_network_2017(
            config.rows, config.coefficients, config.audio_code, config.audio_activation, config.audio_widths
        )
    return build_audio_network(
        config.rows, config.coefficients, config.audio_widths, config.audio_code, config.dropout, config.noise
    )


def audio_network_of(config, data=None):
    """The generator's audio network: the learned one, or a VAE's encoder if a `BeganConfig` names one.

    Args:
        config: `BeganConfig`.
        data: fingerprint of the dataset, which the VAE has to share; None allows any.

    Raises:
        InputError: `config.audio_encoder` is neither "learned" nor a VAE that fits.
    """
    if config.audio_encoder == LEARNED:
        return learned_audio_network_of(config)
    if not config.audio_encoder.startswith(OF_VAE):
        raise InputError(f"--audio-encoder {config.audio_encoder}: unknown; give {LEARNED} or {OF_VAE}RUN")
    run = config.audio_encoder.removeprefix(OF_VAE)
    return build_frozen_audio_network(run, config.features, config.standardised, config.audio_code, data)
