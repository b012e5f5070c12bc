from fractions import Fraction

import av
import numpy as np
import pytest

from media.reading import joined_duration, read_frames, read_speech, sound_duration, stream_speech, video_info
from media.writing import write_wav
from runtime.errors import InputError

from .conftest import SAMPLES
from .media_files import copy_video, frames_of, tone, write_sound, write_video


def loudest_frequency(samples, sample_rate):
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return np.argmax(spectrum) * sample_rate / len(samples)


@pytest.mark.parametrize("name", ["bgbu4p.mpg", "sgac2n.mkv"])
def test_a_grid_clip_has_75_frames_at_25_per_second(name):
    times = [time for time, _ in read_frames(SAMPLES / name)]
    np.testing.assert_allclose(times, np.arange(75) / 25, atol=1e-3)
    assert video_info(SAMPLES / name).frame_rate == 25


@pytest.mark.parametrize(
    ("suffix", "codec", "sample_rate", "layout", "channels"),
    [
        ("wav", "pcm_s16le", 8000, "mono", 1),
        ("wav", "pcm_f32le", 48000, "stereo", 2),
        ("mp3", "libmp3lame", 44100, "stereo", 2),
        ("flac", "flac", 22050, "mono", 1),
        ("m4a", "aac", 48000, "5.1", 6),
        ("ogg", "libopus", 48000, "mono", 1),
    ],
)
def test_any_sound_becomes_16_khz_mono(tmp_path, suffix, codec, sample_rate, layout, channels):
    path = tmp_path / f"tone.{suffix}"
    write_sound(path, np.tile(tone(1.0, sample_rate), (channels, 1)), sample_rate, layout, codec)
    speech = read_speech(path)
    assert speech.dtype == np.float32 and speech.ndim == 1
    assert abs(len(speech) / 16000 - 1.0) < 0.08  # lossy codecs pad to whole frames
    assert loudest_frequency(speech, 16000) == pytest.approx(220, abs=2)
    assert 0.2 < np.abs(speech).max() <= 1
    assert sound_duration(path) == pytest.approx(1.0, abs=0.08)


def test_the_two_channels_are_averaged(tmp_path):
    path = tmp_path / "left.wav"
    left = tone(0.5, 16000)
    write_sound(path, np.stack([left, 0 * left]), 16000, "stereo", "pcm_f32le")
    np.testing.assert_allclose(read_speech(path), left / 2, atol=1e-3)


def test_wav_round_trip(tmp_path):
    samples = tone(0.3, 16000)
    write_wav(tmp_path / "a.wav", samples, 16000)
    np.testing.assert_allclose(read_speech(tmp_path / "a.wav"), samples, atol=1e-4)


def test_speech_keeps_its_place_in_time(tmp_path):
    path = tmp_path / "late.mkv"
    click = np.zeros(16000, np.float32)
    click[8000] = 1.0
    write_video(path, [np.zeros((64, 64, 3), np.uint8)] * 25, speech=click)
    video_start = video_info(path).start  # the encoder's delay shifts the picture against the container's zero
    for shift in (0, 0.25, -0.25):
        loudest = np.argmax(np.abs(read_speech(path, start=video_start + shift)))
        assert loudest == pytest.approx(8000 - 16000 * shift, abs=40)


def test_what_lies_before_time_zero_is_left_out_to_the_last_sample(tmp_path):
    write_wav(tmp_path / "short.wav", tone(0.1, 16000), 16000)
    whole = read_speech(tmp_path / "short.wav", 44100)
    for start in (0.05, 0.11):  # the resampler still holds samples when the file ends
        late = np.concatenate(list(stream_speech(tmp_path / "short.wav", 44100, start=start)))
        np.testing.assert_allclose(late, whole[round(start * 44100) :], atol=1e-6)


def test_sound_arrives_in_chunks():
    chunks = list(stream_speech(SAMPLES / "speech.wav"))
    assert len(chunks) > 10
    np.testing.assert_array_equal(np.concatenate(chunks), read_speech(SAMPLES / "speech.wav"))


def test_a_video_cut_in_the_middle_gives_what_is_there(tmp_path):
    whole = (SAMPLES / "bgbu4p.mpg").read_bytes()
    path = tmp_path / "half.mpg"
    path.write_bytes(whole[: len(whole) // 2])
    frames = frames_of(path)
    assert 20 < len(frames) < 75
    np.testing.assert_array_equal(frames[5], frames_of(SAMPLES / "bgbu4p.mpg")[5])


def test_joined_files_of_different_form_are_read_through(tmp_path):
    path = tmp_path / "joined.mp3"
    for name, sample_rate, layout, channels in (("a.mp3", 44100, "stereo", 2), ("b.mp3", 32000, "mono", 1)):
        write_sound(tmp_path / name, np.tile(tone(1.0, sample_rate), (channels, 1)), sample_rate, layout, "libmp3lame")
    path.write_bytes((tmp_path / "a.mp3").read_bytes() + (tmp_path / "b.mp3").read_bytes())
    speech = read_speech(path)
    assert 1.9 < len(speech) / 16000 < 2.3
    for second in (speech[4000:12000], speech[-12000:-4000]):
        assert loudest_frequency(second, 16000) == pytest.approx(220, abs=3)


def test_a_damaged_picture_is_left_out_and_counted(tmp_path):
    data = bytearray((SAMPLES / "bgbu4p.mpg").read_bytes())
    data[200_000:200_400] = b"\xff" * 400
    (tmp_path / "damaged.mpg").write_bytes(data)
    damage = []
    times = [time for time, _ in read_frames(tmp_path / "damaged.mpg", damage)]
    assert damage and 60 <= len(times) < 75 and np.all(np.diff(times) > 0)


def test_avi_frames_come_in_order_at_the_frame_rate(tmp_path):
    images = [np.full((64, 64, 3), 8 * index, np.uint8) for index in range(25)]
    write_video(tmp_path / "a.avi", images, preset="medium")  # with frames that refer to later ones
    times = [time for time, _ in read_frames(tmp_path / "a.avi")]
    np.testing.assert_allclose(times, np.arange(25) / 25, atol=1e-6)
    assert [round(image.mean() / 8) for image in frames_of(tmp_path / "a.avi")] == list(range(25))


def numbered(count, step=8):
    """Grey images whose brightness tells their number."""
    return [np.full((64, 64, 3), step * index, np.uint8) for index in range(count)]


def test_h264_copied_into_avi_keeps_rate_and_times(tmp_path):
    write_video(tmp_path / "a.ts", numbered(25), preset="medium")
    copy_video(tmp_path / "a.ts", tmp_path / "a.avi", 50)
    with av.open(str(tmp_path / "a.avi")) as container:
        assert container.streams.video[0].average_rate == 50  # what the container says
    times, images = zip(*read_frames(tmp_path / "a.avi"), strict=True)
    assert video_info(tmp_path / "a.avi").frame_rate == 25
    np.testing.assert_allclose(times, np.arange(25) / 25, atol=1e-6)
    assert [round(image.mean() / 8) for image in images] == list(range(25))


@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
def test_frames_dropped_from_avi_leave_their_time(tmp_path, codec):
    ticks = [0, 1, 2, 4, 5, 6, 14, 15, 16, 18, 19, 20, 21, 22]
    write_video(tmp_path / "a.avi", numbered(len(ticks), 16), ticks=ticks, codec=codec, preset="medium")
    times, images = zip(*read_frames(tmp_path / "a.avi"), strict=True)
    np.testing.assert_allclose(times, np.array(ticks) / 25, atol=1e-6)
    assert [round(image.mean() / 16) for image in images] == list(range(len(ticks)))


def test_video_without_any_container_is_counted(tmp_path):
    write_video(tmp_path / "a.h264", numbered(10))
    np.testing.assert_allclose([time for time, _ in read_frames(tmp_path / "a.h264")], np.arange(10) / 25)


def joined(tmp_path, suffix):
    """Two seconds of picture and sound, a click at the start of the second, from two files of one."""
    sound = np.zeros(16000, np.float32)
    sound[200] = 0.9
    write_video(tmp_path / f"a.{suffix}", numbered(25), speech=tone(1.0, 16000) / 50)
    write_video(tmp_path / f"b.{suffix}", numbered(25), speech=sound)
    path = tmp_path / f"joined.{suffix}"
    path.write_bytes(b"".join((tmp_path / f"{name}.{suffix}").read_bytes() for name in "ab"))
    return path


def test_the_times_of_joined_files_go_on_together_with_the_sound(tmp_path):
    path = joined(tmp_path, "ts")
    damage = []
    times = [time for time, _ in read_frames(path, damage)]
    assert len(times) == 50 and damage == [] and np.diff(times).min() > 0.02 and np.diff(times).max() < 0.15
    click = np.abs(read_speech(path, start=video_info(path).start)).argmax() / 16000
    alone = np.abs(read_speech(tmp_path / "b.ts", start=video_info(tmp_path / "b.ts").start)).argmax() / 16000
    assert click == pytest.approx(times[25] + alone, abs=0.03)
    assert joined_duration(path) == pytest.approx(2.0, abs=0.2) and joined_duration(tmp_path / "a.ts") is None


def test_a_part_of_joined_files_is_found(tmp_path):
    path = joined(tmp_path, "ts")
    whole = list(read_frames(path))
    part = list(read_frames(path, start=1.3, end=1.7))
    expected = [(time - 1.3, image) for time, image in whole if 1.28 <= time < 1.68]
    np.testing.assert_allclose([time for time, _ in part], [time for time, _ in expected], atol=1e-6)
    assert len(part) == 10 and all((a == b).all() for (_, a), (_, b) in zip(part, expected, strict=True))
    heard = read_speech(path, start=video_info(path).start + 1.3)
    whole = read_speech(path, start=video_info(path).start)
    np.testing.assert_allclose(heard[100:8000], whole[round(1.3 * 16000) :][100:8000], atol=1e-3)


def test_joined_program_streams_lose_no_picture(tmp_path):
    clips = [SAMPLES / name for name in ("bgbu4p.mpg", "pwad5a.mpg", "lbwk9s.mpg")]
    path = tmp_path / "joined.mpg"
    path.write_bytes(b"".join(clip.read_bytes() for clip in clips))
    np.testing.assert_allclose([time for time, _ in read_frames(path)], np.arange(225) / 25, atol=1e-3)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_video_is_turned_and_mirrored_as_its_display_matrix_says(tmp_path, degrees, mirrored):
    image = np.full((64, 96, 3), 30, np.uint8)
    image[:32, :24] = [220, 30, 30]  # one quarter of each edge differs: no two orientations look alike
    write_video(tmp_path / "phone.mp4", [image] * 2, orientation=(degrees, mirrored))
    shown = np.rot90(image, degrees // 90)
    shown = shown[:, ::-1] if mirrored else shown
    (seen, *_) = frames_of(tmp_path / "phone.mp4")
    assert seen.shape == shown.shape
    assert np.abs(seen.astype(int) - shown).mean() < 4


@pytest.mark.parametrize(("ratio", "shape"), [(Fraction(4, 3), (60, 128)), (Fraction(8, 9), (68, 96))])
def test_anamorphic_video_gets_square_pixels(tmp_path, ratio, shape):
    image = np.zeros((60, 96, 3), np.uint8)
    image[:, 48:] = 200
    write_video(tmp_path / "wide.mp4", [image] * 2, pixel_ratio=ratio)
    (seen, *_) = frames_of(tmp_path / "wide.mp4")
    assert seen.shape == (*shape, 3)
    assert seen[:, : shape[1] // 2 - 4].max() < 40 < 160 < seen[:, shape[1] // 2 + 4 :].min()


@pytest.mark.parametrize("name", ["bgbu4p.mpg", "sgac2n.mkv"])
def test_a_part_of_a_video_is_found_by_seeking(name):
    whole = list(read_frames(SAMPLES / name))
    for start, end in [(0.5, 1.0), (1.32, 2.0), (2.6, None)]:
        damage = []
        part = list(read_frames(SAMPLES / name, damage, start, end))
        expected = [(time, image) for time, image in whole if start - 0.02 <= time < (end or 9) - 0.02]
        assert len(part) == len(expected) > 5 and damage == []
        for (time, image), (whole_time, whole_image) in zip(part, expected, strict=True):
            assert time == pytest.approx(whole_time - start, abs=1e-6)
            np.testing.assert_array_equal(image, whole_image)


@pytest.mark.parametrize("name", ["bgbu4p.mpg", "sgac2n.mkv", "speech.wav"])
def test_a_part_of_the_sound_is_found_by_seeking(name):
    start_of_all = 0.0 if name.endswith(".wav") else video_info(SAMPLES / name).start
    whole = read_speech(SAMPLES / name, start=start_of_all)
    for start, duration in [(0.2, 0.5), (1.5, 1.0)]:
        part = np.concatenate(list(stream_speech(SAMPLES / name, start=start_of_all + start, duration=duration)))
        assert len(part) == round(16000 * duration)
        first = round(16000 * start)
        # Equal but for a shift of less than a millisecond, to which Matroska rounds its times.
        alike = [np.corrcoef(part[16:-16], whole[first + lag :][16 : len(part) - 16])[0, 1] for lag in range(-16, 17)]
        assert max(alike) > 0.98


def test_a_gap_before_the_part_does_not_shift_its_sound(tmp_path):
    with av.open(str(tmp_path / "gap.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        click = np.zeros(32000, np.float32)
        click[8000] = 1.0
        for start, samples in ((0.0, np.zeros(40000, np.float32)), (3.0, click)):  # nothing from 2.5 to 3 s
            for first in range(0, len(samples), 1600):
                frame = av.AudioFrame.from_ndarray(samples[None, first : first + 1600], format="flt", layout="mono")
                frame.sample_rate, frame.time_base = 16000, Fraction(1, 16000)
                frame.pts = round(start * 16000) + first
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    for start in (2.0, 2.7, 3.2):
        part = read_speech(tmp_path / "gap.mkv", start=start)
        assert np.argmax(np.abs(part)) == pytest.approx((3.5 - start) * 16000, abs=40)


def test_variable_frame_rates_keep_their_times(tmp_path):
    ticks = [0, 1, 2, 5, 6, 9, 10, 11, 20]  # of 1/25 s
    write_video(tmp_path / "a.mp4", numbered(9, 25), ticks=ticks)
    times, images = zip(*read_frames(tmp_path / "a.mp4"), strict=True)
    np.testing.assert_allclose(times, np.array(ticks) / 25, atol=1e-3)
    assert [round(image.mean() / 25) for image in images] == list(range(9))


def test_frames_keep_one_size_where_the_stream_changes_it(tmp_path):
    for name, side in (("a", 64), ("b", 96)):
        write_video(tmp_path / f"{name}.ts", [np.full((side, side, 3), 90, np.uint8)] * 5)
    (tmp_path / "c.ts").write_bytes(b"".join((tmp_path / f"{name}.ts").read_bytes() for name in "ab"))
    images = frames_of(tmp_path / "c.ts")
    assert len(images) > 5 and {image.shape for image in images} == {(64, 64, 3)}


def test_interlaced_pictures_are_woven_and_their_times_kept(tmp_path):
    """A bright bar moves: the two fields of a picture show it at two places, as a comb of bright and dark rows."""
    with av.open(str(tmp_path / "tv.ts"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10", "x264-params": "tff=1"})
        stream.width = stream.height = 128
        stream.pix_fmt = "yuv420p"
        for index in range(20):
            image = np.full((128, 128, 3), 30, np.uint8)
            image[0::2, 4 * index : 4 * index + 20] = 220
            image[1::2, 4 * index + 10 : 4 * index + 30] = 220
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    with av.open(str(tmp_path / "tv.ts")) as container:
        raw = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    frames = list(read_frames(tmp_path / "tv.ts"))
    np.testing.assert_allclose([time for time, _ in frames], np.arange(20) / 25, atol=1e-3)

    def comb(image):
        return np.abs(np.diff(image.astype(int), axis=0)).mean()

    assert np.mean([comb(image) for _, image in frames[2:-2]]) < 0.7 * np.mean([comb(image) for image in raw[2:-2]])


def test_what_cannot_be_read_is_one_clear_line(tmp_path):
    text = tmp_path / "text.wav"
    text.write_text("this is no sound\n")
    silent = tmp_path / "silent.mp4"
    write_video(silent, [np.zeros((64, 64, 3), np.uint8)] * 5)
    for path, reason in [
        (tmp_path / "nothing.wav", "no such file"),
        (text, "cannot be read as audio or video"),
        (tmp_path, "a folder"),
        (silent, "has no audio track"),
    ]:
        with pytest.raises(InputError, match=reason) as caught:
            read_speech(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)
