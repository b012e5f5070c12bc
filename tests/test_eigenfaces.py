from types import SimpleNamespace

import numpy as np
import pytest

from began.config import BeganConfig
from began.eigenfaces import Eigenfaces
from began.networks.generator import BASE, build_generator
from measures.mouth import MouthComponents
from media.pixels import to_signed
from training.config import SpeechConfig

SIZE, COVERED = 16, 0.5


@pytest.fixture(scope="module")
def faces():
    """200 faces of three hidden causes: two move what lies above, the third what lies below the middle alone."""
    generator = np.random.default_rng(0)
    causes = generator.uniform(-30, 30, (200, 3))
    directions = generator.uniform(-1, 1, (3, SIZE, SIZE, 3))
    directions[2, : SIZE // 2] = 0
    return np.clip(np.rint(128 + np.tensordot(causes, directions, 1)), 0, 255).astype(np.uint8)


def test_components_are_uncorrelated_and_of_unit_variance(faces):
    codes = Eigenfaces.fit(to_signed(faces), 2, COVERED).transform(to_signed(faces))
    np.testing.assert_allclose(codes.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(np.cov(codes, rowvar=False, bias=True), np.eye(2), atol=1e-3)


def test_components_that_are_not_there_are_zero():
    faces = np.repeat(np.array([0, 100, 200], np.uint8), SIZE * SIZE * 3).reshape(3, SIZE, SIZE, 3)
    codes = Eigenfaces.fit(to_signed(faces), 2, COVERED).transform(to_signed(faces))
    assert np.abs(codes[:, 1]).max() < 1e-6 and codes[:, 0].std() == pytest.approx(1, abs=1e-3)


def test_what_is_covered_is_not_seen(faces):
    eigenfaces = Eigenfaces.fit(to_signed(faces), 2, COVERED)
    other = faces.copy()
    other[:, SIZE // 2 :] = 0
    np.testing.assert_array_equal(eigenfaces.transform(to_signed(other)), eigenfaces.transform(to_signed(faces)))


def test_the_face_that_goes_with_z_has_all_that_z_tells(faces):
    eigenfaces = Eigenfaces.fit(to_signed(faces), 2, COVERED)
    whole = (eigenfaces.transform(to_signed(faces)) @ eigenfaces.kernel + eigenfaces.bias).reshape(faces.shape)
    error = np.abs(whole - to_signed(faces))
    assert error[:, : SIZE // 2].max() < 0.02  # rounding to grey levels
    unheard = np.abs(to_signed(faces) - to_signed(faces).mean(axis=0))[:, SIZE // 2 :].mean()
    assert 0.2 * unheard < error[:, SIZE // 2 :].mean() < 0.8 * unheard


def test_the_generator_adds_to_that_face(faces):
    config = BeganConfig(size=SIZE, speech=SpeechConfig(code_size=4), z_size=2, generator_n=4)
    eigenfaces = Eigenfaces.fit(to_signed(faces), 2, COVERED)
    generator = build_generator(config)
    generator.get_layer(BASE).set_weights([eigenfaces.kernel, eigenfaces.bias])
    for weight in generator.get_layer("decoder").weights:
        weight.assign(np.zeros(weight.shape))
    z = eigenfaces.transform(to_signed(faces[:3]))
    made = np.asarray(generator(np.concatenate([np.ones((3, 4), np.float32), z], axis=1)))
    np.testing.assert_allclose(made.reshape(3, -1), z @ eigenfaces.kernel + eigenfaces.bias, atol=1e-3)
    assert not any(weight.path.startswith(BASE) for weight in generator.trainable_weights)


def test_the_decoder_sees_the_first_components_alone(faces, monkeypatch):
    monkeypatch.setattr("began.networks.generator.SEEN", 2)
    generator = build_generator(BeganConfig(size=SIZE, speech=SpeechConfig(code_size=4), z_size=3, generator_n=4))
    codes = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    codes[:, :6] = codes[0, :6]
    without_base = np.asarray(generator(codes))
    np.testing.assert_array_equal(without_base, without_base[:1].repeat(5, axis=0))  # an untrained base is no face
    codes[:, 5] = range(5)
    assert np.ptp(np.asarray(generator(codes)), axis=0).max() > 1e-4


def test_the_strongest_components_come_first(faces):
    whole = np.linalg.norm(Eigenfaces.fit(to_signed(faces), 3, COVERED).kernel, axis=1)
    assert whole[0] > whole[1] > whole[2]


def test_no_component_is_lost_for_a_mouth_that_has_nothing_to_do_with_them(faces):
    eigenfaces = Eigenfaces.fit(to_signed(faces), 4, COVERED)  # two of which are there
    directions = np.zeros((4, 2))
    left = eigenfaces.without(directions)
    assert np.linalg.norm(left.kernel) == pytest.approx(np.linalg.norm(eigenfaces.kernel), rel=1e-3)
    directions[0, 1] = 1
    left = eigenfaces.without(directions)
    assert np.linalg.norm(left.kernel[0]) == pytest.approx(np.linalg.norm(eigenfaces.kernel[1]), rel=1e-3)
    turn = np.linalg.lstsq(eigenfaces.kernel.T, left.kernel.T, rcond=None)[0]  # of faces; codes turn alike
    pictures = to_signed(faces[:5])
    np.testing.assert_allclose(eigenfaces.transform(pictures) @ turn, left.transform(pictures), atol=1e-3)


def test_only_eigenfaces_have_such_a_face():
    assert BeganConfig().has_base and not BeganConfig(z="uniform").has_base


def test_what_tells_of_the_mouth_is_left_out():
    """In these clips what lies above follows the mouth, in part; z keeps the other part."""
    generator = np.random.default_rng(0)
    clips = []
    for _ in range(6):
        opening, nod = generator.uniform(0, 60, 40), generator.uniform(0, 60, 40)
        faces = generator.integers(90, 110, (40, SIZE, SIZE, 3)).astype(float)
        faces[:, 2:4] += (opening + nod)[:, None, None, None]
        faces[:, 5:7] += (opening - nod)[:, None, None, None]
        faces[:, 12:, 5:11] += opening[:, None, None, None]
        clips.append(SimpleNamespace(faces=faces.astype(np.uint8)))
    every = np.concatenate([clip.faces for clip in clips])
    mouth = MouthComponents.fit(clips)
    motion = np.concatenate([mouth.transform(clip.faces)[:, 0] for clip in clips])

    def foretold(eigenfaces):
        codes = np.concatenate([(z := eigenfaces.transform(to_signed(clip.faces))) - z.mean(axis=0) for clip in clips])
        return np.corrcoef(codes @ np.linalg.lstsq(codes, motion)[0], motion)[0, 1]

    assert foretold(Eigenfaces.fit(to_signed(every), 3, COVERED)) > 0.9
    left = Eigenfaces.fit_clips(clips, to_signed(every), 3, COVERED, mouth)
    assert foretold(left) < 0.05 and left.kernel.shape == (3, SIZE * SIZE * 3)
    strengths = np.linalg.norm(left.kernel, axis=1)
    assert list(strengths) == sorted(strengths, reverse=True)
    np.testing.assert_allclose(np.cov(left.transform(to_signed(every)), rowvar=False, bias=True), np.eye(3), atol=1e-3)
