"""Mirrored clips: rules with numbers worked by hand, sample clips mirrored and found again, and what a kill leaves."""

import hashlib
import json
import shutil
import subprocess
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from preprocessing.dataset import Clip, files_digest, note_in_clips, open_dataset
from preprocessing.faces.detection import LEFT_EYE, RIGHT_EYE
from preprocessing.faces.mtcnn_detector import MtcnnDetector
from preprocessing.faces.pose import yaw
from preprocessing.flip.decision import KEPT, MIRRORED, UNDECIDED, decide, find_groups, side_of_clip
from preprocessing.flip.finding import apply_finding, find_mirrored
from preprocessing.flip.histogram import histogram_scores, side_histograms
from preprocessing.flip.mirror import mirror_clip, mirror_faces, mirror_landmarks, mirror_transforms
from preprocessing.flip.rule_2017 import choose_references, distances_2017, strip_width, threshold_2017
from preprocessing.prepare import prepare_dataset
from preprocessing.review.contact_sheet import write_contact_sheet
from runtime.errors import InputError

from .conftest import ROOT, SAMPLES, dataset_of, drawn_clip, one_line, run_program
from .media_files import frames_of

NAMES = ["bbir8p.mkv", "bgbu4p.mpg", "lbbq9s.mkv", "lbwk9s.mpg", "pgij9s.mkv", "pwad5a.mpg", "sgac2n.mkv"]
FRAME_WIDTH = 360
LANDMARKS = np.array([[[40.0, 50], [80, 50], [66, 70], [48, 98], [72, 98]]])


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Seven sample clips as a dataset."""
    folder = tmp_path_factory.mktemp("prepared") / "data"
    prepare_dataset([SAMPLES / name for name in NAMES], folder, SAMPLES / "splits")
    return folder


@pytest.fixture
def spoilt(prepared, tmp_path):
    """A copy of the dataset in which two clips are as if their videos had been mirrored, and their names."""
    folder = shutil.copytree(prepared, tmp_path / "data")
    names = ["lbbq9s", "pwad5a"]
    for name in names:
        clip = Clip(folder / "clips" / name, {})
        in_mirrored_frame = mirror_landmarks(clip.landmarks) * [-1, 1] + [FRAME_WIDTH - 1, 0]
        frame_mirror = np.array([[-1, 0, FRAME_WIDTH - 1], [0, 1, 0], [0, 0, 1]])
        faces, track = mirror_faces(np.array(clip.faces)), dict(clip.track)
        track["landmarks"] = in_mirrored_frame
        track["transform"] = mirror_transforms(track["transform"], 64) @ frame_mirror
        np.save(clip.folder / "faces.npy", faces)
        np.savez(clip.folder / "track.npz", **track)
    note_in_clips(folder, lambda clip: {"files_sha256": files_digest(folder / "clips" / clip["name"])})
    write_contact_sheet(open_dataset(folder))
    return folder, names


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def placed(clip):
    """Landmarks of a clip in its crops [shape=(frames, 5, 2)]."""
    frames = zip(clip.landmarks, clip.track["transform"], strict=True)
    return np.stack([cv2.transform(points[None].astype(float), transform)[0] for points, transform in frames])


def put_back(face, transform):
    """The face at its place in a black frame."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(face, transform, (FRAME_WIDTH, 288), flags=flags).astype(int)


def flat_face(value, size=64):
    return np.full((1, size, size, 3), value, np.uint8)


def called_2017(face):
    """What the program says of a clip of one face among eight clips that are as one."""
    clips = [SimpleNamespace(faces=faces) for faces in [flat_face(10)] * 8 + [face]]
    return find_mirrored(SimpleNamespace(folder="drawn", size=64, clips=clips), "2017").decisions[-1]


def test_2017_distance_and_threshold_by_hand():
    references = flat_face(10)
    face = flat_face(10)
    assert distances_2017(face, references) == [0]
    strip = face[0, :, :10].reshape(-1)  # a copy
    strip[:350] = 200  # 350 of 1920 counts leave bin 10 and come to bin 200
    face[0, :, :10] = strip.reshape(64, 10, 3)
    assert distances_2017(face, references) == [700] and called_2017(face) == KEPT
    face[0, 63, 9, 2] = 200
    assert distances_2017(face, references) == [702] and called_2017(face) == MIRRORED
    face[:, :, 10:] = 255  # beyond the strip nothing counts
    assert distances_2017(face, references) == [702]
    # The mean of two references has 960 counts in either bin: 960 are missing and 960 too many.
    assert distances_2017(flat_face(10), np.concatenate([flat_face(10), flat_face(20)])) == [1920]


def test_2017_strip_and_threshold_keep_their_share_in_other_crops():
    assert (strip_width(64), threshold_2017(64)) == (10, 700)
    assert (strip_width(128), threshold_2017(128)) == (20, 2800)
    assert (strip_width(32), threshold_2017(32)) == (5, 175)


def test_2017_references_are_the_faces_most_like_the_others():
    values = [10, 10, 10, 10, 10, 90, 10, 10, 200, 10]
    assert sorted(choose_references(np.concatenate([flat_face(value) for value in values]))) == [0, 1, 2, 3, 4, 6, 7, 9]


def test_side_histograms_by_hand():
    faces = np.full((3, 16, 16, 3), 120, np.uint8)
    faces[:, :, :2], faces[:, :, -2:] = 50, 200
    left, right = side_histograms(faces)[1]
    # The lower half of the values has the middle rank .25, the upper .75, of 255: bins 63 and 191.
    np.testing.assert_array_equal(left, np.arange(256) >= 63)
    np.testing.assert_array_equal(right, np.arange(256) >= 191)
    left, right = side_histograms(faces, ranked=False)[1]
    np.testing.assert_array_equal(left, np.arange(256) >= 50)
    np.testing.assert_array_equal(right, np.arange(256) >= 200)


def test_ranks_see_no_colour_cast_and_mirroring_exchanges_the_sides():
    faces = np.random.default_rng(0).integers(0, 100, (4, 32, 32, 3)).astype(np.uint8)
    cast = faces * np.array([2, 1, 1], np.uint8) + np.array([20, 70, 3], np.uint8)
    np.testing.assert_array_equal(side_histograms(cast), side_histograms(faces))
    np.testing.assert_allclose(side_histograms(mirror_faces(faces)), side_histograms(faces)[:, ::-1])


def test_yaw_by_hand_whatever_roll_and_size():
    np.testing.assert_allclose(yaw(LANDMARKS), [6 / 40])
    turned = LANDMARKS @ np.array([[1.2, -0.4], [0.4, 1.2]]) + [100, 30]
    np.testing.assert_allclose(yaw(turned), [6 / 40])
    np.testing.assert_allclose(yaw(mirror_landmarks(LANDMARKS)), [-6 / 40])


def test_the_detector_sees_a_mirrored_face_turned_the_other_way():
    frame = frames_of(SAMPLES / "pgij9s.mkv")[30]
    faces = MtcnnDetector().detect([frame, np.ascontiguousarray(frame[:, ::-1])])
    one, other = (yaw(of_frame[0].landmarks[None])[0] for of_frame in faces)
    assert abs(one) > 0.06 and one * other < 0
    assert abs(one + other) < 0.05


def test_threshold_by_hand():
    # Ten clips at 1 +- .4 and ten at -1 +- .4: variance .16 * 20 / 19, threshold .16842 * ln(100) / (2 * 1).
    clips = [np.full(3, value) for value in (1.4, 0.6, -1.4, -0.6)] * 5
    groups = find_groups(clips)
    assert groups.typical == pytest.approx(1, abs=0.02) and groups.spread**2 == pytest.approx(0.16842, rel=0.1)
    assert groups.threshold == pytest.approx(0.388, rel=0.1)
    assert find_groups(clips, 0.3).spread ** 2 - groups.spread**2 == pytest.approx(0.09)
    narrow = find_groups([np.full(3, value) for value in (0.9, 0.92, 0.91, -0.9)])
    assert narrow.threshold == pytest.approx(0.25 * narrow.typical) and narrow.typical == pytest.approx(0.9075)


@pytest.mark.parametrize("count", [2, 4, 30])
def test_scores_around_zero_decide_nothing(count):
    generator = np.random.default_rng(count)
    decided = 0
    for _ in range(50):
        scores = [generator.normal(middle, 0.3, 20) for middle in generator.normal(0, 1, count)]
        decided += decide(scores, 25).of_clips != [UNDECIDED] * count
    assert decided <= 2


def test_the_usual_side_is_that_of_most_clips():
    up, down, unclear = np.full(10, 0.8), np.full(10, -0.81), np.full(10, 0.05)
    assert decide([up, up, down, up, unclear] + [up] * 15, 25).of_clips[2:6] == [MIRRORED, KEPT, UNDECIDED, KEPT]
    turned = decide([down, down, up, down, down, down], 25)
    assert turned.of_clips == [KEPT, KEPT, MIRRORED, KEPT, KEPT, KEPT] and turned.scores[2][0] == -0.8
    tie = decide([up, down, up, down, up, down], 25)
    assert tie.of_clips == [UNDECIDED] * 6 and "as many clips" in tie.why


def test_a_frame_stays_on_its_side_until_the_scores_pass_the_other_threshold():
    wavering = np.array([0.5] * 4 + [-0.2] * 4 + [0.1] * 12)
    assert side_of_clip(wavering, 0.3, frame_rate=1) == 1
    assert side_of_clip(-wavering, 0.3, frame_rate=1) == -1
    wavering[4:8] = -0.5  # and there it passes, and stays for the rest
    assert side_of_clip(wavering, 0.3, frame_rate=1) == -1
    assert side_of_clip(np.repeat([0.5, -0.5], 10), 0.3, frame_rate=1) == 0  # half a clip on either side
    flicker = np.where(np.arange(50) % 10 == 5, -0.5, 0.5)
    assert side_of_clip(flicker, 0.3, frame_rate=25) == 1  # single frames are smoothed away
    assert side_of_clip(np.full(20, 0.2), 0.3, frame_rate=1) == 0


def test_mirroring_twice_is_the_identity():
    generator = np.random.default_rng(0)
    faces = generator.integers(0, 256, (3, 16, 16, 3), np.uint8)
    landmarks, transforms = generator.normal(size=(3, 5, 2)), generator.normal(size=(3, 2, 3))
    assert not np.array_equal(mirror_faces(faces), faces)
    np.testing.assert_array_equal(mirror_faces(mirror_faces(faces)), faces)
    np.testing.assert_array_equal(mirror_landmarks(mirror_landmarks(landmarks)), landmarks)
    np.testing.assert_allclose(mirror_transforms(mirror_transforms(transforms, 16), 16), transforms)


def test_a_mirrored_clip_still_knows_its_place_in_the_frame(prepared, tmp_path):
    folder = shutil.copytree(prepared / "clips" / "sgac2n", tmp_path / "sgac2n")
    before = Clip(prepared / "clips" / "sgac2n", {})
    speech = (folder / "speech.wav").read_bytes()
    assert mirror_clip(folder) and not mirror_clip(folder)  # once, and no second time
    after = Clip(folder, {})
    np.testing.assert_array_equal(after.faces, before.faces[:, :, ::-1])
    assert (folder / "speech.wav").read_bytes() == speech and after.track["mirrored"].all()
    np.testing.assert_array_equal(after.times, before.times)
    old, new = placed(before), placed(after)
    np.testing.assert_allclose(new[:, LEFT_EYE], old[:, RIGHT_EYE] * [-1, 1] + [63, 0], atol=1e-3)
    assert np.abs(new[:, LEFT_EYE] / 64 - [0.35, 0.42]).max() < 0.05
    back, mirrored_back, wrong = (
        put_back(before.faces[30], before.track["transform"][30]),
        put_back(after.faces[30], after.track["transform"][30]),
        put_back(after.faces[30], before.track["transform"][30]),
    )
    assert np.abs(back - mirrored_back).mean() < 0.1  # grey levels
    assert np.abs(back - wrong).mean() > 1


def test_sample_clips_mirrored_at_random_are_found(prepared):
    clips = [np.array(clip.faces) for clip in open_dataset(prepared).clips]
    generator = np.random.default_rng(0)
    for _ in range(5):
        mirrored = generator.permutation(np.arange(len(clips)) < generator.integers(0, 4))
        gains = generator.uniform(0.6, 1.0, (len(clips), 3))  # each clip with a colour cast of its own
        shown = [(faces * gain).astype(np.uint8) for faces, gain in zip(clips, gains, strict=True)]
        shown = [mirror_faces(faces) if turn else faces for faces, turn in zip(shown, mirrored, strict=True)]
        scores, _ = histogram_scores(shown)
        assert decide(scores, 25).of_clips == [MIRRORED if turn else KEPT for turn in mirrored]


def test_no_clip_is_its_own_reference():
    uneven, even = (np.random.default_rng(seed).integers(0, 100, (20, 32, 32, 3)).astype(np.uint8) for seed in (0, 1))
    uneven[:, :, :5] += 100
    (score, _), references = histogram_scores([uneven, even])
    assert np.abs(score).max() < 0.1  # it fits the other as well mirrored as not
    assert sorted(references) == [0, 1]


@pytest.mark.parametrize("rule", ["histogram", "landmarks"])
def test_a_dataset_without_mirrored_clips_is_left_alone(prepared, rule):
    finding = find_mirrored(open_dataset(prepared), rule)
    assert finding.of(MIRRORED) == []
    assert rule == "landmarks" or len(finding.of(KEPT)) == len(NAMES)


def test_clips_whose_two_sides_look_alike_are_undecided(prepared):
    alike = []
    for seed, clip in enumerate(open_dataset(prepared).clips):
        faces = np.array(clip.faces)
        means = (faces.astype(int) + mirror_faces(faces).astype(int)) // 2
        noise = np.random.default_rng(seed).integers(-9, 10, faces.shape)
        alike.append(np.clip(means + noise, 0, 255).astype(np.uint8))
    scores, _ = histogram_scores(alike)
    assert MIRRORED not in decide(scores, 25).of_clips


def test_landmarks_find_turned_heads(tmp_path):
    entries = [drawn_clip(tmp_path, f"clip{index:02}", "train", index) for index in range(20)]
    dataset_of(tmp_path, entries)
    for index, clip in enumerate(open_dataset(tmp_path).clips):
        landmarks = np.tile(LANDMARKS, (20, 1, 1)) + np.random.default_rng(index).normal(0, 0.3, (20, 5, 2))
        landmarks = mirror_landmarks(landmarks) if index in (1, 6) else landmarks
        if index == 3:
            landmarks[:, 2, 0] = 60  # frontal
        np.savez(clip.folder / "track.npz", time=clip.times, landmarks=landmarks)
    finding = find_mirrored(open_dataset(tmp_path), "landmarks")
    assert (finding.of(MIRRORED), finding.of(UNDECIDED)) == ([1, 6], [3])


def test_the_program_from_finding_to_mirroring_back(spoilt, prepared, tmp_path):
    folder, names = spoilt
    before = digests(folder)
    picture = tmp_path / "found.png"
    looked = run_program("-m", "preprocessing.flip", folder, "--picture", picture)
    assert looked.returncode == 0, looked.stderr
    assert "kept                  5     375\nmirrored              2     150\nundecided             0" in looked.stdout
    assert all(f"{name} (-" in looked.stdout for name in names)
    assert "nothing was changed" in looked.stdout and digests(folder) == before
    assert cv2.imread(str(picture)).std() > 20

    fingerprint = open_dataset(folder).fingerprint
    applied = run_program("-m", "preprocessing.flip", folder, "--apply")
    assert applied.returncode == 0 and "mirrored 2 clips" in applied.stdout, applied.stderr
    after = open_dataset(folder)
    assert [clip.name for clip in after.clips if clip.entry.get("mirrored")] == names
    assert after.fingerprint != fingerprint  # a run that learned from the faces before does not go on with these
    for name in names:
        np.testing.assert_array_equal(
            np.load(folder / "clips" / name / "faces.npy"), np.load(prepared / "clips" / name / "faces.npy")
        )
    assert before["contact_sheet.png"] != digests(prepared)["contact_sheet.png"]
    assert digests(folder)["contact_sheet.png"] == digests(prepared)["contact_sheet.png"]

    settled = digests(folder)
    again = run_program("-m", "preprocessing.flip", folder, "--apply")
    assert "mirrored 0 clips" in again.stdout and digests(folder) == settled


def test_the_2017_rule_is_there_to_compare_with(spoilt):
    folder, names = spoilt
    done = run_program("-m", "preprocessing.flip", folder, "--rule", "2017")
    line = next(line for line in done.stdout.splitlines() if line.startswith("mirrored: "))
    assert all(name in line for name in names) and "threshold 700 counts" in done.stdout


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_a_kill_never_leaves_faces_mirrored_and_the_track_not(spoilt, renames):
    folder, names = spoilt
    clip = folder / "clips" / names[0]
    old = np.load(clip / "faces.npy")
    script = f"""
import os, sys
replace, left = os.replace, [{renames}]
def replace_or_die(*paths):
    if not left[0]:
        os.kill(os.getpid(), 9)
    left[0] -= 1
    replace(*paths)
os.replace = replace_or_die
from preprocessing.faces.mtcnn_detector import MtcnnDetector
from preprocessing.faces.pose import yaw
from preprocessing.flip.mirror import mirror_clip
mirror_clip({str(clip)!r})
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT)
    assert done.returncode == (0 if renames == 2 else -9)
    if renames == 1:  # between the two renames the clip is away, and the program says so
        assert "run preprocessing again" in one_line(run_program("-m", "preprocessing.flip", folder))
        return
    track = np.load(clip / "track.npz")
    mirrored = "mirrored" in track and track["mirrored"].all()
    assert mirrored == (renames == 2)
    np.testing.assert_array_equal(np.load(clip / "faces.npy"), old[:, :, ::-1] if mirrored else old)


def test_the_manifest_follows_the_tracks_after_an_interruption(spoilt):
    folder, names = spoilt
    mirror_clip(folder / "clips" / names[0])  # and killed before the manifest was written
    dataset = open_dataset(folder)
    finding = find_mirrored(dataset)
    assert [finding.clips[index].name for index in finding.of(MIRRORED)] == names[1:]
    assert apply_finding(dataset, finding) == 1
    entries = json.loads((folder / "manifest.json").read_text())["clips"]
    assert [entry["name"] for entry in entries if entry.get("mirrored")] == names


def test_bad_input_gives_one_line(tmp_path):
    assert "not a dataset" in one_line(run_program("-m", "preprocessing.flip", tmp_path))
    dataset_of(tmp_path, [drawn_clip(tmp_path, "only", "train", 0)])
    assert "1 clip; mirrored clips show among two or more" in one_line(
        run_program("-m", "preprocessing.flip", tmp_path)
    )
    dataset_of(tmp_path, [drawn_clip(tmp_path, name, "train", 0) for name in ("a", "b")])
    np.savez(tmp_path / "clips" / "a" / "track.npz", time=np.arange(20) / 25)
    with pytest.raises(InputError, match=r"track\.npz: missing or damaged"):  # a track without landmarks
        find_mirrored(open_dataset(tmp_path), "landmarks")
    nowhere = run_program("-m", "preprocessing.flip", tmp_path, "--picture", tmp_path / "manifest.json" / "a.png")
    assert "this is a file, not a folder" in one_line(nowhere)
