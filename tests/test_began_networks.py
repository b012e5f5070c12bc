"""BEGAN's networks: shapes, what the bottleneck, skips and residuals do, what is refused."""

import itertools

import keras
import numpy as np
import pytest

from began.config import NO_BOTTLENECK, PRESETS, BeganConfig
from began.networks.audio_network import build_audio_network, build_audio_network_2017, build_learned_audio_network
from began.networks.decoder import build_decoder
from began.networks.discriminator import build_discriminator
from began.networks.encoder import build_encoder
from began.networks.generator import build_generator

SMALL = BeganConfig().updated(
    generator_n=3, adversary={"n": 2, "code_size": 5}, speech={"widths": (4,), "code_size": 4}, z="uniform", z_size=3
)


def discriminator_of(config):
    return build_discriminator(
        config.size, config.adversary, config.speech, skips=config.skips, sub_pixel=config.sub_pixel
    )


def layers_of(model, kind):
    return [layer for layer in model._flatten_layers() if isinstance(layer, kind)]


@pytest.mark.parametrize("size", [32, 64, 128])
def test_shapes_at_every_size(size):
    for skips, sub_pixel in itertools.product([False, True], [False, True]):
        config = SMALL.updated(size=size, skips=skips, sub_pixel=sub_pixel, adversary={"conditional": True})
        generator, discriminator = build_generator(config), discriminator_of(config)
        picture = (None, size, size, 3)
        assert (generator.input_shape, generator.output_shape) == ((None, 7), picture)
        assert {name: x.shape for name, x in discriminator.input.items()} == {
            "face": picture,
            "speech": (None, 35, 13),
        }
        assert [x.shape for x in discriminator.output] == [picture, (None, 5)]
        encoder = discriminator.get_layer("encoder")
        assert (encoder.input_shape, encoder.output_shape) == (picture, (None, 5))
        joined = layers_of(generator, keras.layers.Concatenate)
        assert len(joined) == (len(layers_of(generator, keras.layers.Conv2D)) // 2 - 1 if skips else 0)


@pytest.mark.parametrize("sub_pixel", [False, True])
def test_the_innermost_map_is_eight_pixels(sub_pixel):
    for size in (32, 64, 128):
        encoder = build_encoder(size, 2, None, sub_pixel=sub_pixel)
        halvings = (size // 8).bit_length() - 1 - sub_pixel
        assert encoder.output_shape == (None, 8 * 8 * 2 * (halvings + 1))
        assert layers_of(encoder, keras.layers.Conv2D)[-1].output.shape[1:3] == (8, 8)


def test_without_a_bottleneck_the_decoder_is_fed_the_flattened_map():
    discriminator = discriminator_of(SMALL.updated(size=32, adversary={"defects": (NO_BOTTLENECK,)}))
    *_, last = layers_of(discriminator.get_layer("encoder"), keras.layers.Conv2D)
    flat = int(np.prod(last.output.shape[1:]))
    assert [x.shape for x in discriminator.output] == [(None, 32, 32, 3), (None, flat)]
    assert discriminator.get_layer("decoder").input_shape == (None, flat)
    face = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    _, code = discriminator({"face": face})
    last_map = keras.Model(discriminator.get_layer("encoder").input, last.output)(face)
    np.testing.assert_allclose(code, np.reshape(last_map, (2, flat)), rtol=1e-6)


def test_the_bottleneck_is_linear():
    *_, code = layers_of(build_encoder(32, 2, 5), keras.layers.Dense)
    assert code.activation is keras.activations.linear


def test_both_ends_turn_squares_into_places_alike():
    """Encoder and decoder of one sub-pixel layout: what the one takes apart the other puts together."""
    encoder, decoder = build_encoder(16, 12, None, sub_pixel=True), build_decoder(4, 16, (12,))
    face = np.random.default_rng(0).uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32)
    first, *_ = layers_of(encoder, keras.layers.Conv2D)
    *_, last = layers_of(decoder, keras.layers.Conv2D)
    places = keras.Model(encoder.input, first.input)(face)
    kernel = np.zeros((3, 3, 12, 12), np.float32)
    kernel[1, 1] = np.eye(12)
    last.set_weights([kernel, np.zeros(12)])
    painted = keras.Model(last.input, decoder.output)(places)
    np.testing.assert_allclose(painted, face, rtol=1e-6)


def test_skips_lead_the_first_map_to_each_block():
    decoder = build_decoder(4, 32, (2, 2, 2), skips=True, sub_pixel=False)
    inner = [layer for layer in layers_of(decoder, keras.layers.Conv2D) if layer.kernel.shape[2] == 4]
    first = decoder.get_layer(index=2).output  # (B, 8, 8, 2)
    assert len(inner) == 2
    outputs = keras.Model(decoder.input, [first, *(layer.input for layer in inner)])(np.ones((1, 4), np.float32))
    for times, joined in zip((2, 4), outputs[1:], strict=True):
        enlarged = np.repeat(np.repeat(outputs[0], times, axis=1), times, axis=2)
        np.testing.assert_array_equal(joined[..., 2:], enlarged)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="2 widths make a picture of 16 pixels, not 64"):
        build_decoder(4, 64, (8, 4), sub_pixel=False)
    with pytest.raises(ValueError, match="3 widths make a picture of 64 pixels, not 48"):
        build_decoder(4, 48, (2, 2, 2))
    for size, sub_pixel in ((48, False), (4, False), (0, False), (8, True)):
        with pytest.raises(ValueError, match=f"a picture of {size} pixels"):
            build_encoder(size, 2, 5, sub_pixel=sub_pixel)


def test_shapes_of_the_audio_networks():
    assert build_audio_network(35, 13, (4, 8), 6, 0.3, 0.3).output_shape == (None, 6)
    network = build_learned_audio_network(PRESETS["2017-audio"].speech)
    assert (network.input_shape, network.output_shape) == ((None, 35, 11), (None, 256))
    widths = [layer.filters for layer in layers_of(network, keras.layers.Conv2D)]
    assert widths == [64, 128, 256, 512]
    assert [layer.units for layer in layers_of(network, keras.layers.Dense)] == [512, 256]


def test_the_2017_audio_network_without_activations_only_scales():
    """Convolutions, pooling and products without biases: twice the map gives twice the code; with ELU it does not."""
    speech = np.random.default_rng(0).normal(size=(2, 6, 5)).astype(np.float32)
    linear, bent = (build_audio_network_2017(6, 5, 4, activation) for activation in (None, "elu"))
    np.testing.assert_allclose(linear(2 * speech), 2 * np.asarray(linear(speech)), rtol=1e-4, atol=1e-6)
    assert not np.allclose(bent(2 * speech), 2 * np.asarray(bent(speech)), rtol=1e-2)
