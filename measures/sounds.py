"""What a mouth does at sounds that show: it closes at b, p and m, and opens at open vowels.

Timings come from a file for each clip, lines of start, end and label: in 1/25000 s, as GRID has them (`.align`), or in
seconds, as Audacity writes its labels (`.txt`). A label is a phone of ARPAbet (B, IH1, N), or a word of GRID's 51; the
phones of a word share its time evenly.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime.errors import InputError

UNITS = {".align": 25000, ".txt": 1}  # of a second, by the suffix of the file
GAP = 0.1  # seconds without a label from which there is a pause
PAUSES = ("sil", "sp", "spn", "")
BILABIALS = ("B", "P", "M")
OPEN_VOWELS = ("AA", "AE", "AO", "AW", "AY")
_PHONES = "AA AE AH AO AW AX AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH"
ARPABET = frozenset(_PHONES.split())
CLOSING = 0.08  # seconds from the beginning of a bilabial in which the lips meet
CLOSED = 0.2  # of the way from the 10th to the 90th percentile of the real openings

PRONUNCIATIONS = {
    word: phones.split()
    for word, phones in (
        line.split(" ", 1)
        for line in """\
a EY|b B IY|c S IY|d D IY|e IY|f EH F|g JH IY|h EY CH|i AY|j JH EY|k K EY|l EH L|m EH M|n EH N|o OW|p P IY|q K Y UW
r AA R|s EH S|t T IY|u Y UW|v V IY|x EH K S|y W AY|z Z EH D|bin B IH N|lay L EY|place P L EY S|set S EH T|blue B L UW
green G R IY N|red R EH D|white W AY T|at AE T|by B AY|in IH N|with W IH DH|zero Z IH R OW|one W AH N|two T UW
three TH R IY|four F AO R|five F AY V|six S IH K S|seven S EH V AH N|eight EY T|nine N AY N|again AH G EH N|now N AW
please P L IY Z|soon S UW N""".replace("\n", "|").split("|")
    )
}


@dataclass(frozen=True)
class Phone:
    """A sound of a clip.

    Attributes:
        name: of ARPAbet, without stress.
        start: in seconds.
        end: the same.
        after_pause: whether nothing was said just before.
    """

    name: str
    start: float
    end: float
    after_pause: bool


def read_labels(folder: Path, clip: str) -> list[tuple[float, float, str]]:
    """The lines of a clip's timings: start and end in seconds, label.

    Args:
        folder: with a file of timings for each clip, named as the clip is.
        clip: its name.

    Raises:
        InputError: there is no such file, or it has other lines.
    """
    paths = [folder / f"{clip}{suffix}" for suffix in UNITS]
    path = next(filter(Path.is_file, paths), None)
    if not path:
        raise InputError(f"{paths[0]}: no such file; --words takes a folder with the timings of each clip")
    labels = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        try:
            first, last, *label = line.split(maxsplit=2)
            start, end = (float(time) / UNITS[path.suffix] for time in (first, last))
            labels.append((start, end, "".join(label).strip()))
            _phones_of(labels[-1][2])
        except (ValueError, KeyError) as error:
            raise InputError(
                f"{path}: line {number} is {line.strip()!r}; give start, end, and a word of GRID or a phone of ARPAbet"
            ) from error
    return labels


def read_phones(folder: Path, clip: str) -> list[Phone]:
    """The phones of a clip; arguments and errors as for `read_labels`."""
    phones: list[Phone] = []
    pause, before = True, 0.0
    for start, end, label in read_labels(folder, clip):
        names = _phones_of(label)
        pause, before = pause or start - before > GAP, end
        length = (end - start) / max(len(names), 1)
        for place, name in enumerate(names):
            begin = start + place * length
            phones.append(Phone(name, begin, begin + length, pause and not place))
        pause = not names
    return phones


def _phones_of(label: str) -> list[str]:
    """Phones without stress of a label, none of a pause; KeyError for an unknown word."""
    if label.lower() in PAUSES:
        return []
    phone = label.rstrip("012")
    return [phone] if phone in ARPABET else PRONUNCIATIONS[label]


def closed_below(real: Iterable[np.ndarray]) -> float:
    """Opening below which a mouth is closed.

    Args:
        real: openings of real clips [shape=(frames,) each].
    """
    low, high = np.quantile(np.concatenate(list(real)), [0.1, 0.9])
    return float(low + CLOSED * (high - low))


def closures(opening: np.ndarray, times: np.ndarray, phones: Sequence[Phone], threshold: float) -> list[bool]:
    """Whether the mouth closes at each bilabial of a clip that does not follow a pause, where it is closed anyway.

    Args:
        opening: of each frame [shape=(frames,)].
        times: of the frames, in seconds [shape=(frames,)].
        phones: of the clip.
        threshold: `closed_below`.
    """
    found = []
    for phone in phones:
        if phone.name in BILABIALS and not phone.after_pause:
            within = opening[_frames(times, phone.start, phone.start + CLOSING)]
            if len(within):
                found.append(bool(within.min() < threshold))
    return found


def vowel_openings(opening: np.ndarray, times: np.ndarray, phones: Sequence[Phone]) -> list[float]:
    """Widest opening during each open vowel of a clip; arguments as in `closures`."""
    within = [opening[_frames(times, p.start, p.end)] for p in phones if p.name in OPEN_VOWELS]
    return [float(values.max()) for values in within if len(values)]


def _frames(times: np.ndarray, start: float, end: float) -> slice:
    """Frames between two times, half a frame more on both sides."""
    half = np.median(np.diff(times)) / 2 if len(times) > 1 else 0.0
    return slice(*np.searchsorted(times, [start - half, end + half]))
