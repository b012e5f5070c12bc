import dataclasses
import json

import numpy as np
import pytest

from audio2faces.generate.video import Options, generate_video
from audio2faces.regressor.articulation import LARGEST_GAIN, Articulation
from audio2faces.trained.face import load_model
from measures.mouth import COMPONENTS, MouthComponents
from preprocessing.faces.alignment import mouth_slices
from runtime.errors import InputError

from .conftest import ROOT, SAMPLES
from .media_files import frames_of

SIZE = 16
SHARES = np.array([0.9, 0.7, 0.2, 0.6, 1.3])  # of the real movement that is heard, along each component


def heard_clips(generator):
    """Components, real positions along them, and motion that falls short of them; the chin follows the first one."""
    rows, columns = mouth_slices(SIZE)
    mouth = np.zeros((SIZE, SIZE, 3))[rows, columns]
    basis = np.linalg.qr(generator.normal(size=(mouth.size, COMPONENTS)))[0].T
    real = [generator.normal(size=(50, COMPONENTS)) * [5, 4, 3, 2, 1] for _ in range(3)]
    heard = []
    for of_clip in real:
        motion = np.zeros((len(of_clip), SIZE, SIZE, 3), np.float32)
        motion[:, rows, columns] = (2 * SHARES * (of_clip - of_clip.mean(axis=0)) @ basis).reshape(-1, *mouth.shape)
        motion[:, -1, 0] = of_clip[:, :1] - of_clip[:, :1].mean()
        heard.append(motion)
    return MouthComponents(basis), [of_clip - of_clip.mean(axis=0) for of_clip in real], heard


def positions_of(motion, components):
    rows, columns = mouth_slices(SIZE)
    return motion[:, rows, columns].reshape(len(motion), -1) / 2 @ components.basis.T


def test_each_component_gets_back_what_averaging_took():
    components, real, heard = heard_clips(np.random.default_rng(0))
    told = [positions_of(of_clip, components) for of_clip in heard]
    articulation = Articulation.from_components(components, heard).fitted(real, told, told)
    made = articulation(np.concatenate(heard))
    positions = positions_of(made, components)
    expected = SHARES * np.clip(1 / SHARES, 1, LARGEST_GAIN)  # what moves too much is left alone
    np.testing.assert_allclose(positions.std(axis=0) / np.concatenate(real).std(axis=0), expected, rtol=2e-3)
    np.testing.assert_allclose(made[:, -1, 0] / np.concatenate(heard)[:, -1, 0], 1 / SHARES[0], rtol=5e-2)


def test_shown_faces_tell_how_far_the_mouth_moves_and_the_regressor_s_whether_it_follows():
    components, real, heard = heard_clips(np.random.default_rng(0))
    told = [positions_of(of_clip, components) for of_clip in heard]
    noise = np.random.default_rng(1).normal(size=told[0].shape)
    shown = [0.75 * of_clip + noise * 0.75 * of_clip.std(axis=0) for of_clip in told]  # footage moves by itself, too
    gains = Articulation.from_components(components, heard).fitted(real, told, shown).gains
    short = 1 / (SHARES * 0.75 * np.sqrt(2))
    np.testing.assert_allclose(gains, np.clip(short, 1, LARGEST_GAIN), rtol=0.1)


def test_what_does_not_follow_the_speaker_gets_no_gain():
    components, real, heard = heard_clips(np.random.default_rng(0))
    made = [positions_of(of_clip, components) for of_clip in heard]
    made[0][:, 1:], made[1][:, 1:], made[2][:, 1:] = (real[place][:, 1:] * 0.6 for place in (1, 2, 0))
    articulation = Articulation.from_components(components, heard).fitted(real, made, made)
    assert articulation.gains[0] == pytest.approx(1 / SHARES[0], rel=1e-2) and max(articulation.gains[1:]) < 0.5
    exaggerated = dataclasses.replace(articulation, strength=2.0)
    assert (exaggerated.added >= -1).all()  # what rests is not turned round
    still = dataclasses.replace(articulation, gains=(0.0,) * COMPONENTS)(heard[0])
    np.testing.assert_allclose(positions_of(still, components), 0, atol=2e-2)


def test_a_motion_that_fits_every_sentence_gets_no_gain():
    """All clips open at the same time, and the made motion has no more than that."""
    components, _, heard = heard_clips(np.random.default_rng(0))
    habit = np.repeat([0.0, 4, 0], [15, 20, 15])[:, None] * np.ones(COMPONENTS)
    real = [habit + np.random.default_rng(seed).normal(size=(50, COMPONENTS)) for seed in range(3)]
    gains = Articulation.from_components(components, heard).fitted(real, [0.5 * habit] * 3, [0.5 * habit] * 3).gains
    assert gains == (1.0,) * COMPONENTS  # least squares would have 2


def test_a_mouth_that_never_moved_stays_shut():
    components, real, heard = heard_clips(np.random.default_rng(0))
    motion = np.zeros_like(heard[0])
    articulation = Articulation.from_components(components, [motion] * 3)
    nothing = [np.zeros_like(of_clip) for of_clip in real]
    np.testing.assert_array_equal(articulation.fitted(real, nothing, nothing)(motion), 0)


def test_a_model_articulates_as_strongly_as_requested(tiny_model_folder, tmp_path):
    model = load_model(tiny_model_folder)
    maps = np.random.default_rng(0).normal(size=(4, 35, 13))
    gains = json.loads((tiny_model_folder / "config.json").read_text())["articulation"]
    assert len(gains) == COMPONENTS and 0 <= min(gains) <= max(gains) <= LARGEST_GAIN
    strong = dataclasses.replace(model.articulation, gains=(1.5,) * COMPONENTS)  # it learned too little to have any
    model = dataclasses.replace(model, articulation=strong)
    learned, given_back, exaggerated = (model.articulated(strength).motion(maps) for strength in (0.0, 1.0, 2.0))
    np.testing.assert_array_equal(given_back, model.motion(maps))
    assert np.abs(given_back - learned).max() > 1e-3
    np.testing.assert_allclose(exaggerated - learned, 2 * (given_back - learned), atol=1e-5)
    for strength in (0.0, 3.0):
        options = Options(articulation=strength, still=True)
        generate_video(model, SAMPLES / "speech.wav", tmp_path / f"{strength:g}.mp4", options=options)
    mumbled, shouted = (np.stack(frames_of(tmp_path / f"{strength}.mp4")).astype(float) for strength in (0, 3))
    assert shouted.std(axis=0).mean() > 1.1 * mumbled.std(axis=0).mean()


def test_what_makes_whole_faces_has_no_motion_to_strengthen():
    with pytest.raises(InputError, match="leave out --articulation"):
        load_model(ROOT / "models" / "began-grid-s1").articulated(2.0)
