"""The audio network: from an MFCC map to a code."""

import keras
from keras import layers


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
