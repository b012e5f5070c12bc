"""Detection, tracking and alignment: stand-ins where numbers are worked by hand, real clips where real matters."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from preprocessing.faces.alignment import (
    SMOOTHING_SECONDS,
    LandmarkSmoother,
    crop_face,
    face_transform,
    inverse_transform,
    mouth_slices,
    resized_transform,
    similarity_transform,
    template_points,
)
from preprocessing.faces.detection import Face
from preprocessing.faces.detectors import make_detector
from preprocessing.faces.extraction import extract_faces
from preprocessing.faces.mtcnn_detector import MtcnnDetector, suppress
from preprocessing.faces.pose import pitch, yaw
from preprocessing.faces.quality import (
    BLURRED,
    NO_FACE,
    ON_LEFT_SIDE,
    ON_RIGHT_SIDE,
    OUTSIDE,
    SMEARED,
    TOO_SMALL,
    TURNED,
    UPSIDE_DOWN,
    why_crop_unusable,
    why_face_unusable,
)
from preprocessing.faces.tracking import KEY_FRAME_INTERVAL, track_faces
from preprocessing.flip.mirror import EXCHANGED

from .conftest import SAMPLES
from .media_files import frames_of

LANDMARKS = np.array([[40.0, 50], [80, 50], [60, 70], [48, 98], [72, 98]])


@pytest.fixture(scope="module")
def detector():
    return MtcnnDetector()


def test_a_known_similarity_is_found_again():
    points = np.array([[0.0, 0], [4, 1], [2, 7]])
    angle, scale, shift = 0.3, 1.7, np.array([5.0, -2.0])
    rotation = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = similarity_transform(points, points @ rotation.T + shift)
    np.testing.assert_allclose(matrix, np.column_stack([rotation, shift]), atol=1e-12)


def test_eyes_and_mouth_land_on_the_template_whatever_the_pose():
    size = 64
    points = template_points(size)
    ideal = np.array([points[0], points[1], points.mean(axis=0), points[2] - [9, 0], points[2] + [9, 0]])
    turned = ideal @ np.array([[1.2, -0.4], [0.4, 1.2]]) + [100, 30]
    matrix = face_transform(turned, size)
    np.testing.assert_allclose(turned @ matrix[:, :2].T + matrix[:, 2], ideal, atol=1e-9)


def test_the_crop_of_a_mirrored_frame_is_the_mirrored_crop():
    frame = smooth_picture(288, 360)
    crop = crop_face(frame, face_transform(LANDMARKS, 64), 64)
    mirrored = LANDMARKS[EXCHANGED] * [-1, 1] + [359, 0]
    other = crop_face(np.ascontiguousarray(frame[:, ::-1]), face_transform(mirrored, 64), 64)
    assert np.abs(other[:, ::-1].astype(int) - crop).max() <= 1  # grey levels; half a pixel off it is 8


@pytest.mark.parametrize("size, factor", [(128, 2), (96, 3)])
def test_a_crop_averaged_to_a_smaller_size_is_the_crop_of_that_size(size, factor):
    frame, inside = smooth_picture(288, 360), LANDMARKS + np.array([120, 60])
    large = crop_face(frame, face_transform(inside, size), size)
    small = size // factor
    averaged = cv2.resize(large, (small, small), interpolation=cv2.INTER_AREA)
    assert (
        np.abs(averaged.astype(int) - crop_face(frame, face_transform(inside, small), small)).mean() < 1.2
    )  # grey levels
    resized = resized_transform(face_transform(inside, small), factor)
    np.testing.assert_allclose(resized, face_transform(inside, size))


def smooth_picture(height, width):
    """Waves that a shift by part of a pixel changes and averaging hardly does: uint8 RGB."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 6) * np.cos(y / 9), np.sin(x / 8 + y / 7), np.cos(x / 10 - y / 5)]
    return np.uint8(np.rint(127 + 120 * np.stack(waves, axis=-1)))


def test_the_width_of_the_mouth_does_not_move_the_crop():
    pursed = LANDMARKS.copy()
    pursed[3, 0] += 8
    pursed[4, 0] -= 8
    np.testing.assert_allclose(face_transform(pursed, 64), face_transform(LANDMARKS, 64))


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_a_crop_at_a_whole_factor_is_the_mean_of_the_pixels(factor):
    image = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    shrink = np.array([[1 / factor, 0, (1 - factor) / 2 / factor], [0, 1 / factor, (1 - factor) / 2 / factor]])
    side = 48 // factor
    blocks = image.reshape(side, factor, side, factor, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(crop_face(image, shrink, side), blocks, atol=1)


def smoothed(stretches, frame_rate=25):
    smoother, smooth = LandmarkSmoother(frame_rate), []
    for stretch in stretches:
        for landmarks in stretch:
            smooth += smoother.push(landmarks)
        smooth += smoother.finish()
    return np.array(smooth)


def test_smoothing_removes_tremble_without_lag():
    generator = np.random.default_rng(0)
    drift = 20 * np.sin(np.arange(150) / 25)[:, None, None] * np.ones((1, 5, 2))
    smooth = smoothed([drift + generator.normal(0, 1, drift.shape)])
    assert np.diff(smooth - drift, axis=0).std() < 0.1  # of 1.4 before
    lags = [np.abs(smooth[5:-5] - np.roll(drift, lag, axis=0)[5:-5]).mean() for lag in (-2, -1, 0, 1, 2)]
    assert np.argmin(lags) == 2


@pytest.mark.parametrize("lengths", [[1], [7, 60], [25, 26], [200]])
def test_the_stream_of_smooth_landmarks_is_the_gaussian_filter_of_each_stretch(lengths):
    stretches = [np.random.default_rng(length).normal(size=(length, 5, 2)) for length in lengths]
    expected = [gaussian_filter1d(stretch, SMOOTHING_SECONDS * 25, axis=0, mode="nearest") for stretch in stretches]
    np.testing.assert_allclose(smoothed(stretches), np.concatenate(expected), atol=1e-12)


def test_the_inverse_transform_leads_back():
    transform = face_transform(LANDMARKS, 64)
    there = cv2.transform(LANDMARKS[None], transform)
    np.testing.assert_allclose(cv2.transform(there, inverse_transform(transform))[0], LANDMARKS, atol=1e-9)


class FakeDetector:
    """Sees the faces that a function of the picture's first grey level names; follows them without fail."""

    def __init__(self, faces):
        self.faces, self.detected, self.followed = faces, [], []

    def detect(self, images):
        levels = [int(image[0, 0, 0]) for image in images]
        self.detected += levels
        return [self.faces(level) for level in levels]

    def follow(self, images, search_boxes):
        levels = [int(image[0, 0, 0]) for image in images]
        self.followed += list(zip(levels, np.asarray(search_boxes).tolist(), strict=True))
        return [(self.faces(level) or [None])[0] for level in levels]

    def search_box(self, landmarks):
        return landmarks[0, 0] - 40 + np.array([0.0, 0, 100, 100])  # as in face_at


def numbered(count):
    for index in range(count):
        yield index / 25, np.full((200, 200, 3), index, np.uint8)


def face_at(x, scale=1.0, score=0.99):
    box = np.array([0, 0, 100 * scale, 100 * scale])
    return Face(box, score, LANDMARKS * scale + [x, 0], np.add(box, [x, 0, x, 0]))


def test_between_key_frames_the_face_is_followed():
    detector = FakeDetector(lambda index: [face_at(index * 0.5)])
    frames = list(track_faces(numbered(2 * KEY_FRAME_INTERVAL), detector))
    last = 2 * KEY_FRAME_INTERVAL - 1
    assert detector.detected == [0, KEY_FRAME_INTERVAL - 1, last]
    some = [0, 8, 16, 24, 31]
    assert [level for level, _ in detector.followed[:5]] == some  # where the line between the key frames says
    for level, box in detector.followed[:5]:
        np.testing.assert_allclose(box, [level * 0.5, 0, level * 0.5 + 100, 100])
    assert [level for level, _ in detector.followed[5:37]] == list(range(32))
    weights = np.exp(-0.5 * ((np.array(some) - 10) / 8) ** 2)
    mean = (weights * np.array(some) * 0.5).sum() / weights.sum()  # where the faces of those frames say
    np.testing.assert_allclose(detector.followed[15][1], np.add([0, 0, 100, 100], mean))
    assert [frame.face.landmarks[0, 0] for frame in frames] == [40 + index * 0.5 for index in range(last + 1)]
    assert [frame.time for frame in frames] == [index / 25 for index in range(last + 1)]
    assert not any(frame.cut for frame in frames)


def test_what_following_loses_is_looked_for_in_the_whole_picture():
    detector = FakeDetector(lambda index: [] if index in (40, 41) else [face_at(0)])
    frames = list(track_faces(numbered(2 * KEY_FRAME_INTERVAL), detector))
    assert [index for index, frame in enumerate(frames) if frame.face is None] == [40, 41]
    assert detector.detected == [0, KEY_FRAME_INTERVAL - 1, 2 * KEY_FRAME_INTERVAL - 1, 40, 41]


def test_exact_mode_follows_nothing():
    detector = FakeDetector(lambda index: [face_at(0)])
    frames = list(track_faces(numbered(40), detector, exact=True))
    assert detector.detected == list(range(40)) and not detector.followed
    assert all(frame.face.landmarks[0, 0] == 40 for frame in frames)


def test_the_largest_of_two_faces_is_taken_and_both_are_counted():
    detector = FakeDetector(lambda index: [face_at(0, 2.0), face_at(9)])
    frames = list(track_faces(numbered(40), detector))
    assert all(frame.face.area == 200**2 and frame.faces == 2 for frame in frames)


def test_cuts_are_leaps_of_the_face_or_of_the_picture():
    def video():
        for index in range(30):
            yield index / 25, np.full((200, 200, 3), 10 if index < 10 else 60 + index, np.uint8)

    frames = list(track_faces(video(), FakeDetector(lambda level: [face_at(0 if level < 80 else 100)])))
    assert [index for index, frame in enumerate(frames) if frame.cut] == [10, 20]


def test_another_face_at_the_same_place_is_a_cut_and_a_shaken_camera_is_none():
    one, other = (np.random.default_rng(seed).integers(90, 140, (25, 25, 3), np.uint8) for seed in (0, 1))
    one, other = (cv2.resize(image, (200, 200), interpolation=cv2.INTER_NEAREST) for image in (one, other))
    bars = np.full((200, 200, 3), 20, np.uint8)
    bars[:, ::2] = 220
    shaken = [np.roll(bars, index % 2, axis=1) for index in range(5)]
    images = [one] * 10 + [other] * 5 + [one] * 5 + shaken
    frames = list(
        track_faces(((n / 25, image) for n, image in enumerate(images)), FakeDetector(lambda _: [face_at(0)]))
    )
    assert [index for index, frame in enumerate(frames) if frame.cut] == [10, 15, 20]


def test_the_whole_picture_is_looked_at_small_and_the_face_given_in_its_own_size():
    detector = FakeDetector(lambda level: [face_at(0)])
    shapes = []
    detector.detect = lambda images: [shapes.append(image.shape) or [face_at(0, 0.25)] for image in images]
    frames = list(track_faces([(0.0, np.zeros((800, 1000, 3), np.uint8))], detector))
    assert set(shapes) == {(200, 250, 3)}  # a face of a tenth of the height has 20 pixels
    np.testing.assert_allclose(detector.followed[0][1], face_at(0).search_box)
    assert frames[0].face.area == 100**2


def textured(count):
    """Frames whose crops are sharp."""
    noise = np.random.default_rng(0).integers(0, 200, (200, 200, 3), np.uint8)
    for index in range(count):
        image = noise.copy()
        image[0, 0] = index
        yield index / 25, image


def test_frames_without_a_usable_face_are_dropped_with_their_reason_and_in_order():
    def faces(index):
        return [] if 5 <= index < 10 else [face_at(0, scale=0.2)] if index == 12 else [face_at(0)]

    found = list(extract_faces(textured(40), FakeDetector(faces), 25, 32))
    assert [face.time for face in found] == [index / 25 for index in range(40)]
    expected = [""] * 5 + [NO_FACE] * 5 + [""] * 2 + [TOO_SMALL] + [""] * 27
    assert [face.reason for face in found] == expected
    assert all((face.crop is None) == bool(face.reason) for face in found)


def test_a_few_unsure_faces_among_frames_without_one_are_not_believed():
    def unsure(index):
        return [face_at(0, score=0.91)] if index in (5, 6, 20) else []

    assert {face.reason for face in extract_faces(textured(40), FakeDetector(unsure), 25, 32)} == {NO_FACE}
    sure = FakeDetector(lambda index: [face_at(0)] if index in (5, 6) else [])
    assert sum(not face.reason for face in extract_faces(textured(40), sure, 25, 32)) == 2
    (picture,) = extract_faces(textured(1), FakeDetector(lambda index: [face_at(0, score=0.91)]), 25, 32)
    assert not picture.reason  # a single picture has no others to speak against it


@pytest.mark.parametrize("quarters, reason", [(0, ""), (1, ON_LEFT_SIDE), (2, UPSIDE_DOWN), (3, ON_RIGHT_SIDE)])
def test_a_picture_that_is_not_upright_is_detected(detector, quarters, reason):
    frames = frames_of(SAMPLES / "bgbu4p.mpg")[:36:2]
    turned = [(index / 12.5, np.ascontiguousarray(np.rot90(frame, quarters))) for index, frame in enumerate(frames)]
    assert {face.reason for face in extract_faces(turned, detector, 12.5, 64)} == {reason}


def test_smoothing_does_not_reach_across_a_leap():
    detector = FakeDetector(lambda index: [face_at(0 if index < 20 else 100)])
    found = list(extract_faces(textured(40), detector, 25, 32))
    places = [face.transform[0, 2] for face in found]
    assert len(set(np.round(places, 6))) == 2
    assert [index for index in range(1, 40) if abs(places[index] - places[index - 1]) > 1] == [20]


def test_poses_by_hand():
    assert (yaw(LANDMARKS), pitch(LANDMARKS)) == (0, 1.2)  # eyes 40 apart, 48 above the mouth, nose in the middle
    turned = LANDMARKS + np.array([[0, 0], [0, 0], [10, 0], [0, 0], [0, 0]])
    assert yaw(turned) == 0.25
    rotation = 3 * np.array([[0.6, -0.8], [0.8, 0.6]])
    np.testing.assert_allclose((yaw(turned @ rotation), pitch(turned @ rotation)), (0.25, 1.2))


def test_reasons_against_a_face():
    shape = (200, 200)
    assert why_face_unusable(face_at(0), shape) == ""
    assert why_face_unusable(None, shape) == NO_FACE
    assert why_face_unusable(face_at(0, 0.2), shape) == TOO_SMALL
    assert why_face_unusable(face_at(-50), shape) == OUTSIDE
    landmarks = LANDMARKS + np.array([[0, 0], [0, 0], [18, 0], [0, 0], [0, 0]])
    assert why_face_unusable(Face(face_at(0).box, 0.99, landmarks, face_at(0).box), shape) == TURNED


def test_reasons_against_a_crop(detector):
    frame = frames_of(SAMPLES / "sgac2n.mkv")[30]
    ((face,),) = detector.detect([frame])
    crop = crop_face(frame, face_transform(face.landmarks, 64), 64)
    assert why_crop_unusable(crop) == ""
    assert why_crop_unusable(cv2.GaussianBlur(crop, (0, 0), 2)) == BLURRED
    smeared = crop.copy()
    smeared[40:] = smeared[40]  # as a decoder goes on where a packet is lost
    assert why_crop_unusable(smeared) == SMEARED
    assert why_crop_unusable(np.zeros_like(crop)) == BLURRED


def test_suppression_by_hand():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [2, 0, 12, 10], [0, 0, 10, 10], [0, 0, 4, 4]], float)
    index, scores = np.array([0, 0, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.5, 0.6])
    # 0 and 1 share 90 of 110, 1 and 2 as well, 0 and 2 share 80 of 120.
    assert suppress(index, boxes, scores, 0.7).tolist() == [0, 4, 3]  # 2 goes because of 1, though 1 goes itself
    assert suppress(index, boxes, scores, 0.7, of_smaller=True).tolist() == [0, 3]
    assert suppress(index[:0], boxes[:0], scores[:0], 0.7).tolist() == []


def test_mtcnn_finds_the_speaker_and_no_face_in_noise(detector):
    frame = frames_of(SAMPLES / "sgac2n.mkv")[0]
    noise = np.random.default_rng(0).integers(0, 256, frame.shape, np.uint8)
    (found,), none, (again,) = detector.detect([frame, noise, frame])
    assert none == []
    assert found.score > 0.99 and 80 < found.box[2] - found.box[0] < 140
    left_eye, right_eye, nose, mouth_left, mouth_right = found.landmarks
    assert left_eye[0] < nose[0] < right_eye[0] and mouth_left[0] < nose[0] < mouth_right[0]
    assert left_eye[1] < nose[1] < mouth_left[1]
    np.testing.assert_allclose(again.landmarks, found.landmarks, atol=1e-3)


def test_two_real_faces_in_one_frame(detector):
    frame = frames_of(SAMPLES / "sgac2n.mkv")[0]
    (faces,) = detector.detect([np.concatenate([frame, frame], axis=1)])
    assert len(faces) == 2 and faces[0].area >= faces[1].area


def test_the_face_fills_the_crop_as_the_template_says(detector):
    frame = frames_of(SAMPLES / "bgbu4p.mpg")[40]
    ((face,),) = detector.detect([frame])
    crop = crop_face(frame, face_transform(face.landmarks, 64), 64)
    rows, columns = mouth_slices(64)
    skin, corner = crop[rows, columns].reshape(-1, 3).mean(axis=0), crop[20, 2].astype(float)
    assert skin[0] > skin[2] and corner[2] > corner[0]  # red mouth in its box, blue screen at the edge


def agreement(frames, detector):
    """Largest differences in pixels of boxes and of landmarks from the package's, which finds the same faces."""
    from mtcnn import MTCNN

    package = MTCNN()
    boxes, points = [], []
    for frame, faces in zip(frames, detector.detect(frames), strict=True):
        theirs = package.detect_faces(frame, output_type="numpy", box_format="xyxy", postprocess=False)
        theirs = theirs[theirs[:, 5] >= 0.9]
        theirs = theirs[np.argsort(-(theirs[:, 3] - theirs[:, 1]) * (theirs[:, 4] - theirs[:, 2]))]
        assert len(theirs) == len(faces) > 0
        for row, face in zip(theirs, faces, strict=True):
            boxes.append(np.abs(row[1:5] - face.box).max())
            points.append(np.abs(np.stack([row[6:11], row[11:16]], axis=1) - face.landmarks).max())
    return max(boxes), max(points)


def test_the_cascade_finds_what_the_package_finds(detector):
    frames = [frames_of(SAMPLES / "sgac2n.mkv")[index] for index in (0, 40)] + [frames_of(SAMPLES / "bgbu4p.mpg")[20]]
    boxes, points = agreement(frames, detector)
    assert boxes < 0.1 and points < 0.1
    odd = [cv2.resize(frame, (431, 311)) for frame in frames]  # P-Net's blocks of two pixels do not divide it
    boxes, points = agreement(odd, detector)
    assert boxes < 0.1 and points < 0.1


@pytest.mark.corpus
@pytest.mark.parametrize("speaker", ["s1", "s2", "s4", "s26", "s31"])
def test_the_cascade_finds_what_the_package_finds_on_every_speaker(detector, speaker):
    clips = sorted((Path(os.environ["GRID_CLIPS"]) / speaker).iterdir())[:4]
    boxes, points = agreement([frame for clip in clips for frame in frames_of(clip)[::15]], detector)
    assert boxes < 1 and points < 1


@pytest.mark.parametrize("times", [2, 4])
def test_a_face_that_is_large_in_a_small_frame_is_found(detector, times):
    """There the pyramid has few levels, down to the size of P-Net's input."""
    frame = frames_of(SAMPLES / "sgac2n.mkv")[0]
    ((face,),) = detector.detect([frame])
    ((found,),) = detector.detect([cv2.resize(frame, None, fx=1 / times, fy=1 / times, interpolation=cv2.INTER_AREA)])
    assert 80 < face.box[2] - face.box[0] < 140
    np.testing.assert_allclose(times * found.box, face.box, atol=8)


def test_following_finds_the_same_face_and_tells_when_it_is_gone(detector):
    frames = frames_of(SAMPLES / "sgac2n.mkv")[:3]
    ((before,), _, (after,)) = detector.detect(frames)
    (same,) = detector.follow(frames[:1], [before.search_box])
    np.testing.assert_allclose(same.landmarks, before.landmarks, atol=1e-3)
    (moved,) = detector.follow(frames[2:], [before.search_box])
    assert np.abs(moved.landmarks - after.landmarks).max() < 4
    aside = np.add(before.search_box, [60, 0, 60, 0])
    outside = np.add(before.search_box, [500, 0, 500, 0])
    assert detector.follow(frames[:1], [aside]) == [None] == detector.follow(frames[:1], [outside])
    assert detector.follow([], []) == []


def test_tracking_stays_close_to_exact_detection(detector):
    frames = [(index / 25, image) for index, image in enumerate(frames_of(SAMPLES / "bgbu4p.mpg"))]
    exact = np.stack([frame.face.landmarks for frame in track_faces(frames, detector, exact=True)])
    tracked = np.stack([frame.face.landmarks for frame in track_faces(frames, detector)])
    distances = np.linalg.norm(tracked - exact, axis=2)
    assert np.median(distances) < 1 and np.percentile(distances, 99) < 3


def test_there_are_two_detectors_and_no_third():
    with pytest.raises(ValueError, match="'dlib' is not a detector; choose one of mtcnn, viola-jones"):
        make_detector("dlib")
