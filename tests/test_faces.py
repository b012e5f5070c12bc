"""Detection, tracking and alignment: stand-ins where numbers are worked by hand, real clips where real matters."""

import numpy as np
import pytest

from preprocessing.alignment import (
    TEMPLATE,
    crop_face,
    face_transform,
    mouth_slices,
    similarity_transform,
    smooth_landmarks,
)
from preprocessing.detection import Face, MtcnnDetector
from preprocessing.tracking import NO_FACE, TOO_SMALL, track_face

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
    points = TEMPLATE * size
    ideal = np.array([points[0], points[1], points.mean(axis=0), points[2] - [9, 0], points[2] + [9, 0]])
    turned = ideal @ np.array([[1.2, -0.4], [0.4, 1.2]]) + [100, 30]
    matrix = face_transform(turned, size)
    np.testing.assert_allclose(turned @ matrix[:, :2].T + matrix[:, 2], ideal, atol=1e-9)


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


def test_smoothing_removes_tremble_without_lag():
    generator = np.random.default_rng(0)
    drift = 20 * np.sin(np.arange(150) / 25)[:, None, None] * np.ones((1, 5, 2))
    smooth = smooth_landmarks(drift + generator.normal(0, 1, drift.shape), 25)
    assert np.diff(smooth - drift, axis=0).std() < 0.1  # of 1.4 before
    lags = [np.abs(smooth[5:-5] - np.roll(drift, lag, axis=0)[5:-5]).mean() for lag in (-2, -1, 0, 1, 2)]
    assert np.argmin(lags) == 2


def fake_detector(calls, faces):
    def detect(images):
        calls.append(len(images))
        return [faces(int(image[0, 0, 0])) for image in images]

    return detect


def numbered(count):
    for index in range(count):
        yield index / 25, np.full((64, 64, 3), index, np.uint8)


def face_at(x, scale=1.0, score=0.99):
    return Face(np.array([0, 0, 100 * scale, 100 * scale]), score, LANDMARKS * scale + [x, 0])


def test_a_calm_face_is_detected_in_key_frames_and_interpolated_between():
    calls = []
    track = track_face(numbered(17), fake_detector(calls, lambda index: [face_at(index * 0.5)]))
    assert sum(calls) == 5
    expected = LANDMARKS[None] + np.stack([np.arange(17) * 0.5, np.zeros(17)], axis=1)[:, None]
    np.testing.assert_allclose(track.landmarks, expected)
    assert track.dropped == [""] * 17


def test_frames_without_a_face_are_dropped_with_their_reason():
    def faces(index):
        return [] if 5 <= index < 10 else [face_at(0, scale=0.2)] if index == 12 else [face_at(0)]

    track = track_face(numbered(16), fake_detector([], faces))
    assert [i for i, reason in enumerate(track.dropped) if reason == NO_FACE] == [5, 6, 7, 8, 9]
    assert track.dropped[12] == TOO_SMALL
    assert np.isnan(track.landmarks[7]).all()
    assert track.smoothed(25).shape == (10, 5, 2) and np.isfinite(track.smoothed(25)).all()


def test_a_flash_between_key_frames_is_looked_at():
    def frames():
        for index in range(9):
            yield index / 25, np.full((64, 64, 3), 200 if index == 2 else 10, np.uint8)

    track = track_face(frames(), fake_detector([], lambda level: [] if level == 200 else [face_at(0)]))
    assert [i for i, reason in enumerate(track.dropped) if reason] == [2]


def test_the_largest_of_two_faces_is_taken_and_counted():
    track = track_face(numbered(5), fake_detector([], lambda index: [face_at(0, 2.0), face_at(9)]))
    np.testing.assert_allclose(track.landmarks, np.tile(LANDMARKS * 2, (5, 1, 1)))
    assert track.crowded == 2  # key frames 0 and 4


def test_smoothing_does_not_reach_across_a_leap():
    track = track_face(numbered(40), fake_detector([], lambda index: [face_at(0 if index < 20 else 400)]))
    x = track.smoothed(25)[:, 0, 0]
    np.testing.assert_allclose(x, np.where(np.arange(40) < 20, 40, 440))


def test_mtcnn_finds_the_speaker_and_no_face_in_noise(detector):
    frame = frames_of(SAMPLES / "sgac2n.mkv")[0]
    noise = np.random.default_rng(0).integers(0, 256, frame.shape, np.uint8)
    (found,), none, (again,) = detector([frame, noise, frame])
    assert none == []
    assert found.score > 0.99 and 80 < found.box[2] - found.box[0] < 140
    left_eye, right_eye, nose, mouth_left, mouth_right = found.landmarks
    assert left_eye[0] < nose[0] < right_eye[0] and mouth_left[0] < nose[0] < mouth_right[0]
    assert left_eye[1] < nose[1] < mouth_left[1]
    np.testing.assert_allclose(again.landmarks, found.landmarks, atol=1e-3)


def test_two_real_faces_in_one_frame(detector):
    frame = frames_of(SAMPLES / "sgac2n.mkv")[0]
    (faces,) = detector([np.concatenate([frame, frame], axis=1)])
    assert len(faces) == 2 and faces[0].area >= faces[1].area


def test_the_face_fills_the_crop_as_the_template_says(detector):
    frame = frames_of(SAMPLES / "bgbu4p.mpg")[40]
    ((face,),) = detector([frame])
    crop = crop_face(frame, face_transform(face.landmarks, 64), 64)
    rows, columns = mouth_slices(64)
    skin, corner = crop[rows, columns].reshape(-1, 3).mean(axis=0), crop[20, 2].astype(float)
    assert skin[0] > skin[2] and corner[2] > corner[0]  # red mouth in its box, blue screen at the edge
