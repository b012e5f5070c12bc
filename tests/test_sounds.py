"""What a mouth does at sounds: timings of words, closures at b, p and m, open vowels, and the table of `evaluate`."""

from types import SimpleNamespace

import numpy as np
import pytest

from audio2faces.evaluate.sounds import evaluate_sounds, format_sounds
from experiments.amount_of_speech import shorter
from experiments.lip_reader import SLOTS, WORDS, Reader, halves, masked_crossentropy, words_of
from measures.sounds import PRONUNCIATIONS, closed_below, closures, read_labels, read_phones, vowel_openings
from preprocessing.faces.alignment import mouth_slices
from runtime.errors import InputError

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
    lines = ["0.0\t0.4\tsil", "0.40\t0.52\tP", "0.52\t0.8\tAA1", "", "0.8\t1\t", "1\t1.1\tM", "1.15\t1.2\tB", "2\t3\tP"]
    (words / "b.txt").write_text("\n".join(lines))
    phones = read_phones(words, "b")
    assert [(p.name, p.start) for p in phones] == [("P", 0.4), ("AA", 0.52), ("M", 1.0), ("B", 1.15), ("P", 2.0)]
    assert [phone.after_pause for phone in phones] == [True, False, True, False, True]  # labels may leave a gap


@pytest.mark.parametrize("line", ["1 2 hello", "one two bin", "12", "1.0 x AA", "1 2 BIN", "1 2 Q1"])
def test_other_lines_are_refused_with_their_number(words, line):
    (words / "c.align").write_text(f"0 10 sil\n{line}\n")
    with pytest.raises(InputError, match=r"c\.align: line 2 is "):
        read_labels(words, "c")
    with pytest.raises(InputError, match=r"d\.align: no such file; --words takes a folder"):
        read_labels(words, "d")


def test_a_mouth_is_closed_in_the_three_frames_from_the_beginning_of_a_bilabial(words):
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


def test_the_clips_of_a_half_are_in_no_other(tiny_dataset):
    one, other = halves(tiny_dataset)
    trained = [{clip.name for clip in half.split("train")} for half in (one, other)]
    assert not trained[0] & trained[1] and trained[0] | trained[1] == {c.name for c in tiny_dataset.split("train")}
    assert [c.name for c in one.split("test")] == [c.name for c in other.split("test")] != []


def test_less_speech_keeps_two_clips_to_choose_by_and_all_to_test_on(tiny_dataset):
    part = shorter(tiny_dataset, 0.05)  # 3 s, clips of .8 s
    assert [len(part.split(split)) for split in ("train", "validation", "test")] == [2, 2, 2]
    assert tiny_dataset.manifest["clips"][0]["split"] == "train"  # a copy was changed


def test_words_of_another_slot_do_not_count():
    logits = np.zeros((1, len(WORDS)), np.float32)
    logits[0, WORDS.index("again")] = 50  # of another slot
    loss = np.asarray(masked_crossentropy(np.array([[0, WORDS.index("lay")]], np.float32), logits))
    assert loss == pytest.approx(np.log(4), abs=1e-4)


def spoken_clip(folder, name, words):
    """A clip of three seconds whose mouth shows a stripe at another place for each word, and its timings."""
    faces = np.full((75, 32, 32, 3), 100, np.uint8)
    rows, columns = mouth_slices(32)
    for slot, word in enumerate(words):
        place = columns.start + 2 * SLOTS[slot].index(word) % (columns.stop - columns.start)
        faces[10 + 10 * slot : 20 + 10 * slot, rows, place : place + 2] = 220
    lines = [f"{10000 + 10000 * slot} {20000 + 10000 * slot} {word}" for slot, word in enumerate(words)]
    (folder / "words" / "data").mkdir(parents=True, exist_ok=True)
    (folder / "words" / "data" / f"{name}.align").write_text("0 10000 sil\n" + "\n".join(lines))
    place = folder / "data" / "clips" / name
    return SimpleNamespace(name=name, folder=place, faces=faces, times=(np.arange(75) + 0.5) / 25)


def test_a_reader_learns_what_mouths_show_and_reads_it_off_others(tmp_path):
    generator = np.random.default_rng(0)

    def clips(count, first):
        return [
            spoken_clip(tmp_path, f"c{first + n}", [slot[generator.integers(min(len(slot), 4))] for slot in SLOTS])
            for n in range(count)
        ]

    learned, others = clips(24, 0), clips(6, 24)
    slots, targets, frames = words_of(learned[0], tmp_path / "words")
    assert list(slots) == list(range(6)) and frames.shape == (6, 16) and frames[0].min() == 7 and frames[0].max() == 21
    assert all(WORDS[target] in slot for target, slot in zip(targets, SLOTS, strict=True))
    reader = Reader(learned, tmp_path / "words", epochs=25)
    right = reader.accuracy(others, [clip.faces for clip in others])[0]
    still = reader.accuracy(others, [np.full((1, 32, 32, 3), 100, np.uint8)] * len(others))[0]
    assert right > 0.7 > 0.5 > still
    (tmp_path / "words" / "data" / "c0.align").write_text("0 10 bin\n10 20 blue\n")
    with pytest.raises(InputError, match="no sentence of GRID: bin blue"):
        words_of(learned[0], tmp_path / "words")
