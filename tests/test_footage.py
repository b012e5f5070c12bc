import dataclasses
import errno

import numpy as np
import pytest
import tensorflow as tf

from audio2faces.evaluate.comparison_video import write_comparison
from audio2faces.export.saved_model import write_saved_model
from audio2faces.generate.compositing import put_back
from audio2faces.generate.source import Source
from audio2faces.generate.video import Options, generate_video, stream_faces
from audio2faces.lower_face import painted_mask
from audio2faces.trained.face import load_model, save_model
from audio2faces.trained.footage import PICTURES, forth_and_back
from audio2faces.trained.footage_choice import cut_footage, source_pictures
from media.reading import read_frames, read_speech, video_info
from preprocessing.dataset import open_dataset
from preprocessing.faces.alignment import crop_face
from runtime.errors import InputError
from runtime.files import sha256

from .conftest import IN_PICTURE, SAMPLES, dataset_of, drawn_clip, one_line, run_program
from .media_files import write_video

SPEECH = SAMPLES / "speech.wav"


def filmed(folder, frames=30, turning=(), seed=0):
    """A dataset of two clips and its sources, pictures of 64 x 48 in which the face lies; some frames turn the head."""
    entries = [drawn_clip(folder, name, "train", seed + index, frames) for index, name in enumerate("ab")]
    for entry in entries:
        clip = folder / "clips" / entry["name"]
        faces = np.load(clip / "faces.npy")
        track = dict(np.load(clip / "track.npz"))
        for frame in turning:
            faces[frame, 2:7] = 250 - 30 * (frame % 2)
            track["landmarks"][frame, 2] += [3, 0]
        np.save(clip / "faces.npy", faces)
        np.savez(clip / "track.npz", **track)
        images = np.full((frames, 48, 64, 3), 90, np.uint8)
        left, top = IN_PICTURE.astype(int)
        images[:, top : top + 16, left : left + 16] = faces
        write_video(entry["source"], images)
    return dataset_of(folder, entries)


def loudness_of(dataset, quiet=12):
    return {clip.name: np.abs(np.arange(len(clip.faces)) - quiet) for clip in dataset.clips}


def test_footage_is_the_source_with_the_face_where_it_lies(tmp_path):
    dataset = filmed(tmp_path)
    footage = cut_footage(dataset, loudness_of(dataset), tmp_path)
    images = [image for _, image in read_frames(footage.path)]
    assert footage.shape == images[0].shape[:2] == (48, 64) and len(images) == len(footage.times)
    assert len(images) >= 20 and footage.times[1] == pytest.approx(1 / 25)
    clips = {len(clip.faces): clip for clip in dataset.clips}
    (length,) = clips
    aligned = crop_face(images[3], footage.transforms[3], 16)
    nearest = min(np.abs(aligned.astype(int) - face).mean() for clip in dataset.clips for face in clip.faces)
    assert length == 30 and nearest < 6


def test_the_piece_turns_back_where_the_head_rests(tmp_path):
    dataset = filmed(tmp_path, turning=(0, 1, 2, 28, 29))
    footage = cut_footage(dataset, loudness_of(dataset), tmp_path)
    assert 20 <= len(footage.times) <= 26
    dataset = filmed(tmp_path / "calm", turning=())
    assert len(cut_footage(dataset, loudness_of(dataset), tmp_path).times) >= len(footage.times)


def test_a_source_that_was_moved_gives_the_next_or_none(tmp_path):
    dataset = filmed(tmp_path)
    (tmp_path / "a.mp4").unlink()
    assert cut_footage(dataset, loudness_of(dataset), tmp_path) is not None
    (tmp_path / "b.mp4").unlink()
    assert cut_footage(dataset, loudness_of(dataset), tmp_path) is None


def test_footage_is_not_cut_out_of_another_recording(tmp_path):
    dataset = filmed(tmp_path)
    entries = {clip.name: clip.entry for clip in dataset.clips}
    for name in "ab":
        entries[name]["sha256"] = sha256(tmp_path / f"{name}.mp4")
    assert cut_footage(dataset, loudness_of(dataset), tmp_path) is not None
    (tmp_path / "a.mp4").write_bytes((tmp_path / "b.mp4").read_bytes())  # as many frames, but other ones
    with pytest.raises(InputError, match=r"a\.mp4: its frames are no longer those of a"):
        next(source_pictures(dataset.clips[0], 0, 4))
    assert next(source_pictures(dataset.clips[1], 0, 4)) is not None


def test_a_download_that_is_gone_is_not_fetched_again(tmp_path, monkeypatch):
    dataset = filmed(tmp_path)
    monkeypatch.setattr("preprocessing.sources.download.try_again", lambda *_: pytest.fail("asked the network"))
    dataset.clips[0].entry["source"] = "https://example.org/talk.mp4"
    with pytest.raises(InputError, match="no longer among the downloads"):
        next(source_pictures(dataset.clips[0], 0, 4))


def test_a_full_disk_is_not_taken_for_a_source_that_was_moved(tmp_path, monkeypatch):
    dataset = filmed(tmp_path)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("audio2faces.trained.footage_choice.write_pictures", full)
    with pytest.raises(OSError, match="No space left"):
        cut_footage(dataset, loudness_of(dataset), tmp_path)


def test_footage_that_lost_frames_is_called_damaged(filmed_model):
    footage = load_model(filmed_model).footage
    shorter = dataclasses.replace(footage, transforms=np.concatenate([footage.transforms, footage.transforms[:1]]))
    with pytest.raises(InputError, match=r"footage\.mp4: damaged; copy the whole model folder again"):
        shorter.aligned(16)


def test_what_lies_outside_of_the_painted_part_stays_as_it_was_filmed():
    generator = np.random.default_rng(0)
    frame, face = generator.integers(0, 256, (96, 128, 3), np.uint8), generator.integers(0, 256, (32, 32, 3), np.uint8)
    transform = np.array([[0.6, 0.1, -10], [-0.1, 0.6, -4]])
    opacity = painted_mask(32)[..., 0]
    made = put_back(frame, face, opacity, transform)
    seen = np.ones((96, 128, 3), np.uint8) * 255
    touched = (put_back(np.zeros_like(frame), seen[:32, :32], opacity, transform) > 0).any(axis=-1)
    assert 100 < touched.sum() < 2000
    np.testing.assert_array_equal(made[~touched], frame[~touched])
    assert (made[touched] != frame[touched]).mean() > 0.9
    for beside, where in ((transform, np.zeros_like(opacity)), (transform + np.array([[0, 0, 900]]), opacity)):
        np.testing.assert_array_equal(put_back(frame, face, where, beside), frame)  # nothing of it is seen


@pytest.fixture
def filmed_model(tmp_path, tiny_model_folder):
    """A model folder with footage."""
    dataset = filmed(tmp_path / "data")
    footage = cut_footage(dataset, loudness_of(dataset), tmp_path)
    return save_model(tmp_path / "model", dataclasses.replace(load_model(tiny_model_folder), footage=footage))


def test_a_model_speaks_in_its_footage(filmed_model, tmp_path):
    model = load_model(filmed_model)
    footage = model.footage
    frames, notes = generate_video(model, SPEECH, tmp_path / "full.mp4")
    info = video_info(tmp_path / "full.mp4")
    made = [image for _, image in read_frames(tmp_path / "full.mp4")]
    assert made[0].shape[1] / made[0].shape[0] == 64 / 48 and len(made) == frames and notes == []
    scale = made[0].shape[0] // 48
    source = Source.of_footage(footage, 16)
    for number in (0, 10, frames - 1):  # forth, and back again
        small = made[number][scale // 2 :: scale, scale // 2 :: scale].astype(int)
        assert np.abs(small[:, :16] - source.frames[source.place(number / info.frame_rate)][:, :16]).mean() < 4
    generate_video(model, SPEECH, tmp_path / "face.mp4", options=Options(face=True))
    assert next(read_frames(tmp_path / "face.mp4"))[1].shape[0] == next(read_frames(tmp_path / "face.mp4"))[1].shape[1]
    generate_video(model, SPEECH, tmp_path / "still.mp4", options=Options(still=True))
    still = np.stack([image for _, image in read_frames(tmp_path / "still.mp4")]).astype(int)
    assert np.ptp(still[:, :, : 16 * scale], axis=0).max() <= 12  # one frame, and what the codec does


def watched(model):
    """The model, and a list that receives the options of each call of `render`."""
    seen = []

    class Watched(type(model)):
        def render(self, motion, **options):
            seen.append(options)
            return super().render(motion, **options)

    return Watched(**{field.name: getattr(model, field.name) for field in dataclasses.fields(model)}), seen


def test_a_mouth_is_painted_into_the_frame_that_is_shown(filmed_model, tmp_path):
    """What the refiner sees of the footage is the frame into which its face goes."""
    model, seen = watched(load_model(filmed_model))
    generate_video(model, SPEECH, tmp_path / "made.mp4")
    source = Source.of_footage(model.footage, 16)
    frames = np.concatenate([options["frames"] for options in seen])
    for number in (0, 7, 40):
        np.testing.assert_array_equal(frames[number], source.faces[source.place(number / model.frame_rate)])
    np.testing.assert_array_equal(seen[0]["reference"], source.faces[model.footage.rest])


def test_nothing_is_painted_into_another_person(filmed_model):
    """A refiner knows its speaker alone: another's face gets the mouth as it is, in its colours."""
    model, seen = watched(load_model(filmed_model))
    source = dataclasses.replace(Source.of_footage(model.footage, 16), another=True)
    assert len(np.concatenate(list(stream_faces(model, SPEECH, 25.0, Options(), source=source)))) > 10
    assert not any(seen)


def test_footage_that_is_missing_is_told_in_one_line(filmed_model, tmp_path):
    (filmed_model / PICTURES).unlink()
    with pytest.raises(InputError, match=f"{PICTURES}: missing; copy the whole model folder again"):
        load_model(filmed_model)
    arguments = (SPEECH, "--face", "--source", SPEECH, "--output", tmp_path / "x.mp4")
    assert "--face and --source" in one_line(run_program("generate.py", *arguments))


def test_a_face_alone_is_that_of_the_footage_also_where_it_is_exported(filmed_model, tmp_path):
    model = load_model(filmed_model)
    faces = np.concatenate(list(stream_faces(model, SPEECH, model.frame_rate, Options())))
    aligned, outside = model.footage.aligned(16), painted_mask(16)[..., 0] == 0
    shown = model.footage.played(np.arange(len(faces)), model.frame_rate)
    np.testing.assert_array_equal(faces[:, outside], aligned[shown][:, outside])
    assert (faces[:, ~outside] != aligned[shown][:, ~outside]).any()
    signatures = tf.saved_model.load(str(write_saved_model(model, tmp_path / "served"))).signatures
    samples = read_speech(SPEECH).astype(np.float32)
    made = signatures["serving_default"](samples=samples[None], lengths=np.int32([len(samples)]))["frames"].numpy()[0]
    assert np.abs(made.astype(int) - faces).max() <= 1


def test_frames_forth_and_back():
    assert forth_and_back(np.arange(9), 3).tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert forth_and_back(np.arange(3), 0).tolist() == [0, 0, 0]
    assert forth_and_back(1.75, 1.0) == 0.25


@pytest.mark.parametrize("rate", [25.0, 60.0])
def test_footage_is_played_forth_and_back_at_any_rate(filmed_model, rate):
    footage = load_model(filmed_model).footage
    numbers = np.arange(400)
    shown, source = footage.played(numbers, rate), Source.of_footage(footage, 16)
    assert (np.abs(np.diff(shown)) <= 1).all() and set(shown) == set(range(len(footage.times)))
    assert np.abs(shown - [source.place(number / rate) for number in numbers]).max() <= 1


def test_full_pictures_side_by_side(filmed_model, tmp_path):
    """Real, painted into the same frames, in the model's footage; as high as the real ones."""
    model, clips = load_model(filmed_model), filmed(tmp_path / "other", seed=5).clips
    real = [np.asarray(clip.faces) for clip in clips]
    faces = {"real": real, "tiny, refined, in the clip's own frames": [np.full_like(of_clip, 200) for of_clip in real]}
    faces["tiny, refined, in the model's footage"] = faces["tiny, refined, in the clip's own frames"]
    write_comparison(tmp_path / "e.mp4", model, clips, faces)
    shown = next(read_frames(tmp_path / "e.mp4"))[1]
    scale = shown.shape[0] // 48
    assert shown.shape[1] == scale * (3 * 64 + 2 * 16)
    parts = [shown[:, scale * left : scale * (left + 64)][::scale, ::scale].astype(int) for left in (0, 80, 160)]
    left, top = IN_PICTURE.astype(int)
    mouth = slice(top + 12, top + 14), slice(left + 7, left + 9)
    assert np.abs(parts[0][mouth] - real[0][0, 12:14, 7:9]).mean() < 30
    assert min(part[mouth].mean() for part in parts[1:]) > 150
    (tmp_path / "other" / "a.mp4").unlink()  # then aligned faces are shown
    write_comparison(tmp_path / "e.webp", model, clips, faces)


def test_no_piece_goes_over_a_jump(tmp_path):
    """As where takes were joined: from frame 18 on the head is elsewhere."""
    dataset = filmed(tmp_path)
    for clip in dataset.clips:
        track = dict(clip.track)
        track["landmarks"][18:] += [2, 0]
        np.savez(clip.folder / "track.npz", **track)
    footage = cut_footage(open_dataset(dataset.folder), loudness_of(dataset), tmp_path)
    assert 12 <= len(footage.times) <= 18
