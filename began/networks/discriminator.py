"""BEGAN's discriminator: an autoencoder, whose error tells real faces from generated ones."""

import keras
from keras import layers

from began.config import NO_BOTTLENECK, AdversaryConfig
from began.networks.audio_network import build_learned_audio_network
from began.networks.decoder import build_decoder, uniform_widths
from began.networks.encoder import build_encoder
from training.config import SpeechConfig


def build_discriminator(
    size: int, config: AdversaryConfig, speech: SpeechConfig, skips: bool = True, sub_pixel: bool = True
) -> keras.Model:
    """Encoder and decoder with a linear bottleneck between, conditioned on the speech if it is to score that, too.

    A conditional discriminator reconstructs a face from the face's code and the speech's: a face whose mouth does not
    fit the speech is then the harder one to reconstruct.

    Args:
        size: side of the faces in pixels.
        config: of the adversary.
        speech: settings of the audio network of a conditional one.
        skips: whether the decoder's first map is led to each of its blocks.
        sub_pixel: whether it computes at half the size.

    Returns:
        `keras.Model` from {"face": [batch, size, size, 3]} (with "speech": [batch, rows, coefficients] if
        `config.conditional`) to the pair (reconstruction [batch, size, size, 3], code [batch, code_size or the
        flattened map]).
    """
    face = keras.Input((size, size, 3), name="face")
    inputs = {"face": face}
    code_size = None if NO_BOTTLENECK in config.defects else config.code_size
    encoder = build_encoder(size, config.n, code_size, sub_pixel=sub_pixel)
    known = code = encoder(face)
    if config.conditional:
        inputs["speech"] = keras.Input(speech.map_shape, name="speech")
        speech_code = build_learned_audio_network(speech)(inputs["speech"])
        known = layers.Concatenate(dtype="float32")([code, speech_code])
    widths = uniform_widths(size, config.n, sub_pixel)
    decoder = build_decoder(known.shape[-1], size, widths, skips=skips, sub_pixel=sub_pixel)
    return keras.Model(inputs, (decoder(known), code), name="discriminator")
