"""Viola-Jones and the comparison of both detectors: fakes where numbers are worked by hand, sample clips where not."""

import cv2
import numpy as np
import pytest

from media.pictures import read_picture
from media.reading import read_frames
from preprocessing.compare_detectors.comparison import METHODS, ComparedVideo, TimedDetector, find_faces, format_table
from preprocessing.compare_detectors.measures import (
    REACH,
    centres,
    crop_places,
    match,
    measure,
    overlap,
    sizes,
    tremble,
    true_boxes,
)
from preprocessing.compare_detectors.picture import draw_comparison
from preprocessing.faces.alignment import face_transform, inverse_transform
from preprocessing.faces.detection import Face
from preprocessing.faces.detectors import make_detector
from preprocessing.faces.extraction import extract_faces
from preprocessing.faces.pose import pitch, yaw
from preprocessing.faces.quality import NO_FACE, why_face_unusable
from preprocessing.faces.tracking import track_faces
from preprocessing.faces.viola_jones import MARGIN, ViolaJonesDetector, face_of_square

from .conftest import SAMPLES, one_line, run_program
from .media_files import frames_of, write_video

CLIP = SAMPLES / "sgac2n.mkv"


def face_at(left, top=0.0, side=100.0):
    return face_of_square([left, top, side, side], 0.9)


@pytest.fixture(scope="module")
def viola_jones():
    return make_detector("viola-jones")


def test_the_crop_is_the_upright_square_with_a_margin():
    square = [100, 60, 80, 80]
    face = face_of_square(square, 0.9)
    np.testing.assert_array_equal(face.box, [100, 60, 180, 140])
    corners = np.array([[[90.0, 50], [190, 50], [190, 150], [90, 150]]])  # 80 * 1.25 = 100, about the same centre
    in_crop = cv2.transform(corners - 0.5, face_transform(face.landmarks, 64)) + 0.5  # corners of pixels
    np.testing.assert_allclose(in_crop[0], [[0, 0], [64, 0], [64, 64], [0, 64]], atol=1e-9)
    assert MARGIN == 1.25
    np.testing.assert_allclose(ViolaJonesDetector().search_box(face.landmarks), face.search_box)


def test_no_gate_for_real_landmarks_rejects_the_expected_ones():
    face = face_of_square([100, 60, 80, 80], 0.9)
    assert yaw(face.landmarks) == pytest.approx(0, abs=1e-12) and pitch(face.landmarks) == pytest.approx(0.37 / 0.3)
    assert why_face_unusable(face, (288, 360)) == ""


def test_viola_jones_has_the_settings_of_2017(viola_jones):
    frame = frames_of(CLIP)[0]
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    ((left, top, width, height),) = cascade.detectMultiScale(grey, minSize=(43, 43))  # 15 % of 288 rows
    ((face,),) = viola_jones.detect([frame])
    np.testing.assert_array_equal(face.box, [left, top, left + width, top + height])
    assert 0.5 < face.score < 1
    seven_times_as_high = np.zeros((7 * 288, 360, 3), np.uint8)
    seven_times_as_high[:288] = frame  # the face has 7 % of these rows
    assert viola_jones.detect([seven_times_as_high]) == [[]]


def test_viola_jones_works_through_tracking(viola_jones):
    frames = list(read_frames(CLIP))[:40]
    whole = np.array([frame.face.box for frame in track_faces(frames, viola_jones, exact=True)])
    shrunk = np.array([frame.face.box for frame in track_faces(frames, viola_jones)])
    size = (whole[:, 2] - whole[:, 0]).mean()
    assert np.abs(np.median(shrunk - whole, axis=0)).max() < 0.04 * size
    assert np.abs(shrunk - whole).max() < 0.1 * size
    found = list(extract_faces(frames, viola_jones, 25, 64))
    assert [face.reason for face in found] == [""] * 40 and found[0].crop.shape == (64, 64, 3)
    assert [face.reason for face in extract_faces([(0.0, np.zeros((288, 360, 3), np.uint8))], viola_jones, 25, 64)] == [
        NO_FACE
    ]


def test_overlap_by_hand():
    box = np.array([0.0, 0, 10, 10])
    assert overlap(box, box) == 1
    assert overlap(box, np.add(box, [5, 0, 5, 0])) == pytest.approx(50 / 150)
    assert overlap(box, np.add(box, [10, 0, 10, 0])) == 0
    assert overlap(box, np.add(box, [20, 20, 20, 20])) == 0  # apart both ways
    assert overlap(box, np.full(4, np.nan)) == 0


def test_the_truth_is_what_most_frames_around_say():
    faces = [[face_at(10)] for _ in range(40)]
    faces[20] = [face_at(200)]  # once something else
    faces[5] = []  # once nothing
    truth = true_boxes([*faces, *[[] for _ in range(40)]])
    np.testing.assert_array_equal(truth[:40], np.tile([10, 0, 110, 100], (40, 1)))
    assert np.isnan(truth[40:]).all()  # in frame 40 six of 13 frames show a face
    assert true_boxes([]).shape == (0, 4)


def test_misses_and_false_faces_by_hand():
    truth = np.tile([0.0, 0, 100, 100], (10, 1))
    truth[8:] = np.nan
    faces = [[face_at(0)] for _ in range(10)]  # in the last two frames there is none: both are false
    faces[0] = []  # missed
    faces[1] = [face_at(40)]  # missed, and a false one: overlap 60 / 140
    faces[2] = [face_at(200), face_at(0), face_at(300)]  # two false ones beside it
    right, wrong = match(faces, truth)
    assert [face is None for face in right] == [True, True, *[False] * 6, True, True]
    assert right[2] is faces[2][1] and [len(of_frame) for of_frame in wrong] == [0, 1, 2, 0, 0, 0, 0, 0, 1, 1]
    errors = measure([(faces, truth), (faces, truth)])
    assert (errors["frames"], errors["misses"], errors["false"]) == (20, 4, 50)


def test_slow_movement_is_not_jitter():
    drift = np.arange(60.0)[:, None, None]
    np.testing.assert_allclose(tremble(drift), 0, atol=1e-12)
    assert len(tremble(drift)) == 59
    turning = 20 * np.sin(drift / 40)
    assert np.abs(tremble(turning)).max() < 0.1  # of changes up to .5


def test_tremble_by_hand():
    there_and_back = 3.0 * (np.arange(100) % 2)[:, None, None]  # changes of +3 and -3 in turn
    inside = tremble(there_and_back)[REACH:-REACH]
    np.testing.assert_allclose(np.abs(inside), 3 - 3 / 13)  # the mean of 13 of them is one of them over 13
    gap = there_and_back.copy()
    gap[50] = np.nan
    assert len(tremble(gap)) == 99 - 2
    assert len(tremble(np.full((20, 1, 1), np.nan))) == 0


def test_trembles_are_in_the_units_that_the_table_names():
    truth = np.tile([0.0, 0, 100, 100], (200, 1))
    right = [face_at(2.0 * (index % 2)) for index in range(200)]  # 2 pixels to and fro, of 100
    np.testing.assert_allclose(np.abs(np.diff(centres(right, truth)[:, 0, 0])), 2)
    errors = measure([([[face] for face in right], truth)])
    assert errors["centre"] == pytest.approx(2 * 12 / 13, rel=0.01) and errors["size"] == pytest.approx(0, abs=1e-9)
    assert errors["crop"] == pytest.approx(2 * 64 / 125 * 12 / 13, rel=0.01)  # a crop of 64 pixels shows 125
    large = [face_at(-index % 2, -index % 2, 100.0 + 2 * (index % 2)) for index in range(200)]
    assert np.ptp(sizes(large)) == pytest.approx(100 * 2 / 101)
    half = [Face(face.box / 2, 0.9, face.landmarks / 2, face.search_box / 2) for face in right]
    assert measure([([[face] for face in half], truth / 2)]) == pytest.approx(errors)  # whatever the picture's size
    nobody = measure([([[]] * 200, truth)])
    assert (nobody["misses"], nobody["centre"], nobody["size"], nobody["crop"]) == (200, None, None, None)


def test_places_of_the_crop_are_eyes_and_mouth():
    face = face_of_square([100, 60, 80, 80], 0.9)
    transform = inverse_transform(face_transform(face.landmarks, 64))
    scale = 64 / 100
    left_eye = cv2.transform(np.array([[[0.35 * 64 - 0.5, 0.42 * 64 - 0.5]]]), transform)[0, 0] * scale
    np.testing.assert_allclose(crop_places([face, None])[0, 0], left_eye)
    np.testing.assert_allclose(crop_places([face])[0, 0], face.landmarks[0] * scale)
    assert np.isnan(crop_places([face, None])[1]).all()


class CountingDetector:
    def __init__(self):
        self.calls = []

    def detect(self, images):
        self.calls.append(len(images))
        return [[face_at(0)] for _ in images]


def test_seconds_are_counted_after_a_first_call_of_each_kind(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr("preprocessing.compare_detectors.comparison.time.perf_counter", lambda: next(clock))
    detector = CountingDetector()
    timed = TimedDetector(detector)
    frames = [(index / 25, np.zeros((8, 8, 3), np.uint8)) for index in range(70)]
    assert len(find_faces(frames, "mtcnn", timed)) == 70
    assert detector.calls == [32, 32, 32, 6, 6] and timed.seconds == 3


def test_the_table_is_aligned_and_tells_what_is_not_known():
    values = {"frames": 3, "misses": 0, "false": 1 / 3, "centre": None, "size": 1.0, "crop": 0.256, "rate": 20.0}
    header, rule, *rows = format_table(dict.fromkeys(METHODS, values)).splitlines()
    assert len({len(line) for line in (header, rule, *rows)}) == 1 and len(rows) == 3
    assert [cell.strip() for cell in rows[0].strip("|").split("|")] == [
        "viola-jones", "3", "0", "0.3", "-", "1.00", "0.26", "20.0",
    ]  # fmt: skip


def test_the_program_compares_and_skips_what_it_cannot(tmp_path):
    blank, broken, picture = tmp_path / "blank.mp4", tmp_path / "broken.mp4", tmp_path / "side by side.png"
    write_video(blank, [np.full((96, 128, 3), 90, np.uint8)] * 10)
    broken.write_bytes(b"no video")
    done = run_program(
        "-m", "preprocessing.compare_detectors", blank, broken, CLIP, "--frames", 20, "--picture", picture
    )
    assert done.returncode == 0, done.stderr
    rows = {line.split("|")[1].strip(): line.split("|") for line in done.stdout.splitlines() if line.startswith("|")}
    for method in METHODS:
        assert int(rows[method][2]) == 20 and int(rows[method][3]) == 0 and float(rows[method][-2]) > 0
    assert 0 < float(rows["mtcnn, tracked"][7]) < float(rows["viola-jones"][7])  # the tremble of the crop
    assert "1 videos compared, 2 skipped" in done.stdout
    assert f"skipped {blank}: no face found" in done.stderr and f"skipped {broken}: cannot be read" in done.stderr
    image = read_picture(picture)
    assert image.shape[0] > 500 and len(np.unique(image)) > 10
    assert f"wrote {picture}" in done.stdout


def test_bad_input_gives_one_line(tmp_path):
    def error(*arguments):
        return one_line(run_program("-m", "preprocessing.compare_detectors", *arguments, cwd=tmp_path))

    (tmp_path / "file").touch()
    assert "no.mp4: no such file" in error("no.mp4")
    assert "no.mp4: no such file, and 1 more videos skipped" in error("no.mp4", "neither.mp4")
    assert "ends in .png" in error(CLIP, "--picture", "a.jpg")
    assert "this is a file, not a folder" in error(CLIP, "--picture", tmp_path / "file" / "a.png")
    assert "above zero" in error(CLIP, "--frames", "0")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_viola_jones_takes_no_search_box():
    assert ViolaJonesDetector().follow([None, None], [None, None]) == [None, None]


def test_the_picture_shows_what_went_wrong(tmp_path):
    video, picture = tmp_path / "noise.mp4", tmp_path / "picture.png"
    write_video(video, list(np.random.default_rng(0).integers(0, 256, (6, 120, 160, 3), np.uint8)))
    right = [[face_at(10, 10, 60)] for _ in range(6)]
    failing = [[face_at(90, 0, 50), *found, face_at(100, 60, 40)] for found in right]  # the right one between two
    nothing = [[] for _ in range(6)]
    pictures = []
    for viola_jones in (right, failing, nothing):
        faces = dict(zip(METHODS, (viola_jones, right, right), strict=True))
        draw_comparison(picture, [ComparedVideo(str(video), true_boxes(right), faces)])
        pictures.append(read_picture(picture))
    orange = [((picture[..., 0] > 200) & (picture[..., 2] < 20)).sum() for picture in pictures]
    assert orange[2] < orange[0] < orange[1]  # no box, one, three
