"""Prepares a dataset from video files; finished clips are kept, so that an interrupted job goes on."""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import av

from .clips import prepare_clip
from .contact_sheet import write_contact_sheet
from .dataset import open_dataset, read_splits, split_by_hash, write_manifest
from .detection import MtcnnDetector
from .files import make_folder, sha256
from .program import InputError, progress

VIDEO_SUFFIXES = {".mp4", ".mkv", ".mpg", ".mpeg", ".mov", ".avi", ".webm", ".m4v", ".flv", ".wmv", ".ts"}
MANIFEST_SECONDS = 5.0  # how old the manifest may grow while clips are being finished


@dataclass
class Report:
    """What a preparation did: clips made, clips that were there already, and a line for each source left out."""

    made: int = 0
    kept: int = 0
    failed: list = field(default_factory=list)


def find_videos(sources):
    """The video files named by `sources` (files, or folders whose videos are taken), each once, sorted by name.

    Raises:
        InputError: a source does not exist, a folder holds no video, or two files share a name.
    """
    found = {}
    for source in map(Path, sources):
        if source.is_dir():
            videos = sorted(path for path in source.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
            if not videos:
                raise InputError(f"{source}: no video in this folder; expected {' '.join(sorted(VIDEO_SUFFIXES))}")
        elif source.exists():
            videos = [source]
        else:
            raise InputError(f"{source}: no such file or folder")
        for video in videos:
            other = found.setdefault(video.stem, video)
            if other.resolve() != video.resolve():
                raise InputError(f"{video} and {other} have the same name; rename one, clips are named by their file")
    return [found[name] for name in sorted(found)]


def prepare_dataset(sources, folder, splits=None, size=64, licence="not stated", detector=None):
    """Turns videos into a dataset (see docs/formats.md) or adds to one.

    Args:
        sources: video files and folders of videos.
        folder: the dataset's folder, made where missing.
        splits: folder with train.txt, validation.txt and test.txt, or None for 80/10/10 by a hash of the name.
        size: side of the face crops in pixels.
        licence: a note on the licence of the videos, kept in the manifest.
        detector: as in `tracking.track_face`; None for MTCNN.

    Returns:
        (dataset, report).

    Raises:
        InputError: the sources or the split lists are at fault, the folder holds a dataset of another size, or not
            one source gave a clip.
    """
    videos = find_videos(sources)
    split_of = read_splits(splits) if splits else None
    make_folder(Path(folder) / "clips")
    folder = Path(folder)
    entries = _entries_so_far(folder, size)
    detector = detector or MtcnnDetector()
    report = Report()
    written = time.monotonic()
    try:
        with progress(len(videos), "clip", "preparing") as bar:
            for video in videos:
                name, clip_folder = video.stem, folder / "clips" / video.stem
                try:
                    split = split_by_hash(name) if split_of is None else split_of.get(name)
                    if split is None:
                        raise InputError(f"{video}: {name} is in none of the lists in {splits}; add it to one")
                    if _is_done(entries.get(name), clip_folder, video):
                        entries[name].update(split=split, licence=licence)
                        report.kept += 1
                    else:
                        entry = prepare_clip(video, clip_folder, size, detector)
                        entries[name] = {"name": name, **entry, "split": split, "licence": licence}
                        report.made += 1
                except (InputError, av.error.FFmpegError) as error:
                    entries.pop(name, None)  # what it was before is no longer what the source says
                    report.failed.append(str(error))
                    print(f"left out: {error}", file=sys.stderr)
                if time.monotonic() - written > MANIFEST_SECONDS:
                    write_manifest(folder, size, entries.values())
                    written = time.monotonic()
                bar.update(1)
    finally:
        if entries or (folder / "manifest.json").exists():
            write_manifest(folder, size, entries.values())
    if not entries:
        raise InputError(f"{folder}: none of the {len(videos)} sources gave a clip; the reasons stand above")
    dataset = open_dataset(folder)
    write_contact_sheet(dataset)
    return dataset, report


def _entries_so_far(folder, size):
    if not (folder / "manifest.json").exists():
        return {}
    dataset = open_dataset(folder)
    if dataset.size != size:
        raise InputError(f"{folder}: holds faces of {dataset.size} pixels, {size} were asked for; choose another --out")
    return {entry["name"]: entry for entry in dataset.manifest["clips"]}


def _is_done(entry, clip_folder, video):
    return entry is not None and (clip_folder / "faces.npy").is_file() and entry["sha256"] == sha256(video)
