"""The speaking parts of a video: numbers worked by hand, real speech, and a real video put together for it."""

import numpy as np
import pytest

from media.reading import read_frames, read_speech
from media.writing import write_wav
from preprocessing.clips import Settings
from preprocessing.dataset import open_dataset
from preprocessing.faces.quality import NO_FACE
from preprocessing.prepare import prepare_dataset
from preprocessing.segments import LONGEST, NOT_SPEAKING, SEVERAL_FACES, TOO_SHORT, find_segments
from preprocessing.speech.voice_activity import CHUNK_SECONDS, voice_activity

from .conftest import SAMPLES
from .media_files import write_video

FRAME_RATE = 25


def segments_of(seconds, voiced, reasons=(), several=()):
    """Segments of a video of that length, given the (start, end) of its voice, of reasons and of further faces."""
    times = np.arange(seconds * FRAME_RATE) / FRAME_RATE
    why, faces = np.full(len(times), "", object), np.ones(len(times), int)
    for start, end, reason in reasons:
        why[(times >= start - 1e-9) & (times < end - 1e-9)] = reason
    for start, end in several:
        faces[(times >= start - 1e-9) & (times < end - 1e-9)] = 2
    moments = np.arange(int(seconds / CHUNK_SECONDS)) * CHUNK_SECONDS
    voice = np.zeros(len(moments))
    for start, end in voiced:
        voice[(moments >= start) & (moments < end)] = 0.9
    segments, left_out = find_segments(times, why, faces, voice)
    return [(segment.start, segment.end) for segment in segments], left_out


def test_voice_is_kept_with_a_margin_and_short_pauses_with_it():
    segments, left_out = segments_of(10, [(2.0, 4.0), (4.5, 6.0)])
    ((start, end),) = segments
    assert start == pytest.approx(1.75, abs=0.05) and end == pytest.approx(6.25, abs=0.07)
    assert left_out == {NOT_SPEAKING: pytest.approx(10 - (end - start), abs=0.05)}
    assert len(segments_of(10, [(2.0, 4.0), (5.5, 7.0)])[0]) == 2  # a pause of 1.5 s parts them


def test_a_face_that_is_lost_or_joined_by_another_ends_a_segment():
    voiced = [(0.0, 10.0)]
    segments, left_out = segments_of(10, voiced, [(3, 4, NO_FACE), (7, 7.12, NO_FACE)], several=[(8, 9.4)])
    assert segments == [(0.0, 3.0), (4.0, 8.0)]  # a loss of .12 s is bridged, a rest of .6 s too short
    assert left_out == {NO_FACE: 1.0, SEVERAL_FACES: 1.4, TOO_SHORT: 0.6}


def test_a_cut_ends_a_segment():
    times = np.arange(10 * FRAME_RATE) / FRAME_RATE
    voice = np.full(int(10 / CHUNK_SECONDS), 0.9)
    arguments = times, np.full(len(times), ""), np.ones(len(times)), voice
    segments, left_out = find_segments(*arguments, cuts=[100, 110])
    assert [(segment.start, segment.end) for segment in segments] == [(0.0, 4.0), (4.4, pytest.approx(10))]
    assert left_out == {TOO_SHORT: 0.4}


def test_every_second_is_accounted_for():
    for seed in range(20):
        generator = np.random.default_rng(seed)
        edges = np.sort(generator.uniform(0, 60, 8)).round(2)
        parts = list(zip(edges[::2], edges[1::2], strict=True))
        segments, left_out = segments_of(60, parts[:2], [(*parts[2], NO_FACE)], [parts[3]])
        assert sum(end - start for start, end in segments) + sum(left_out.values()) == pytest.approx(60, abs=0.05)


def test_long_speech_is_cut_where_the_voice_is_weakest():
    segments, left_out = segments_of(30, [(0, 14.0), (14.2, 30)])
    ((start, middle), (again, end)) = segments
    assert (start, end) == (0, 30) and middle == again == pytest.approx(14.1, abs=0.1)
    assert left_out == {}
    many, _ = segments_of(130, [(0, 130)])
    assert all(end - start <= LONGEST for start, end in many) and many[-1][1] == 130


def test_where_the_sound_ends_before_the_picture_nobody_speaks():
    times = np.arange(60 * FRAME_RATE) / FRAME_RATE
    voice = np.full(int(10 / CHUNK_SECONDS), 0.9)
    ((segment),), left_out = find_segments(times, np.full(len(times), ""), np.ones(len(times)), voice)
    assert segment.start == 0 and segment.end == pytest.approx(10.25, abs=0.1)
    assert left_out == {NOT_SPEAKING: pytest.approx(49.75, abs=0.1)}


def test_nothing_to_keep():
    assert segments_of(5, []) == ([], {NOT_SPEAKING: 5.0})
    assert find_segments([], [], [], []) == ([], {})


def test_voice_activity_of_real_speech(tmp_path):
    # pwad5a: the corpus says that words last from .43 to 2.17 s.
    voice = voice_activity(SAMPLES / "pwad5a.mpg") > 0.5
    moments = (np.arange(len(voice)) + 0.5) * CHUNK_SECONDS
    assert voice[(moments > 0.7) & (moments < 1.9)].mean() > 0.9
    assert voice[(moments < 0.2) | (moments > 2.6)].mean() < 0.1
    noise = np.random.default_rng(0).normal(0, 0.05, 32000).astype(np.float32)
    write_wav(tmp_path / "noise.wav", noise, 16000)
    assert (voice_activity(tmp_path / "noise.wav") > 0.5).mean() < 0.1


@pytest.fixture(scope="module")
def meeting(tmp_path_factory):
    """A video: a sentence, the same in the dark, silence before the camera, two people, another sentence."""
    path = tmp_path_factory.mktemp("videos") / "meeting.mp4"
    one, other = ([image for _, image in read_frames(SAMPLES / name)] for name in ("sgac2n.mkv", "bbir8p.mkv"))
    speech = [read_speech(SAMPLES / name)[: 3 * 16000] for name in ("sgac2n.mkv", "bbir8p.mkv")]
    speech = [np.pad(samples, (0, 3 * 16000 - len(samples))) for samples in speech]
    dark = [np.zeros_like(image) for image in one]
    both = [np.concatenate([a[:, 90:270], b[:, 90:270]], axis=1) for a, b in zip(one, other, strict=True)]
    images = one + dark + one + both + other
    sound = [speech[0], speech[0], np.zeros_like(speech[0]), speech[1], speech[1]]
    write_video(path, images, speech=np.concatenate(sound))
    return path


def test_two_people_in_one_voice_are_two_clips(tmp_path):
    """An interview: the picture goes from one speaker to another while somebody speaks on."""
    video = tmp_path / "interview.mp4"
    one, other = ([image for _, image in read_frames(SAMPLES / name)] for name in ("sgac2n.mkv", "bbir8p.mkv"))
    mirrored = [np.ascontiguousarray(image[:, ::-1]) for image in other]  # of another scene
    speech = read_speech(SAMPLES / "sgac2n.mkv")[8000:24000]
    write_video(video, one[:50] + mirrored[:50], speech=np.tile(speech, 4))
    whole, _ = prepare_dataset([video], tmp_path / "whole")
    (entry,) = whole.manifest["clips"]
    assert (entry["frames_kept"], entry["cuts"]) == (100, 1)
    parted, _ = prepare_dataset([video], tmp_path / "auto", settings=Settings(segments="speech"))
    first, second = parted.manifest["clips"]
    assert first["end"] == second["start"] == 2.0 and (first["cuts"], second["cuts"]) == (0, 0)


def test_a_real_video_falls_into_its_speaking_parts(meeting, tmp_path):
    dataset, report = prepare_dataset([meeting], tmp_path / "data", settings=Settings(segments="speech"))
    assert report.failed == []
    first, second = dataset.manifest["clips"]
    assert 0 <= first["start"] < 0.8 and 1.5 < first["end"] <= 3.05
    assert 11.95 <= second["start"] < 13.2 and 13.5 < second["end"] <= 15.05
    assert first["name"].startswith("meeting_00000") and second["name"].startswith("meeting_00012")
    (source,) = dataset.manifest["sources"]
    left_out = source["seconds_not_kept"]
    assert left_out[NO_FACE] == pytest.approx(3, abs=0.3) and left_out[SEVERAL_FACES] == pytest.approx(3.4, abs=0.7)
    assert left_out[NOT_SPEAKING] > 3
    for clip in dataset.clips:
        faces, speech = clip.faces, clip.speech()
        assert abs(len(faces) / FRAME_RATE - len(speech) / 16000) < 0.08
        assert clip.times[0] == pytest.approx(0, abs=0.041) and np.sqrt((speech**2).mean()) > 0.01


def test_a_part_in_time_has_the_frames_and_the_sound_of_the_whole(meeting, tmp_path):
    whole, _ = prepare_dataset([meeting], tmp_path / "whole")
    part, _ = prepare_dataset([meeting], tmp_path / "part", intervals=((12.0, 14.0),))
    (clip,), (entire,) = part.clips, whole.clips
    assert clip.name == "meeting_00012-00014" and len(clip.faces) == 50
    after = entire.times >= 12 - 1e-6
    np.testing.assert_allclose(clip.times, entire.times[after][:50] - 12, atol=1e-6)
    difference = clip.faces[10:40].astype(int) - entire.faces[after][10:40]
    assert np.abs(difference).mean() < 4  # the same faces, smoothed over another stretch
    np.testing.assert_allclose(clip.speech(), entire.speech()[12 * 16000 : 14 * 16000], atol=1e-3)


def test_intervals_past_the_end_are_refused_and_the_others_made(meeting, tmp_path):
    listed = tmp_path / "list.csv"
    listed.write_text(f"url,interval\n{meeting},0:01-0:02.5;0:14-0:20;3:00-3:10\n")
    dataset, report = prepare_dataset([listed], tmp_path / "data")
    assert [clip.name for clip in dataset.clips] == ["meeting_00001-00002.50"]
    assert len(report.failed) == 2 and all("lasts 15.0" in line and "shorten it" in line for line in report.failed)
    assert open_dataset(tmp_path / "data").manifest["sources"][0]["left_out"] == report.failed


def test_a_video_in_which_nobody_speaks_gives_one_line(tmp_path):
    images = [image for _, image in read_frames(SAMPLES / "sgac2n.mkv")]
    write_video(tmp_path / "mute.mp4", images, speech=np.zeros(48000))
    with pytest.raises(Exception, match="none of the 1 sources gave a clip"):
        prepare_dataset([tmp_path / "mute.mp4"], tmp_path / "data", settings=Settings(segments="speech"))
    (source,) = open_dataset(tmp_path / "data").manifest["sources"]
    assert "no part shows one person speaking (no voice 3 s)" in source["left_out"][0]
