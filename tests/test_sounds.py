"""What a mouth does at sounds: timings of words, closures at b, p and m, open vowels, and the table of `evaluate`."""

import numpy as np
import pytest

from audio2faces.evaluate.sounds import evaluate_sounds, format_sounds
from experiments.lip_reader import SLOTS, WORDS
from measures.sounds import PRONUNCIATIONS, closed_below, closures, read_labels, read_phones, vowel_openings
from runtime.program import InputError

TIMES = np.arange(50) / 25
SENTENCE = "0 10000 sil\n10000 20000 bin\n20000 30000 by\n30000 40000 m\n40000 50000 sil\n"


@pytest.fixture
def words(tmp_path):
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "a.align").write_text(SENTENCE)
    return tmp_path / "words"


def test_words_become_phones_that_share_their_time(words):
    phones = read_phones(words, "a")
    assert [phone.name for phone in phones] == ["B", "IH", "N", "B", "AY", "EH", "M"]
    assert [phone.after_pause for phone in phones] == [True] + [False] * 6
    assert phones[1].start == pytest.approx(0.4 + 0.4 / 3) and phones[6].start == pytest.approx(1.4)
    assert set(PRONUNCIATIONS) == set(WORDS) and len(WORDS) == sum(map(len, SLOTS)) == 51


def test_phones_and_seconds_are_read_as_aligners_write_them(words):
    (words / "b.txt").write_text("0.0\t0.4\tsil\n0.40\t0.52\tP\n0.52\t0.8\tAA1\n\n0.8\t1.0\t\n1.0\t1.1\tM\n")
    phones = read_phones(words, "b")
    assert [(phone.name, phone.start) for phone in phones] == [("P", 0.4), ("AA", 0.52), ("M", 1.0)]
    assert [phone.after_pause for phone in phones] == [True, False, True]


@pytest.mark.parametrize("line", ["1 2 hello", "one two bin", "12", "1.0 x AA"])
def test_other_lines_are_refused_with_their_number(words, line):
    (words / "c.align").write_text(f"0 10 sil\n{line}\n")
    with pytest.raises(InputError, match=r"c\.align: line 2 is "):
        read_labels(words, "c")
    with pytest.raises(InputError, match=r"d\.align: no such file; --words takes a folder"):
        read_labels(words, "d")


def test_a_mouth_is_closed_in_the_two_frames_after_a_bilabial_begins(words):
    phones = read_phones(words, "a")
    opening = np.ones(50)
    opening[20] = 0.1  # "by" begins at .8 s
    assert closures(opening, TIMES, phones, 0.3) == [True, False]  # not at "bin", which follows a pause; m at 1.4 s
    opening[[20, 35, 38]] = [1, 0.1, 0.1]
    assert closures(opening, TIMES, phones, 0.3) == [False, True]
    opening[35] = 1
    assert closures(opening, TIMES, phones, 0.3) == [False, False]
    rising = np.arange(50.0)
    assert vowel_openings(rising, TIMES, phones) == [30.0]  # AY from 1.0 to 1.2 s
    assert closed_below([rising, rising]) == pytest.approx(4.9 + 0.2 * 39.2)


def test_a_face_that_never_opens_closes_everywhere_and_says_nothing_at_vowels(tiny_dataset, tmp_path):
    clips = tiny_dataset.split("test")
    for clip in clips:
        (tmp_path / f"{clip.name}.align").write_text("0 5000 sil\n5000 10000 at\n10000 15000 by\n")
    faces = {"real": [clip.faces for clip in clips], "still": [np.repeat(clip.faces[:1], 20, 0) for clip in clips]}
    report = evaluate_sounds(clips, faces, tmp_path)
    assert (report["bilabials"], report["vowels"]) == (len(clips), 2 * len(clips))
    assert report["methods"]["real"]["vowel_opening"] == pytest.approx(1)
    assert set(report["methods"]) == {"real", "still"}
    table = format_sounds(report)
    assert table.count("\n") == 5 and len({len(line) for line in table.splitlines()[2:]}) == 1
    (tmp_path / f"{clips[0].name}.align").write_text("0 5000 sil\n")
    for clip in clips:
        (tmp_path / f"{clip.name}.align").write_text("0 5000 sil\n")
    with pytest.raises(InputError, match="no b, p, m or open vowel"):
        evaluate_sounds(clips, faces, tmp_path)
