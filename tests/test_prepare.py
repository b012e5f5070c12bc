import itertools
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from preprocessing import clips, prepare
from preprocessing.clips import Settings
from preprocessing.dataset import (
    SPLITS,
    files_digest,
    fill_empty_splits,
    missing_splits,
    open_dataset,
    read_splits,
    split_by_hash,
)
from preprocessing.faces.detection import Face
from preprocessing.prepare import open_or_prepare, prepare_dataset
from preprocessing.review.report import find_doubtful_clips
from preprocessing.sources.download import Fetched
from runtime.errors import InputError
from runtime.files import exclusive, sha256

from .conftest import ROOT, SAMPLES, dataset_of, drawn_clip, one_line, run_program
from .media_files import frames_of, tone, write_video

SMALL = Settings(size=32)
LANDMARKS = np.array([[40.0, 50], [80, 50], [60, 70], [48, 98], [72, 98]])


class DrawnFaceDetector:
    """Finds "a face" in every image that is not black."""

    def detect(self, images):
        face = Face(np.array([30.0, 30, 90, 110]), 0.99, LANDMARKS, np.array([20.0, 30, 100, 110]))
        return [[face] if image.mean() > 20 else [] for image in images]

    def follow(self, images, search_boxes):
        return [faces[0] if faces else None for faces in self.detect(images)]

    def search_box(self, landmarks):
        return np.array([20.0, 30, 100, 110])


@pytest.fixture
def drawn_faces(monkeypatch):
    """Puts the detector of drawn faces in place of MTCNN."""
    monkeypatch.setattr(clips, "_detector", lambda name: DrawnFaceDetector())


def drawn_video(path, frames=25, black=(), seed=0):
    images = list(np.random.default_rng(seed).integers(60, 70, (1, 128, 128, 3), np.uint8).repeat(frames, axis=0))
    for index in black:
        images[index] = np.zeros_like(images[index])
    write_video(path, images, speech=tone(frames / 25, 16000))
    return path


def test_two_real_clips_become_a_dataset(tmp_path):
    sources = [SAMPLES / "sgac2n.mkv", SAMPLES / "bgbu4p.mpg"]
    dataset, report = prepare_dataset(sources, tmp_path / "data", SAMPLES / "splits", licence="CC BY 4.0")
    assert (report.made, report.kept, report.failed) == (2, 0, [])
    manifest = json.loads((tmp_path / "data" / "manifest.json").read_text())
    assert (manifest["schema"], manifest["fps"], manifest["size"]) == (3, 25.0, 64)
    test, train = manifest["clips"]
    assert (test["name"], test["split"], train["name"], train["split"]) == ("bgbu4p", "test", "sgac2n", "train")
    assert (train["frames_kept"], train["frames_dropped"], train["licence"]) == (75, {}, "CC BY 4.0")
    assert train["sha256"] == sha256(sources[0]) and train["source"] == str(sources[0])

    (clip,) = dataset.split("train")
    assert train["files_sha256"] == files_digest(clip.folder)
    assert sorted(os.listdir(clip.folder)) == ["faces.npy", "speech.wav", "speech_44k.wav", "track.npz"]
    assert clip.faces.shape == (75, 64, 64, 3) and clip.faces.dtype == np.uint8
    np.testing.assert_allclose(clip.times, np.arange(75) / 25, atol=1e-3)
    assert abs(len(clip.speech()) / 16000 - 3) < 0.05
    track = np.load(clip.folder / "track.npz")
    assert set(track) == {"time", "score", "landmarks", "transform"}
    assert track["landmarks"].shape == (75, 5, 2) and track["transform"].shape == (75, 2, 3)
    left_eyes = np.append(track["landmarks"][:, 0], np.ones((75, 1)), axis=1)
    placed = np.einsum("fij,fj->fi", track["transform"], left_eyes)
    assert np.abs(placed / 64 - [0.35, 0.42]).max() < 0.03  # the left eye stays at its place
    assert np.linalg.norm(np.diff(track["transform"][:, :, 2], axis=0), axis=-1).max() < 0.5  # and does not tremble
    assert (tmp_path / "data" / "contact_sheet.png").stat().st_size > 1000


def test_a_second_run_keeps_what_is_done_and_a_changed_file_is_done_again(tmp_path, drawn_faces):
    videos = [drawn_video(tmp_path / f"clip{index}.mp4", seed=index) for index in range(3)]
    prepare_dataset(videos, tmp_path / "data", settings=SMALL)
    before = (tmp_path / "data" / "clips" / "clip0" / "faces.npy").stat().st_mtime_ns
    drawn_video(videos[1], frames=30, seed=9)
    dataset, report = prepare_dataset(videos, tmp_path / "data", settings=SMALL)
    assert (report.made, report.kept) == (1, 2)
    assert (tmp_path / "data" / "clips" / "clip0" / "faces.npy").stat().st_mtime_ns == before
    assert [entry["frames_kept"] for entry in dataset.manifest["clips"]] == [25, 30, 25]


def test_a_second_of_black_is_dropped_counted_and_leaves_a_gap_in_time(tmp_path, drawn_faces):
    video = drawn_video(tmp_path / "gap.mp4", frames=75, black=range(30, 55))
    dataset, _ = prepare_dataset([video], tmp_path / "data", settings=SMALL)
    (entry,) = dataset.manifest["clips"]
    assert entry["frames_kept"] == 50 and entry["frames_dropped"] == {"no face found": 25}
    (clip,) = dataset.split(entry["split"])
    np.testing.assert_allclose(clip.times, np.r_[np.arange(30), np.arange(55, 75)] / 25, atol=1e-3)


def test_clips_whose_sound_does_not_belong_to_their_picture_are_reported(tmp_path, drawn_faces):
    images = list(np.random.default_rng(0).integers(60, 70, (1, 128, 128, 3), np.uint8).repeat(50, axis=0))
    switched_off = np.concatenate([tone(0.9, 16000), np.zeros(17600)])
    sounds = {"good": tone(2, 16000), "off": switched_off, "short": tone(1.5, 16000), "silent": np.zeros(32000)}
    for name, speech in sounds.items():
        write_video(tmp_path / f"{name}.mp4", images, speech=speech)
    dataset, _ = prepare_dataset([tmp_path], tmp_path / "data", settings=SMALL)
    silent, early = find_doubtful_clips(dataset.manifest["clips"])
    assert silent.startswith("the sound is silent in 1 clips (the first: silent); ")
    assert early.startswith("the sound ends before the picture in 2 clips (the first: off); ")


def test_bad_sources_are_left_out_and_the_rest_goes_on(tmp_path, capsys, drawn_faces):
    silent = tmp_path / "silent.mp4"
    write_video(silent, [np.full((128, 128, 3), 60, np.uint8)] * 10)
    faceless = drawn_video(tmp_path / "faceless.mp4", black=range(25))
    text = tmp_path / "text.mp4"
    text.write_text("no video\n")
    good = drawn_video(tmp_path / "good.mp4")
    dataset, report = prepare_dataset([silent, faceless, text, good], tmp_path / "data", settings=SMALL)
    assert [entry["name"] for entry in dataset.manifest["clips"]] == ["good"]
    reasons = "\n".join(report.failed)
    for expected in ("silent.mp4: has no audio", "faceless.mp4: only 0 of 25 frames", "text.mp4: cannot be read"):
        assert expected in reasons
    assert capsys.readouterr().err.count("skipped: ") == 3
    assert os.listdir(tmp_path / "data" / "clips") == ["good"]


def test_names_that_are_not_utf_8_or_very_long_are_made_safe(tmp_path, drawn_faces):
    drawn_video(tmp_path / "a.mp4").rename(tmp_path / "caf\udce9.mp4")
    drawn_video(tmp_path / "b.mp4", seed=1).rename(tmp_path / f"{'m' * 251}.mp4")
    dataset, report = prepare_dataset([tmp_path], tmp_path / "data", settings=SMALL)
    first, second = open_dataset(tmp_path / "data").clips
    assert (first.name, len(second.name), report.failed) == ("caf%E9", 200, [])
    assert first.folder.is_dir() and dataset.manifest["clips"][0]["source"].endswith("caf\udce9.mp4")


def test_when_nothing_is_left_the_job_fails(tmp_path, drawn_faces):
    with pytest.raises(InputError, match="none of the 1 sources gave a clip"):
        prepare_dataset([drawn_video(tmp_path / "a.mp4", black=range(25))], tmp_path / "data")


def test_an_interrupted_job_keeps_its_finished_clips(tmp_path, drawn_faces, monkeypatch):
    videos = [drawn_video(tmp_path / f"clip{index}.mp4", seed=index) for index in range(3)]
    calls = []

    class Interrupted(DrawnFaceDetector):
        def detect(self, images):
            calls.append(1)
            if len(calls) > 14:  # in the second clip
                raise KeyboardInterrupt
            return super().detect(images)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(clips, "_detector", lambda name: Interrupted())
        prepare_dataset(videos, tmp_path / "data", settings=SMALL)
    done = [entry["name"] for entry in open_dataset(tmp_path / "data").manifest["clips"]]
    assert done == sorted(os.listdir(tmp_path / "data" / "clips")) and 0 < len(done) < 3
    _, report = prepare_dataset(videos, tmp_path / "data", settings=SMALL)
    assert (report.made, report.kept) == (3 - len(done), len(done))


def test_a_clip_that_is_left_out_later_leaves_the_dataset(tmp_path, drawn_faces):
    videos = [drawn_video(tmp_path / f"my clip {index}.mp4", seed=index) for index in range(2)]
    prepare_dataset(videos, tmp_path / "data", settings=SMALL)
    for split, names in (("train", "my clip 0\n"), ("validation", ""), ("test", "")):
        (tmp_path / f"{split}.txt").write_text(names)
    dataset, report = prepare_dataset(videos, tmp_path / "data", tmp_path, settings=SMALL, licence="mine")
    (entry,) = dataset.manifest["clips"]
    assert (entry["name"], entry["split"], entry["licence"]) == ("my clip 0", "train", "mine")
    assert report.kept == 1 and len(report.failed) == 1 and "is in none of the lists" in report.failed[0]


@pytest.mark.parametrize("damage", [b"", b"PK damaged"])
@pytest.mark.parametrize("name", ["track.npz", "faces.npy"])
def test_a_damaged_file_of_a_clip_is_named(tmp_path, drawn_faces, name, damage):
    dataset, _ = prepare_dataset([drawn_video(tmp_path / "a.mp4")], tmp_path / "data", settings=SMALL)
    (clip,) = dataset.split(dataset.manifest["clips"][0]["split"])
    (clip.folder / name).write_bytes(damage)
    with pytest.raises(InputError, match=f"{name}: missing or damaged"):
        _ = clip.times, clip.faces


def test_splits_by_list_and_by_hash(tmp_path):
    split_of = read_splits(SAMPLES / "splits")
    assert len(split_of) == 934
    assert [list(split_of.values()).count(split) for split in ("train", "validation", "test")] == [874, 20, 40]
    shares = [split_by_hash(f"clip{index}") for index in range(2000)]
    assert 0.77 < shares.count("train") / 2000 < 0.83 and 0.08 < shares.count("test") / 2000 < 0.12
    for name in ("train", "validation", "test"):
        (tmp_path / f"{name}.txt").write_text("same\n")
    with pytest.raises(InputError, match=r"clip same is already in train\.txt"):
        read_splits(tmp_path)


def test_datasets_of_another_schema_or_size_are_refused(tmp_path):
    dataset_of(tmp_path, [drawn_clip(tmp_path, "a", "train", 0)], size=64)
    with pytest.raises(InputError, match="holds faces of 64 pixels, 32 were requested"):
        prepare_dataset([SAMPLES], tmp_path, settings=SMALL)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "schema": 99}))
    with pytest.raises(InputError, match="schema 99, this version reads 3"):
        open_dataset(tmp_path)
    with pytest.raises(InputError, match="not a dataset"):
        open_dataset(tmp_path / "elsewhere")


def test_a_truncated_clip_keeps_its_faces(tmp_path):
    whole = (SAMPLES / "bgbu4p.mpg").read_bytes()
    (tmp_path / "half.mpg").write_bytes(whole[: len(whole) // 2])
    dataset, _ = prepare_dataset([tmp_path / "half.mpg"], tmp_path / "data")
    (entry,) = dataset.manifest["clips"]
    assert 20 < entry["frames_kept"] < 75
    assert entry["damage"] == {"damaged picture left out": 1}  # the one that the cut went through


def test_the_saved_transform_leads_from_the_frame_to_the_crop_and_back(tmp_path):
    source = SAMPLES / "sgac2n.mkv"
    dataset, _ = prepare_dataset([source], tmp_path / "data", SAMPLES / "splits")
    (clip,) = dataset.split("train")
    frame, transform = frames_of(source)[30], np.load(clip.folder / "track.npz")["transform"][30]
    back = cv2.warpAffine(clip.faces[30], transform, (360, 288), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    corners = cv2.transform(np.float32([[[8, 8], [56, 56]]]), cv2.invertAffineTransform(transform))
    (left, top), (right, bottom) = corners[0].astype(int)
    inside = (slice(top, bottom), slice(left, right))
    difference = np.abs(cv2.GaussianBlur(frame, (5, 5), 0)[inside].astype(float) - back[inside])
    assert difference.mean() < 6  # grey levels; the same face elsewhere differs by far more
    assert np.abs(np.roll(frame, 8, axis=1)[inside].astype(float) - back[inside]).mean() > 12


def test_the_program_says_what_it_wrote_and_refuses_in_one_line(tmp_path):
    done = run_program("-m", "preprocessing", SAMPLES / "sgac2n.mkv", "--out", tmp_path / "data")
    assert done.returncode == 0, done.stderr
    assert (
        "1 clips (from 1 new and 0 kept sources, 0 skipped), 75 faces, 0 frames dropped, 0 clips with damage"
        in done.stdout
    )
    assert "splits: train 1, validation 0, test 0" in done.stdout
    assert "no clip in validation or test" in done.stderr
    error = one_line(run_program("train.py", "--mode", "audio2faces", "--data", tmp_path / "data"))
    assert "17.0 s are missing to 20 s" in error
    assert "no such file" in one_line(run_program("-m", "preprocessing", tmp_path / "no.mp4", "--out", tmp_path / "d2"))


def test_ctrl_c_ends_with_one_line_and_no_half_clip(tmp_path):
    command = [sys.executable, "-m", "preprocessing", str(SAMPLES), "--out", str(tmp_path / "data")]
    clips = tmp_path / "data" / "clips"
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not (clips.is_dir() and os.listdir(clips)):  # until the first clip is begun
            os.sched_yield()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 130 and "Traceback" not in errors and "interrupted: " in errors
    assert not list(clips.glob(".partial-*"))
    if (tmp_path / "data" / "manifest.json").exists():  # a first clip was finished
        done = {entry["name"] for entry in open_dataset(tmp_path / "data").manifest["clips"]}
        assert done and done <= set(os.listdir(clips))


@pytest.mark.corpus
def test_imperfect_clips_of_the_corpus(tmp_path):
    corpus = os.environ["GRID_CLIPS"]
    dataset, report = prepare_dataset([f"{corpus}/s1_imperfect"], tmp_path / "data")
    assert report.failed == []
    short, damaged = dataset.manifest["clips"]
    assert (short["name"], short["frames_kept"]) == ("lrae3s", 74)
    assert (damaged["name"], damaged["frames_kept"]) == ("sgib8n", 74)
    assert damaged["damage"] == {"damaged picture left out": 1}


def test_a_full_disk_ends_the_job_with_one_line_and_no_half_clip(tmp_path):
    def small_files():  # writes beyond this fail, as they do on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    process = run_program(
        "-m", "preprocessing", SAMPLES / "sgac2n.mkv", "--out", tmp_path / "data", preexec_fn=small_files
    )
    assert "clips/sgac2n: File too large" in one_line(process)
    assert os.listdir(tmp_path / "data" / "clips") == []
    assert not (tmp_path / "data" / "manifest.json").exists()


def test_two_workers_make_what_one_makes(tmp_path):
    sources = [SAMPLES / name for name in ("sgac2n.mkv", "bgbu4p.mpg", "lbbq9s.mkv")]
    one, _ = prepare_dataset(sources, tmp_path / "one")
    two, report = prepare_dataset(sources, tmp_path / "two", workers=2)
    assert (report.made, report.failed) == (3, [])
    for clip, same in zip(two.clips, one.clips, strict=True):
        assert {**clip.entry, "files_sha256": None} == {**same.entry, "files_sha256": None}
        difference = np.abs(np.array(clip.faces, int) - same.faces)
        assert difference.max() <= 2  # another number of threads rounds differently


def test_the_same_video_under_another_name_is_refused(tmp_path, drawn_faces):
    video = drawn_video(tmp_path / "a.mp4")
    for name in ("b.mp4", "c.mp4"):
        (tmp_path / name).write_bytes(video.read_bytes())
    dataset, report = prepare_dataset([video, tmp_path / "b.mp4"], tmp_path / "data", settings=SMALL)
    assert [clip.name for clip in dataset.clips] == ["a"]
    assert report.failed == [f"{tmp_path / 'b.mp4'}: the same video is there already as a; remove one"]
    _, report = prepare_dataset([tmp_path / "c.mp4"], tmp_path / "data", settings=SMALL)
    assert "already as a" in report.failed[0]


def test_other_settings_make_a_source_again_and_its_old_clips_go(tmp_path, drawn_faces):
    video = drawn_video(tmp_path / "a.mp4", frames=75)
    prepare_dataset([video], tmp_path / "data", settings=SMALL)
    dataset, report = prepare_dataset([video], tmp_path / "data", settings=SMALL, intervals=((0, 1), (2, 3)))
    assert (report.made, report.kept) == (1, 0)
    assert [clip.name for clip in dataset.clips] == ["a_00000-00001", "a_00002-00003"]
    assert sorted(os.listdir(tmp_path / "data" / "clips")) == ["a_00000-00001", "a_00002-00003"]
    _, report = prepare_dataset([video], tmp_path / "data", settings=SMALL, intervals=((0, 1), (2, 3)))
    assert (report.made, report.kept) == (0, 1)


def test_a_dataset_that_is_being_written_is_refused(tmp_path, drawn_faces):
    video = drawn_video(tmp_path / "a.mp4")
    (tmp_path / "data").mkdir()
    with (
        exclusive(tmp_path / "data", "mine"),
        pytest.raises(InputError, match="another process is preparing this dataset"),
    ):
        prepare_dataset([video], tmp_path / "data", settings=SMALL)
    prepare_dataset([video], tmp_path / "data", settings=SMALL)


def test_a_killed_job_goes_on_where_it_was(tmp_path):
    command = [sys.executable, "-m", "preprocessing", str(SAMPLES), "--out", str(tmp_path / "data")]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    sources = tmp_path / "data" / "sources"
    while process.poll() is None and not (sources.is_dir() and any(sources.glob("[a-z]*.json"))):
        os.sched_yield()
    process.kill()
    process.wait()
    done = len(list(sources.glob("[a-z]*.json")))
    dataset, report = prepare_dataset([SAMPLES], tmp_path / "data")
    assert report.kept == done > 0 and report.made == 12 - done and report.failed == []
    assert [len(clip.faces) for clip in dataset.clips] == [75] * 12
    assert sorted(os.listdir(tmp_path / "data" / "clips")) == [clip.name for clip in dataset.clips]


def test_a_cartoon_gives_one_line(tmp_path):
    image = np.full((288, 360, 3), 240, np.uint8)
    cv2.circle(image, (180, 144), 80, (255, 220, 0), -1)
    for x in (150, 210):
        cv2.circle(image, (x, 120), 10, (0, 0, 0), -1)
    cv2.ellipse(image, (180, 170), (40, 20), 0, 0, 180, (200, 0, 0), 4)
    write_video(tmp_path / "cartoon.mp4", [image] * 40, speech=tone(1.6, 16000))
    with pytest.raises(InputError, match="none of the 1 sources"):
        prepare_dataset([tmp_path / "cartoon.mp4"], tmp_path / "data")
    (source,) = json.loads((tmp_path / "data" / "manifest.json").read_text())["sources"]
    assert "only 0 of 40 frames show a usable face (no face found in 40)" in source["left_out"][0]
    assert os.listdir(tmp_path / "data" / "clips") == []


def test_an_address_is_fetched_and_its_loss_is_one_line(tmp_path, drawn_faces, monkeypatch):
    video = drawn_video(tmp_path / "talk.mp4")

    def fetch(url, folder, downloader, progress):
        progress(1_500_000, 3_000_000)
        if "gone" in url:
            raise InputError(f"{url}: gone (404); check the address")
        return Fetched(video, video, "yt-dlp", "yt-dlp, as pytube reads YouTube alone", title="A talk")

    monkeypatch.setattr(prepare, "fetch", fetch)
    listed = tmp_path / "list.csv"
    listed.write_text("url,interval\nhttps://example.org/talk.mp4,0:00-0:01\nhttps://example.org/gone.mp4,\n")
    dataset, report = prepare_dataset([listed], tmp_path / "data", settings=SMALL)
    assert [clip.name for clip in dataset.clips] == ["talk_00000-00001"]
    assert report.failed == ["https://example.org/gone.mp4: gone (404); check the address"]
    source = dataset.manifest["sources"][0]
    assert source["title"] == "A talk" and source["fetched"].startswith("yt-dlp")
    assert dataset.manifest["refused"] == report.failed


def test_a_source_that_breaks_the_program_is_left_out(tmp_path, drawn_faces, monkeypatch):
    def record(picture, *arguments):
        (tmp_path / "data" / "clips" / ".partial-x").mkdir(exist_ok=True)  # what a killed worker leaves
        if "odd" in str(picture):
            raise ZeroDivisionError("division by zero")
        return original(picture, *arguments)

    original = clips.record
    monkeypatch.setattr(clips, "record", record)
    videos = [drawn_video(tmp_path / name, seed=seed) for seed, name in enumerate(("odd.mp4", "good.mp4"))]
    dataset, report = prepare_dataset(videos, tmp_path / "data", settings=SMALL)
    assert [clip.name for clip in dataset.clips] == ["good"]
    assert report.failed == [f"{videos[0]}: ZeroDivisionError: division by zero; please report it"]
    assert os.listdir(tmp_path / "data" / "clips") == ["good"]


def test_what_a_kill_left_of_another_source_is_made_good(tmp_path, drawn_faces):
    data = tmp_path / "data"
    prepare_dataset([drawn_video(tmp_path / "a.mp4")], data, settings=SMALL)
    record = json.loads((data / "sources" / "a.json").read_text())
    del record["clips"][0]["split"], record["clips"][0]["licence"]  # as a source's own process writes it
    (data / "sources" / "a.json").write_text(json.dumps(record))
    for folder in ("sources", "clips"):
        (data / folder / ".partial-x").mkdir()
        (data / folder / ".partial-x" / "b.json").write_text('{"name":')
    dataset, _ = prepare_dataset([drawn_video(tmp_path / "b.mp4", seed=1)], data, settings=SMALL)
    assert [clip.name for clip in dataset.clips] == ["a", "b"]
    assert sorted(os.listdir(data / "clips")) == ["a", "b"]


def test_another_video_does_not_take_a_name(tmp_path, drawn_faces):
    (tmp_path / "s2").mkdir()
    data = tmp_path / "data"
    prepare_dataset([drawn_video(tmp_path / "a.mp4")], data, settings=SMALL)
    dataset, report = prepare_dataset([drawn_video(tmp_path / "s2" / "a.mp4", frames=30, seed=1)], data, settings=SMALL)
    assert [entry["frames_kept"] for entry in dataset.manifest["clips"]] == [25]
    assert "the name a is taken by" in report.failed[0] and dataset.manifest["refused"] == report.failed


def test_intervals_that_overlap_are_refused(tmp_path, drawn_faces):
    video = drawn_video(tmp_path / "a.mp4")
    with pytest.raises(InputError, match="from 5 to 12 s overlaps"):
        prepare_dataset([video], tmp_path / "data", settings=SMALL, intervals=((1, 6), (5, 12)))


def test_few_clips_still_give_every_split():
    def splits(count, given="train"):
        clips = [{"name": f"clip{index}", "split": given} for index in range(count)]
        fill_empty_splits([{"clips": [clip]} for clip in clips])
        return [clip["split"] for clip in clips]

    assert splits(2) == ["train"] * 2
    assert splits(3) == ["train", "train", "validation"]
    assert splits(5) == ["train"] * 3 + ["test", "validation"]
    clips = [{"name": name, "split": "test" if name == "a" else "train"} for name in "abcd"]
    fill_empty_splits([{"clips": [clip]} for clip in clips])
    assert [clip["split"] for clip in clips] == ["test", "train", "train", "validation"]


def test_neighbours_in_time_do_not_fill_an_empty_split():
    clips = [{"name": str(start), "start": start, "end": start + 2.5, "split": "train"} for start in (0, 4, 6.6)]
    fill_empty_splits([{"clips": clips}])
    assert [clip["split"] for clip in clips] == ["validation", "train", "train"]


@pytest.fixture
def spoken(drawn_faces, monkeypatch):
    """Lets a voice be heard without a pause in any video."""
    monkeypatch.setattr(clips, "voice_activity", lambda path: np.full(10_000, 0.9))


def splits_of(dataset):
    """Names of the clips of each split in the order of time, checked to lie apart."""
    clips = sorted(dataset.manifest["clips"], key=lambda clip: clip["start"])
    for one, other in itertools.pairwise(clips):
        apart = other["start"] - one["end"]
        assert one["source"] != other["source"] or apart >= (0.599 if one["split"] != other["split"] else -1e-3)
    return {split: [clip["name"] for clip in clips if clip["split"] == split] for split in SPLITS}


def test_one_take_without_a_pause_is_divided_and_stays_so(tmp_path, spoken):
    auto = Settings(size=32, segments="auto")
    take = drawn_video(tmp_path / "take.mp4", frames=500)
    dataset, report = prepare_dataset([take], tmp_path / "data", settings=auto)
    splits = splits_of(dataset)
    assert report.failed == [] and all(splits.values())
    for split in SPLITS:
        for clip in dataset.split(split):
            assert len(clip.faces) / 25 == pytest.approx(clip.entry["end"] - clip.entry["start"], abs=0.05)
            assert 0 <= clip.times[0] < 0.041 and clip.times[-1] < len(clip.speech()) / 16000
    (source,) = dataset.manifest["sources"]
    assert source["seconds_not_kept"]["gap of 0.6 s between splits"] == pytest.approx(1.2)
    more = [drawn_video(tmp_path / f"more{seed}.mp4", seed=seed) for seed in range(1, 5)]
    dataset, report = prepare_dataset([take, *more], tmp_path / "data", settings=auto)
    after = splits_of(dataset)
    assert report.kept == 1 and all(set(splits[split]) <= set(after[split]) for split in SPLITS)


def test_videos_to_train_on_are_prepared_once_and_a_dataset_is_opened(tmp_path, spoken, monkeypatch):
    monkeypatch.chdir(tmp_path)
    take = drawn_video(tmp_path / "talk.mp4", frames=500)
    dataset = open_or_prepare([take], 32)
    assert dataset.folder == Path("data/talk-32") and all(splits_of(dataset).values())
    made = (dataset.folder / "clips" / dataset.clips[0].name / "faces.npy").stat().st_mtime_ns
    again = open_or_prepare(take, 32)
    assert (again.folder / "clips" / again.clips[0].name / "faces.npy").stat().st_mtime_ns == made
    assert open_or_prepare([again.folder]).manifest == dataset.manifest
    for wrong, reason in (([again.folder, take], "this is a dataset"), (["none.mp4"], "none.mp4: no such file")):
        with pytest.raises(InputError, match=reason):
            open_or_prepare(wrong)
    assert open_or_prepare("./talk.mp4", 32).manifest == dataset.manifest
    (tmp_path / "other").mkdir()
    other = drawn_video(tmp_path / "other" / "talk.mp4", frames=500, seed=3)
    with pytest.raises(InputError, match=r"data/talk-32: made of other videos, such as .*/talk\.mp4; give this folder"):
        open_or_prepare(other, 32)
    several = open_or_prepare([take, drawn_video(tmp_path / "more.mp4", seed=1)], 32)
    assert several.folder == Path("data/talk+more-32")


def test_a_split_once_given_stays_when_sources_are_added(tmp_path, drawn_faces):
    videos = [drawn_video(tmp_path / f"clip{index}.mp4", seed=index) for index in range(16)]
    dataset, _ = prepare_dataset(videos[:3], tmp_path / "data", settings=SMALL)
    before = {clip.name: clip.entry["split"] for clip in dataset.clips}
    assert set(before.values()) == {"train", "validation"}  # which one of the three was given
    dataset, _ = prepare_dataset(videos, tmp_path / "data", settings=SMALL)
    after = {clip.name: clip.entry["split"] for clip in dataset.clips}
    assert {name: after[name] for name in before} == before and set(after.values()) == set(SPLITS)


def test_named_intervals_of_one_video_are_divided_by_time(tmp_path, drawn_faces):
    drawn_video(tmp_path / "take.mp4", frames=525)
    rows = [f"take.mp4,{2 * index}-{2 * index + 2},p{index:02d}" for index in range(10)]
    (tmp_path / "list.csv").write_text("\n".join(["file,interval,name", *rows]))
    dataset, report = prepare_dataset([tmp_path / "list.csv"], tmp_path / "data", settings=SMALL)
    assert report.failed == []
    assert splits_of(dataset) == {"train": [f"p{n:02d}" for n in range(8)], "validation": ["p08"], "test": ["p09"]}
    again, report = prepare_dataset([tmp_path / "list.csv"], tmp_path / "data", settings=SMALL)
    assert report.kept == 1 and again.manifest == dataset.manifest
    for split, names in zip(SPLITS, ("p01\np02", "p00", "p05"), strict=True):
        (tmp_path / f"{split}.txt").write_text(names)
    dataset, report = prepare_dataset([tmp_path / "list.csv"], tmp_path / "data", tmp_path, settings=SMALL)
    assert {clip.name: clip.entry["split"] for clip in dataset.clips} == read_splits(tmp_path)
    assert len(report.failed) == 6


def test_no_moment_of_a_video_is_prepared_twice(tmp_path, drawn_faces):
    take = drawn_video(tmp_path / "take.mp4", frames=100)
    prepare_dataset([take], tmp_path / "data", settings=SMALL, intervals=((0, 1),))
    (tmp_path / "list.csv").write_text("file,interval,name\ntake.mp4,0.5-1.5,a\ntake.mp4,2-3,b\n")
    dataset, report = prepare_dataset([tmp_path / "list.csv"], tmp_path / "other", settings=SMALL)
    (tmp_path / "copy.mp4").write_bytes(take.read_bytes())
    (tmp_path / "list.csv").write_text("file,interval,name\ncopy.mp4,0.5-1.5,a\ncopy.mp4,2-3,b\n")
    dataset, report = prepare_dataset([tmp_path / "list.csv"], tmp_path / "data", settings=SMALL)
    assert [clip.name for clip in dataset.clips] == ["b", "take_00000-00001"]
    assert len(report.failed) == 1 and "0.5-1.5 s of this video are there already as take" in report.failed[0]


@pytest.mark.parametrize("later", ["speech", "whole"])
def test_two_sources_never_share_the_name_of_a_clip(tmp_path, spoken, later):
    data = tmp_path / "data"
    prepare_dataset([drawn_video(tmp_path / "a_00000-00001.mp4")], data, settings=SMALL)
    a = drawn_video(tmp_path / "a.mp4", frames=50, seed=1)
    settings, intervals = (Settings(size=32, segments=later), ((0, 1), (1, 2)))
    dataset, report = prepare_dataset([a], data, settings=settings, intervals=intervals)
    assert [clip.name for clip in dataset.clips] == ["a_00000-00001"] and len(report.failed) == 1
    assert "may come of" in report.failed[0] and "a_00000-00001.mp4" in report.failed[0]
    names = [clip["name"] for clip in dataset.manifest["clips"]]
    assert len(names) == len(set(names))


def test_a_short_take_says_how_much_is_missing_and_a_long_one_how_to_divide_it():
    def note(*lengths):
        clips = [{"source": str(n), "start": 1.0, "end": 1 + end, "split": "train"} for n, end in enumerate(lengths)]
        return missing_splits({"clips": clips})

    assert "no clip in validation or test" in note(3.0) and "17.0 s are missing to 20 s" in note(3.0)
    assert "--segments whole" in note(60.0) and "more clips" in note(12.0, 12.0)
