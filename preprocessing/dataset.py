"""The dataset on disk: a manifest and, for each clip, faces, speech and track."""

import errno
import hashlib
import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from media.reading import SPEECH_FILES, SPEECH_RATE, read_speech
from preprocessing.sources.intervals import safe_name
from preprocessing.split_by_time import DIVIDED_FROM, GAP
from runtime.array_file import ArrayFile
from runtime.errors import InputError
from runtime.files import exclusive, read_json, read_lines, sha256, write_json
from runtime.progress import progress

SCHEMA = 3
SPLITS = ("train", "validation", "test")
SIZES = (32, 64, 128, 256)  # sides of faces in pixels that networks are made for
MORE_CLIPS = f"prepare a video of {DIVIDED_FROM:g} s or more, or more clips, or give --splits"
LEARNED_FROM = ("faces.npy", *SPEECH_FILES.values())  # and the times of the faces
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # what the process lacks; no file is at fault


@dataclass(frozen=True)
class Clip:
    """One clip of a dataset: its folder and its entry in the manifest."""

    folder: Path
    entry: dict

    @property
    def name(self) -> str:
        """Name of the clip, unique in its dataset."""
        return self.entry["name"]

    @cached_property
    def faces(self) -> ArrayFile:
        """Aligned faces, read from disk when they are indexed: uint8 RGB [shape=(frames, size, size, 3)]."""
        return _read(self.folder / "faces.npy", ArrayFile)

    @cached_property
    def times(self) -> np.ndarray:
        """Time of each face in seconds; the speech starts at zero [shape=(frames,)]."""
        return _read(self.folder / "track.npz", lambda path: _arrays(path, ["time"])["time"])

    @cached_property
    def track(self) -> dict[str, np.ndarray]:
        """The arrays of track.npz by name: see docs/formats.md."""
        return _read(self.folder / "track.npz", _arrays)

    @cached_property
    def landmarks(self) -> np.ndarray:
        """Landmarks in pixels of the source frame, left and right as seen in the faces [shape=(frames, 5, 2)]."""
        return _read(self.folder / "track.npz", lambda path: _arrays(path, ["landmarks"])["landmarks"])

    def speech(self, sample_rate: int = SPEECH_RATE) -> np.ndarray:
        """Mono samples in [-1, 1] at 16 or 44.1 kHz [shape=(samples,)]."""
        return read_speech(self.folder / SPEECH_FILES[sample_rate], sample_rate, start=0.0)


def _read(path: str | Path, how: Callable | type) -> Any:
    """What `how` makes of a file of a clip.

    Raises:
        InputError: it is missing or damaged, or cannot be read.
        OSError: the process has no more files to open, or no memory.
    """
    try:
        return how(path)
    except InputError:
        raise
    except (FileNotFoundError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: missing or damaged ({error}); run preprocessing again") from error
    except OSError as error:
        if error.errno in EXHAUSTED:
            raise
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); run preprocessing again") from error


def _arrays(path: str | Path, names: list[str] | None = None) -> dict[str, np.ndarray]:
    """Arrays of an .npz file by name, all if `names` is None."""
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in names or arrays.files}


@dataclass(frozen=True)
class Dataset:
    """A dataset that has been opened: see `open_dataset`."""

    folder: Path
    manifest: dict

    @property
    def size(self) -> int:
        """Side of the face crops in pixels."""
        return self.manifest["size"]

    @property
    def frame_rate(self) -> float:
        """Frames per second of the clips."""
        return self.manifest["fps"]

    @property
    def training_minutes(self) -> float:
        """Minutes of speech in the training clips."""
        clips = (entry for entry in self.manifest["clips"] if entry["split"] == "train")
        return sum(entry["frames_kept"] / entry["fps"] for entry in clips) / 60

    @cached_property
    def fingerprint(self) -> str:
        """Twelve digits of the SHA-256 over names, splits and files of all clips: they change with the data.

        Raises:
            InputError: a file of a clip is damaged or cannot be read.
        """
        digests = {entry["name"]: entry.get("files_sha256") for entry in self.manifest["clips"]}
        if unknown := [name for name, digest in digests.items() if not digest]:  # mirroring was interrupted
            with progress(len(unknown), "clip", "reading files") as bar:
                for name in unknown:
                    digests[name] = files_digest(self.folder / "clips" / name)
                    bar.update(1)
        entries = self.manifest["clips"]
        # The None stood for something once: without it, datasets of before would be other ones.
        clips = sorted([entry["name"], entry["split"], digests[entry["name"]], None] for entry in entries)
        return hashlib.sha256(json.dumps(clips).encode()).hexdigest()[:12]

    @property
    def clips(self) -> list[Clip]:
        """All clips, sorted by name."""
        entries = sorted(self.manifest["clips"], key=lambda entry: entry["name"])
        return [Clip(self.folder / "clips" / entry["name"], entry) for entry in entries]

    def split(self, name: str) -> list[Clip]:
        """The clips of "train", "validation" or "test", sorted by name.

        Raises:
            InputError: the split holds no clip.
        """
        if name not in SPLITS:
            raise InputError(f"{name!r} is not a split; choose one of {', '.join(SPLITS)}")
        clips = [clip for clip in self.clips if clip.entry["split"] == name]
        if not clips:
            raise InputError(f"{self.folder}: {missing_splits(self.manifest)}")
        return clips


def files_digest(folder: Any) -> str:
    """The SHA-256 over all that a clip is learned from: its faces, their times and the speech.

    Args:
        folder: of the clip.

    Raises:
        InputError: a file is damaged or cannot be read.
    """
    folder = Path(folder)
    digests = {name: _read(folder / name, sha256) for name in LEARNED_FROM if (folder / name).exists()}
    digests["time"] = hashlib.sha256(np.ascontiguousarray(Clip(folder, {}).times, np.float64).tobytes()).hexdigest()
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()


def open_dataset(folder: Path) -> Dataset:
    """Opens a dataset written by `python -m preprocessing`.

    Raises:
        InputError: no dataset is there, or it has another schema version.
    """
    folder = Path(folder)
    if not (folder / "manifest.json").is_file():
        raise InputError(f"{folder}: not a dataset (no manifest.json); make one with python -m preprocessing")
    manifest = read_json(folder / "manifest.json")
    if manifest.get("schema") != SCHEMA:
        raise InputError(
            f"{folder}: dataset of schema {manifest.get('schema')}, this version reads {SCHEMA}; prepare it again"
        )
    return Dataset(folder, manifest)


def check_size(dataset: Dataset, size: int, trained: str = "") -> None:
    """Refuses a dataset whose faces have another size than those of a model.

    Args:
        dataset: that the model is to learn from, or to be measured on.
        size: of the model's faces in pixels.
        trained: name of a model that is trained; of another one, --size may be changed.

    Raises:
        InputError: they have.
    """
    if dataset.size != size:
        changed = dataset.size in SIZES and not trained
        remedy = f"give --size {dataset.size}" if changed else f"prepare them with --size {size}"
        model = trained or "the model"
        raise InputError(f"{dataset.folder}: faces of {dataset.size} pixels, {model} has {size}; {remedy}")


def own_dataset(folder: Path) -> Any:
    """Keeps other processes from changing a dataset meanwhile: a context manager.

    Raises:
        InputError: another process changes it.
    """
    return exclusive(folder, f"{folder}: another process is preparing this dataset; wait for it to end")


def write_dataset(folder: Path, size: int, records: Any, refused: list[str]) -> None:
    """Writes the records of all sources as `sources/NAME.json`, and manifest.json, which is made of them.

    Args:
        folder: of the dataset.
        size: side of the face crops in pixels.
        records: of the sources, each with its clips under `clips`; the manifest lists those that have a split.
        refused: a line for each thing that the last run left out, whether it came to be a source or not.
    """
    folder, records = Path(folder), sorted(records, key=lambda record: record["name"])
    for record in records:
        path = folder / "sources" / f"{record['name']}.json"
        if not path.exists() or read_json(path) != record:
            write_json(path, record)
    clips = [clip for record in records for clip in record["clips"] if clip.get("split")]
    clips.sort(key=lambda clip: clip["name"])
    rates = [clip["fps"] for clip in clips]
    manifest = {
        "schema": SCHEMA,
        "fps": max(sorted(set(rates)), key=rates.count) if rates else None,  # the most common one
        "size": size,
        "clips": clips,
        "sources": [{key: value for key, value in record.items() if key != "clips"} for record in records],
        "refused": list(refused),
    }
    write_json(folder / "manifest.json", manifest)


def read_records(folder: Path) -> dict[str, dict[str, Any]]:
    """The records `sources/*.json` of a dataset: a dictionary from the name of a source to its record."""
    paths = sorted(path for path in (Path(folder) / "sources").glob("*.json") if not path.name.startswith("."))
    records = [read_json(path) for path in paths]
    return {record["name"]: record for record in records}


def missing_splits(manifest: dict) -> str | None:
    """A line on the splits that hold no clip, and what to do about it; None where each holds one."""
    clips = manifest["clips"]
    empty = [split for split in SPLITS if not any(clip["split"] == split for clip in clips)]
    if not empty:
        return None
    of_source = Counter()
    for clip in clips:
        of_source[clip["source"]] += clip["end"] - clip["start"]
    seconds, longest = of_source.total(), max(of_source.values(), default=0.0)
    if longest >= DIVIDED_FROM:
        remedy = "too little of the video can be used, or it was prepared with --segments whole; see --report"
    elif seconds < DIVIDED_FROM:
        remedy = (
            f"{DIVIDED_FROM - seconds:.1f} s are missing to {DIVIDED_FROM:g} s: one video of {DIVIDED_FROM:g} s is "
            "divided among all three"
        )
    else:
        remedy = MORE_CLIPS
    needed = "training needs train and validation, evaluation train and one more"
    return f"no clip in {' or '.join(empty)}, and {needed}; {remedy}"


def note_in_clips(folder: Path, note: Callable) -> None:
    """Adds to the entry of each clip what `note`, a function of the entry, gives: a dictionary."""
    records = read_records(folder)
    for record in records.values():
        for clip in record["clips"]:
            clip.update(note(clip))
    manifest = open_dataset(folder).manifest
    write_dataset(folder, manifest["size"], records.values(), manifest["refused"])


def split_by_hash(name: str) -> str:
    """Which split a clip goes to when no lists are given: 80/10/10 by the SHA-256 of its name."""
    tenth = int(hashlib.sha256(name.encode()).hexdigest(), 16) % 10
    return {0: "test", 1: "validation"}.get(tenth, "train")


def fill_empty_splits(records: list) -> None:
    """Gives validation and test a clip each where they have none and training has one to spare.

    A clip that lies nearer than `split_by_time.GAP` to another one of its recording stays where that is.

    Args:
        records: of the sources, in whose clips `split` is changed; training keeps two at the least.
    """
    for split in ("validation", "test"):
        clips = [(clip, record) for record in records for clip in record["clips"]]
        if any(clip["split"] == split for clip, _ in clips):
            continue
        train = sorted((clip for clip, _ in clips if clip["split"] == "train"), key=lambda clip: clip["name"])
        free = [clip for clip, record in clips if clip["split"] == "train" and _stands_alone(clip, record["clips"])]
        if len(train) > 2 and free:
            max(free, key=lambda clip: clip["name"])["split"] = split


def _stands_alone(clip: dict[str, Any], others: list[dict[str, Any]]) -> bool:
    """Whether a clip is at least `split_by_time.GAP` away from the other clips of its source."""
    return all(
        other is clip or other["start"] - clip["end"] >= GAP or clip["start"] - other["end"] >= GAP for other in others
    )


def read_splits(folder: Path) -> dict[str, str]:
    """Reads train.txt, validation.txt and test.txt, one clip name a line.

    Returns:
        dictionary from clip name to split.

    Raises:
        InputError: a list is missing or cannot be read, or a clip stands in two of them.
    """
    split_of = {}
    for split in SPLITS:
        path = Path(folder) / f"{split}.txt"
        if not path.is_file():
            raise InputError(f"{path}: no such file; --splits needs train.txt, validation.txt and test.txt")
        for name in filter(None, map(str.strip, read_lines(path))):
            if split_of.setdefault(safe_name(name), split) != split:
                raise InputError(
                    f"{path}: clip {name} is already in {split_of[safe_name(name)]}.txt; keep it in one list"
                )
    return split_of
