"""What is in front of a mouth stays as filmed."""

import cv2
import numpy as np
import pytest

from audio2faces.generate.occlusion import visibility
from audio2faces.generate.source import open_source
from audio2faces.generate.video import Options, generate_video
from audio2faces.trained.face import load_model
from benchmarks.occlusion import draw_hand
from measures.similarity import mouth_opening
from media.reading import read_frames

from .conftest import ROOT, SAMPLES
from .media_files import write_video

CLIP = SAMPLES / "bgbu4p.mpg"


@pytest.fixture(scope="module")
def source():
    return open_source(CLIP, 64, seconds=3.0)


@pytest.fixture(scope="module")
def shut_and_open(source):
    opening = mouth_opening(source.faces)
    return source.faces[opening.argmin()], source.faces[opening.argmax()]


def lettered(face, text):
    made = face.copy()
    for grey, thickness in ((0, 3), (255, 1)):
        cv2.putText(made, text, (6, 60), cv2.FONT_HERSHEY_SIMPLEX, 0.3, (grey,) * 3, thickness, cv2.LINE_AA)
    return made


def test_a_mouth_that_moves_is_visible_in_any_light(shut_and_open):
    shut, opened = shut_and_open
    assert visibility(shut, opened) == visibility(opened, shut) == visibility(shut, shut) == 1
    relit = np.clip(opened * np.array([0.9, 0.8, 0.7]), 0, 255).astype(np.uint8)
    assert visibility(shut, relit) == 1


def test_hands_and_captions_occlude_it(shut_and_open):
    shut, _ = shut_and_open
    hand = draw_hand(shut, np.array([32.0, 46.0]), 30, 0.2, shut[40, 18].astype(float), np.random.default_rng(0))
    assert visibility(shut, hand) == 0
    assert visibility(shut, lettered(shut, "bin blue at")) == 0


def test_occluded_frames_stay_as_filmed_and_are_counted(source, tmp_path):
    pictures = [image for _, image in read_frames(CLIP)][:24]
    skin = pictures[0][150, 160].astype(float)
    mouth = cv2.invertAffineTransform(source.transforms[12]) @ [32, 48, 1]
    for number in range(12, 18):
        pictures[number] = draw_hand(pictures[number], mouth, 45, 0.2, skin, np.random.default_rng(0))
    write_video(tmp_path / "hand.mp4", pictures)
    model = load_model(ROOT / "models" / "grid-s1-64")
    out = tmp_path / "out.mp4"
    _, notes = generate_video(model, CLIP, out, options=Options(source=tmp_path / "hand.mp4", frame_rate=25))
    assert any("in front of the mouth in 18 of 74 frames" in note for note in notes), notes
    filmed, made = ([image for _, image in read_frames(path)] for path in (tmp_path / "hand.mp4", out))
    x, y = np.rint(mouth).astype(int)
    changed = [
        np.abs(a[y - 15 : y + 30, x - 20 : x + 20].astype(int) - b[y - 15 : y + 30, x - 20 : x + 20]).mean()
        for a, b in zip(filmed, made, strict=False)
    ]
    assert max(changed[12:18]) < 3 and min(changed[:11]) > 0
