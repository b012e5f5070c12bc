"""BEGAN's discriminator: an autoencoder, whose error tells real faces from generated ones."""

import keras
from keras import layers

from began.networks.audio_network import learned_audio_network_of
from began.networks.decoder import build_decoder, uniform_widths
from began.networks.encoder import build_encoder


def build_discriminator(config):
    """Encoder and decoder with a linear bottleneck between, which hears the speech if it is to judge that, too.

    A conditional discriminator reconstructs a face from the face's code and the speech's: a face whose mouth does not
    fit the speech is then the harder one to reconstruct.

    Args:
        config: `BeganConfig`.

    Returns:
        `keras.Model` from {"face": [batch, size, size, 3]} (with "speech": [batch, rows, coefficients] if
        `config.conditional`) to the pair (reconstruction [batch, size, size, 3], code [batch, code_size or the
        flattened map]).
    """
    face = keras.Input((config.size, config.size, 3), name="face")
    inputs = {"face": face}
    code_size = config.code_size if config.bottleneck else None
    encoder = build_encoder(config.size, config.n, code_size, sub_pixel=config.sub_pixel, vanishing=config.vanishing)
    known = code = encoder(face)
    if config.conditional:
        inputs["speech"] = keras.Input((config.rows, config.coefficients), name="speech")
        known = layers.Concatenate(dtype="float32")([code, learned_audio_network_of(config)(inputs["speech"])])
    decoder = build_decoder(
        known.shape[-1],
        config.size,
        uniform_widths(config.size, config.n, config.sub_pixel),
        skips=config.skips,
        sub_pixel=config.sub_pixel,
        vanishing=config.vanishing,
    )
    return keras.Model(inputs, (decoder(known), code), name="discriminator")
