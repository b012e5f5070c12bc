import os
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest

import audio2faces.generate.source as source_module
import audio2faces.generate.source_frames as source_frames
from audio2faces.generate.compositing import FEATHER, blend_mask, match_colours
from audio2faces.generate.source import Source, nearest_usable, opacity_of, open_source
from audio2faces.generate.source_frames import VideoFrames
from audio2faces.generate.video import Options, generate_video, smoothed
from audio2faces.lower_face import CENTRE, RADII, ellipse_mask
from audio2faces.trained.face import load_model
from audio2faces.trained.likeness import Likeness
from media.reading import read_frames, video_info
from media.writing import write_wav
from preprocessing.faces.alignment import crop_face, mouth_slices
from runtime.errors import InputError

from .conftest import ROOT, SAMPLES, one_line, run_program
from .media_files import frames_of, tone, write_tiled_heic, write_video

CLIP, MODELS = SAMPLES / "bgbu4p.mpg", ROOT / "models"


def still_source(frame, transform, size=64):
    return Source("still", np.zeros(1), [frame], np.array([transform]), np.ones(1), size)


def test_a_video_is_played_back_and_forth_by_its_times():
    times = np.array([0.0, 0.1, 0.2, 0.3])
    source = Source("s", times, [None] * 4, np.zeros((4, 2, 3)), np.ones(4), 64)
    assert [source.place(seconds / 10) for seconds in range(9)] == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert source.place(0.16) == 2  # the nearest in time
    gap = Source("s", np.array([0.0, 0.1, 0.6]), [None] * 3, np.zeros((3, 2, 3)), np.ones(3), 64)
    assert [gap.place(seconds / 10) for seconds in range(9)] == [0, 1, 1, 1, 2, 2, 2, 2, 2]
    assert Source("s", np.zeros(1), [None], np.zeros((1, 2, 3)), np.ones(1), 64).place(12.3) == 0


def test_short_gaps_are_held_and_long_ones_fade():
    usable, there = np.ones(60, bool), np.ones(60, bool)
    usable[10:13] = usable[30:50] = False
    opacity = opacity_of(usable, there)
    assert (opacity[:30] == 1).all() and (opacity[50:] == 1).all()
    np.testing.assert_allclose(opacity[30:36], [0.8, 0.6, 0.4, 0.2, 0, 0])
    np.testing.assert_allclose(opacity[45:50], [0, 0.2, 0.4, 0.6, 0.8])
    assert list(nearest_usable(usable)[[10, 12, 30, 49]]) == [9, 13, 29, 50]
    there[[11, 32]] = False  # what comes after another picture is not shown either
    opacity = opacity_of(usable, there)
    np.testing.assert_allclose(opacity[9:14], [1, 1, 0, 1, 1])
    np.testing.assert_allclose(opacity[30:35], [0.8, 0.6, 0, 0, 0])
    usable = np.array([False] * 9 + [True])
    np.testing.assert_allclose(opacity_of(usable, np.ones(10, bool))[[0, 5, 8]], [0, 0.2, 0.8])


def test_the_face_comes_back_to_where_it_was_taken_from():
    """A frame's own face put into it changes nothing; another's changes the mouth alone."""
    frame = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (200, 240, 3), np.uint8), (0, 0), 6)
    turn = 0.2
    transform = 0.6 * np.array([[np.cos(turn), np.sin(turn), -40], [-np.sin(turn), np.cos(turn), -10.0]])
    own = crop_face(frame, transform, 64)
    source = still_source(frame, transform)
    assert np.abs(source.with_face(own, 0.0).astype(int) - frame).max() <= 6  # two resamplings
    other = own.copy()
    other[mouth_slices(64)] //= 3
    changed = np.abs(source.with_face(other, 0.0).astype(int) - frame).max(axis=-1)
    inside = crop_face(changed[..., None].repeat(3, axis=-1).astype(np.uint8), transform, 64)[..., 0]
    assert inside[48:54, 28:36].mean() > 30 and inside[:32].max() <= 8
    assert changed[:60].max() <= 8 and changed[:, :20].max() <= 8


def test_the_mask_ends_within_the_crop():
    for size in (64, 128):
        mask = ellipse_mask(size, CENTRE, RADII, FEATHER)
        assert mask[round(0.79 * size), size // 2] > 0.99
        assert max(mask[0].max(), mask[-1].max(), mask[:, 0].max(), mask[:, -1].max()) == 0


def test_colours_are_matched_to_the_light_of_the_frame():
    generator = np.random.default_rng(0)
    face = cv2.GaussianBlur(generator.integers(60, 160, (64, 64, 3), np.uint8), (0, 0), 2)
    light = np.linspace(-30, 30, 64)[None, :, None] + np.array([20, 0, -20])
    real = np.clip(face + light, 0, 255).astype(np.uint8)
    difference = np.abs(match_colours(face, real) - real)[40:60, 16:48]
    assert difference.mean() < 4 < np.abs(real.astype(float) - face)[40:60, 16:48].mean()


def test_background_beside_the_jaw_tints_nothing():
    """Where the generated face has background and the real one skin, colours are not matched and nothing is put."""
    generated, real = np.full((64, 64, 3), [190, 150, 120], np.uint8), np.full((64, 64, 3), [200, 160, 130], np.uint8)
    generated[:, 46:] = [30, 120, 200]
    matched = match_colours(generated, real)
    assert np.abs(matched[40:60, 20:44] - real[40:60, 20:44]).max() < 3
    put = real + blend_mask(matched, real)[..., None] * (matched - real)
    assert np.abs(put - real).max() < 20  # without the care it is 90


def test_frames_are_decoded_again_forth_and_back_in_little_memory(tmp_path, monkeypatch):
    images = [np.full((64, 96, 3), 8 * index, np.uint8) for index in range(30)]
    write_video(tmp_path / "a.mp4", images, preset="medium", ticks=[*range(10), *range(15, 35)])
    times = np.array([time for time, _ in read_frames(tmp_path / "a.mp4")])
    monkeypatch.setattr(source_frames, "BLOCK", 4 * 64 * 96 * 3)  # four frames
    frames = VideoFrames(tmp_path / "a.mp4", times, (64, 96))
    for number in [*range(30), *range(28, -1, -1), 17]:
        assert round(frames[number].mean() / 8) == number
        assert len(frames._held) <= 4
    small = VideoFrames(tmp_path / "a.mp4", times, (32, 48))
    assert small[29].shape == (32, 48, 3) and round(small[29].mean() / 8) == 29


def test_a_missing_source_is_reported(tmp_path):
    write_video(tmp_path / "a.mp4", [np.zeros((64, 64, 3), np.uint8)] * 3)
    frames = VideoFrames(tmp_path / "a.mp4", [0, 0.04, 0.08], (64, 64))
    (tmp_path / "a.mp4").unlink()
    with pytest.raises(InputError, match=r"a\.mp4"):
        frames[0]


def test_nothing_is_put_on_what_follows_a_cut(tmp_path):
    frames = frames_of(CLIP)[:40]
    for number in (*range(12, 15), *range(25, 35)):
        frames[number] = np.full_like(frames[0], 128)
    write_video(tmp_path / "cut.mp4", frames)
    source = open_source(tmp_path / "cut.mp4", 64, seconds=None)
    assert [number for number in range(40) if source.opacity[number] < 1] == [*range(12, 15), *range(25, 35)]
    assert not source.opacity[source.opacity < 1].any()


def test_a_large_source_is_shrunk_with_a_note(tmp_path):
    large = cv2.resize(frames_of(CLIP)[10], (900, 720))
    cv2.imwrite(str(tmp_path / "large.png"), cv2.cvtColor(large, cv2.COLOR_RGB2BGR))
    source = open_source(tmp_path / "large.png", 64, seconds=None, longest_side=450)
    assert source.shape == (450, 360) and source.frames[0].shape == (360, 450, 3)
    assert any("900x720 pixels, shrunk to 450x360" in note for note in source.notes)
    whole = open_source(tmp_path / "large.png", 64, seconds=None, longest_side=None)
    assert whole.shape == (900, 720) and whole.notes == ()
    # The same place of the face in both.
    np.testing.assert_allclose(source.transforms[0][:, :2] / 2, whole.transforms[0][:, :2], rtol=0.05)


def test_the_face_is_looked_for_in_few_pixels_and_put_into_many(tmp_path, monkeypatch):
    frame = frames_of(CLIP)[10]
    cv2.imwrite(str(tmp_path / "face.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    whole = open_source(tmp_path / "face.png", 64, seconds=None).transforms[0]
    monkeypatch.setattr(source_module, "FOUND_SIDE", 180)
    source = open_source(tmp_path / "face.png", 64, seconds=None)
    corners = np.array([[120.0, 80, 1], [240, 80, 1], [180, 200, 1]])
    assert source.shape == (360, 288) and np.abs(corners @ (source.transforms[0] - whole).T).max() < 1.5  # pixels of 64


def test_a_real_clip_as_source(tiny_model_folder, tmp_path):
    model = load_model(tiny_model_folder)
    source = open_source(CLIP, 64, seconds=1.0)
    assert len(source.frames) == 25 and source.shape == (360, 288) and source.notes == ()
    assert (source.opacity == 1).all()
    written = tmp_path / "out.mp4"
    write_wav(tmp_path / "speech.wav", tone(2.0, 16000), 16000)
    count, notes = generate_video(model, tmp_path / "speech.wav", written, options=Options(source=str(CLIP)))
    assert count == 50 and all("another person" in note for note in notes)  # the model's speaker is drawn
    frames, real = frames_of(written), frames_of(CLIP)
    assert frames[0].shape == (288, 360, 3)
    away = [np.abs(frames[index].astype(int) - real[index])[:150].mean() for index in (0, 20, 40)]
    assert max(away) < 4  # what lies above the mouth is the recording


def test_pictures_of_any_kind_are_sources(tmp_path):
    picture = frames_of(CLIP)[10][:287, :359]
    cv2.imwrite(str(tmp_path / "face.jpg"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    (tmp_path / "face.jpg").rename(tmp_path / "upload")  # as uploads are named
    source = open_source(tmp_path / "upload", 64, seconds=None)
    assert len(source.frames) == 1 and source.shape == (358, 286)


def test_frames_without_a_face_and_with_several_are_counted(tmp_path):
    frames = [np.hstack([frame, np.full_like(frame, 90)]) for frame in frames_of(CLIP)]
    for frame in frames[10:30]:
        frame[:] = 90
    for frame in frames[:5]:
        frame[80:260, 440:665] = cv2.resize(frame[:, :360], (225, 180), interpolation=cv2.INTER_AREA)
    write_video(tmp_path / "several.mp4", frames)
    source = open_source(tmp_path / "several.mp4", 64, seconds=None)
    assert any("20 of 75 frames show no usable face (no face found in 20)" in note for note in source.notes)
    assert any(
        "several faces in 12 of 75 frames; the largest one speaks" in note for note in source.notes
    )  # those of one look
    assert source.opacity[20] == 0 and source.opacity[40] == 1
    np.testing.assert_array_equal(
        source.with_face(np.zeros((64, 64, 3), np.uint8), 20 / 25),
        source.frames[20],
    )


def test_a_source_that_is_cut_says_so(monkeypatch):
    monkeypatch.setattr(source_module, "LONGEST", 1.0)
    source = open_source(CLIP, 64, seconds=2.0)
    assert len(source.frames) == 25 and "its first 1 s are used" in source.notes[0]


def test_a_picture_of_tiles_is_refused_with_a_remedy(tmp_path):
    write_tiled_heic(tmp_path / "phone.heic")
    with pytest.raises(InputError, match=r"phone\.heic: .*tiles.*; save it as JPEG"):
        open_source(tmp_path / "phone.heic", 64, seconds=None)


def test_a_source_without_a_face_says_why(tmp_path):
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((200, 200, 3), 128, np.uint8))
    with pytest.raises(InputError, match=r"no frame shows a usable face \(no face found in 1\)"):
        open_source(tmp_path / "wall.png", 64, seconds=None)
    small = cv2.resize(frames_of(CLIP)[10], (72, 58), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(tmp_path / "small.png"), cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
    with pytest.raises(InputError, match="no frame shows a usable face"):
        open_source(tmp_path / "small.png", 64, seconds=None)
    write_video(tmp_path / "late.mp4", [np.full((64, 64, 3), 128, np.uint8)] * 75)
    with pytest.raises(InputError, match=r"no frame of its first 1.0 s .*; cut the video so that it begins with"):
        open_source(tmp_path / "late.mp4", 64, seconds=1.0)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(InputError, match="not a picture"):
        open_source(tmp_path / "text.png", 64, seconds=None)


def drawn_face(seed):
    """A face-like picture of its own details, float32 [shape=(64, 64, 3)]."""
    noise = np.random.default_rng(seed).normal(0, 255, (64, 64)).astype(np.float32)
    return np.repeat(130 + 2 * cv2.GaussianBlur(noise, (0, 0), 2)[..., None], 3, axis=-1)


def test_another_person_is_distinguished_from_the_speaker_in_any_light_and_pose():
    speaker, turn = drawn_face(0), (drawn_face(1) - 130) / 127.5
    reference = np.uint8(np.clip(speaker, 0, 255))
    turned = [np.uint8(np.clip(speaker + share * 127.5 * turn, 0, 255)) for share in np.linspace(-0.5, 0.5, 9)]
    likeness = Likeness.fit(reference, np.stack(turned))
    light = np.linspace(0.7, 1.3, 64)[None, :, None] * np.array([1.1, 0.9, 0.8])
    for face in (speaker, speaker * light, speaker + 0.5 * 127.5 * turn):
        assert not likeness.is_another([np.uint8(np.clip(face, 0, 255))])
    others = [np.uint8(np.clip(drawn_face(seed), 0, 255)) for seed in (2, 3)]
    assert likeness.is_another(others) and not likeness.is_another([*others, reference])


def test_a_source_of_another_person_is_noted():
    likeness = load_model(MODELS / "grid-s1-64").likeness
    assert open_source(CLIP, 64, 1.0, likeness=likeness).notes == ()
    someone = SimpleNamespace(is_another=lambda faces: len(faces) == 25)
    (note,) = open_source(CLIP, 64, 1.0, likeness=someone).notes
    assert "another person than the model's speaker" in note


def test_a_source_that_is_upside_down_says_so(tmp_path):
    picture = np.rot90(frames_of(CLIP)[10], 2)
    cv2.imwrite(str(tmp_path / "down.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    with pytest.raises(InputError, match=r"the picture is upside down in 1\); turn it"):
        open_source(tmp_path / "down.png", 64, seconds=None)


@pytest.mark.parametrize("parts", [[50], [1] * 50, [7, 20, 23], [3]])
def test_smoothing_in_parts_is_smoothing_the_whole(parts):
    count = sum(parts)
    frames = np.random.default_rng(0).normal(size=(count, 2, 2, 1)).astype(np.float32)
    ends = np.cumsum(parts)
    made = np.concatenate(list(smoothed(np.split(frames, ends[:-1]), 1.5)))
    assert made.shape == frames.shape
    places = np.arange(-5, 6)
    weights = np.exp(-0.5 * (places / 1.5) ** 2)
    padded = np.concatenate([frames[:1].repeat(5, 0), frames, frames[-1:].repeat(5, 0)])
    expected = [np.tensordot(weights / weights.sum(), padded[index : index + 11], 1) for index in range(count)]
    np.testing.assert_allclose(made, expected, atol=1e-5)
    assert next(iter(smoothed([frames], 0.0))) is frames


def test_another_frame_rate_gets_the_same_speech(tiny_model_folder, tmp_path):
    model = load_model(tiny_model_folder)
    for rate in (25.0, 50.0):
        options = Options(frame_rate=rate, still=True)
        count, _ = generate_video(model, SAMPLES / "speech.wav", tmp_path / f"{rate:g}.mp4", options=options)
        assert count == pytest.approx(2.98 * rate, abs=1) and video_info(tmp_path / f"{rate:g}.mp4").frame_rate == rate
    slow, fast = (np.stack(frames_of(tmp_path / f"{rate}.mp4")).astype(int) for rate in (25, 50))
    assert np.abs(fast[::2][: len(slow)] - slow).mean() < 3  # two encodings of the same faces


def test_a_folder_of_speech_goes_on_where_it_stopped(tiny_model_folder, tmp_path):
    speech = tmp_path / "speech"
    speech.mkdir()
    for name in ("one.wav", "two.wav"):
        write_wav(speech / name, tone(0.4, 16000), 16000)
    (speech / "broken.wav").write_text("no sound")
    (speech / "letter.txt").write_text("no sound either")
    arguments = (ROOT / "generate.py", "speech", "--model", tiny_model_folder, "--output", "videos")
    process = run_program(*arguments, cwd=tmp_path)
    assert "1 of 3 sound files gave no video" in one_line(process) and "skipped: " in process.stderr
    assert sorted(os.listdir(tmp_path / "videos")) == ["one.mp4", "two.mp4"]
    (speech / "broken.wav").unlink()
    (tmp_path / "videos" / "two.mp4").unlink()
    before = (tmp_path / "videos" / "one.mp4").stat().st_mtime_ns
    process = run_program(*arguments, cwd=tmp_path)
    assert process.returncode == 0 and "1 of 2 videos were there already" in process.stdout
    assert (tmp_path / "videos" / "one.mp4").stat().st_mtime_ns == before
    with av.open(str(tmp_path / "videos" / "two.mp4")) as container:
        assert "ynthetic" in container.metadata["comment"]


def test_wrong_arguments_are_reported(tiny_model_folder, tmp_path):
    speech, model = SAMPLES / "speech.wav", ("--model", tiny_model_folder)
    (tmp_path / "empty").mkdir()
    cases = [
        ((tmp_path / "empty", *model), "contains no audio file"),
        ((SAMPLES, *model, "--frames", "f"), "pictures are written for a single sound file"),
        ((speech, *model, "--source", "nothing.png"), "nothing.png: no such file"),
    ]
    for arguments, expected in cases:
        assert expected in one_line(run_program(ROOT / "generate.py", *arguments, cwd=tmp_path))
    for arguments in (("--fps", "0"), ("--fps", "nan"), ("--smooth", "7"), ("--articulation", "x")):
        assert run_program(ROOT / "generate.py", speech, *arguments, cwd=tmp_path).returncode == 2
