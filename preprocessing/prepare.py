"""Prepares a dataset from sources; what is finished is kept, so that an interrupted job goes on."""

import math
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from media.reading import video_info
from preprocessing.clips import Settings, SourceTask, clip_names, content_hash, name_stems, prepare_source
from preprocessing.dataset import (
    SPLITS,
    Dataset,
    fill_empty_splits,
    open_dataset,
    own_dataset,
    read_records,
    read_splits,
    split_by_hash,
    write_dataset,
)
from preprocessing.review.contact_sheet import write_contact_sheet
from preprocessing.review.preview import write_preview
from preprocessing.scheduling import run_tasks
from preprocessing.sources.download import fetch
from preprocessing.sources.intervals import overlapping, safe_name, without_times
from preprocessing.sources.listing import Source, identity, is_url, read_sources, url_name
from preprocessing.split_by_time import DIVIDED_FROM, TOLERANCE
from runtime.errors import InputError
from runtime.files import make_folder
from runtime.interrupts import raise_if_interrupted
from runtime.progress import progress

PREPARED = Path("data")  # folder of the datasets that training makes of videos
MEGABYTE = 1_000_000
LARGE = 500 * MEGABYTE  # bytes of a source, to read which takes seconds


@dataclass
class Report:
    """What a preparation did: sources made, sources that were there already, and a line for each thing left out."""

    made: int = 0
    kept: int = 0
    failed: list = field(default_factory=list)

    def leave_out(self, line: str) -> None:
        """Notes and shows a line on what was left out."""
        self.failed.append(line)
        print(f"skipped: {line}", file=sys.stderr)


def prepare_dataset(
    sources: Any,
    folder: Path,
    splits: Path | None = None,
    settings: Settings | None = None,
    licence: str = "not stated",
    workers: int = 1,
    cluster: Any = None,
    downloader: str = "auto",
    intervals: tuple = (),
) -> tuple[Dataset, Report]:
    """Turns videos into a dataset (see docs/formats.md) or adds to one.

    Args:
        sources: what `sources.listing.read_sources` takes: video files, folders, addresses, lists.
        folder: the dataset's folder, made where missing.
        splits: folder with train.txt, validation.txt and test.txt; None for 80/10/10, by time in recordings of
            `split_by_time.DIVIDED_FROM` or more and by a hash of the name in others. A clip that has a split keeps it
            then.
        settings: a `clips.Settings`; None for the default.
        licence: a note on the licence of the videos, kept in the manifest.
        workers: number of processes; with 1, everything happens in this one.
        cluster: address of a Dask scheduler, as in `scheduling.run_tasks`.
        downloader: as in `download.fetch`.
        intervals: (start, end) in seconds, the parts to take of the only source; () for all of it.

    Returns:
        (dataset, report).

    Raises:
        InputError: the sources or the split lists are at fault, the folder holds a dataset of another kind or is being
            written by another process, or not one source gave a clip.
    """
    settings = settings or Settings()
    found, refused = read_sources(sources)
    if intervals:
        if len(found) != 1:
            raise InputError(f"intervals go with one video, {len(found)} were given; write them into a list")
        for index, interval in enumerate(intervals):
            if overlapping(interval, intervals[:index]):
                raise InputError(
                    f"the interval from {interval[0]:g} to {interval[1]:g} s overlaps one before; leave one"
                )
        found = [replace(found[0], intervals=tuple(sorted(intervals)))]
    split_of = read_splits(splits) if splits else None
    folder = make_folder(folder)
    with own_dataset(folder):
        return _prepare(found, refused, folder, split_of, settings, licence, workers, cluster, downloader)


def open_or_prepare(sources: Any, size: int | None = None) -> Dataset:
    """Opens a dataset, or makes one of videos in data/NAME: what is prepared already is kept.

    Args:
        sources: folder of a dataset, or what `prepare_dataset` takes: one or several.
        size: side of the faces of videos in pixels; None for the default.

    Raises:
        InputError: as `open_dataset` and `prepare_dataset`.
    """
    sources = [sources] if isinstance(sources, str | Path) else list(sources)
    datasets = [source for source in sources if (Path(source) / "manifest.json").is_file()]
    if len(sources) == 1 and datasets:
        return open_dataset(Path(sources[0]))
    for source in sources:
        if not is_url(str(source)) and not Path(source).exists():
            raise InputError(f"{source}: no such file or folder; give videos, or a dataset of python -m preprocessing")
    if datasets:
        raise InputError(f"{datasets[0]}: this is a dataset; give one dataset, or videos alone")
    settings = Settings() if size is None else Settings(size=size)
    names = [url_name(str(source)) if is_url(str(source)) else Path(source).resolve().stem for source in sources]
    folder = PREPARED / safe_name("+".join(names))
    folder = folder if settings == Settings() else folder.with_name(f"{folder.name}-{settings.size}")
    given = {identity(source.location) for source in read_sources(sources)[0]}
    for record in read_records(folder).values():
        if identity(record["location"]) not in given:
            raise InputError(
                f"{folder}: made of other videos, such as {record['location']}; give this folder itself, or prepare "
                "these videos by python -m preprocessing with another --out"
            )
    dataset, report = prepare_dataset(sources, folder, settings=settings)
    print(describe(dataset, report), file=sys.stderr)
    return dataset


def describe(dataset: Dataset, report: Report) -> str:
    """What a preparation did, in two lines."""
    entries = dataset.manifest["clips"]
    faces = sum(entry["frames_kept"] for entry in entries)
    dropped = sum(sum(entry["frames_dropped"].values()) for entry in entries)
    damaged = sum(bool(entry["damage"]) for entry in entries)
    sizes = {split: sum(entry["split"] == split for entry in entries) for split in SPLITS}
    return (
        f"wrote {dataset.folder}: {len(entries)} clips (from {report.made} new and {report.kept} kept sources, "
        f"{len(report.failed)} skipped), {faces} faces, {dropped} frames dropped, {damaged} clips with damage\n"
        "splits: " + ", ".join(f"{split} {size}" for split, size in sizes.items())
    )


def _prepare(
    found: list[Source],
    refused: list,
    folder: Path,
    split_of: dict[str, str] | None,
    settings: Settings,
    licence: str,
    workers: int,
    cluster: str | None,
    downloader: str,
) -> tuple[Dataset, Report]:
    report = Report()
    for line in refused:
        report.leave_out(line)
    for name in ("clips", "sources"):
        make_folder(folder / name)
    records = _records_so_far(folder, settings.size)
    _remove_leftovers(folder)
    tasks, accepted, there = [], [], _There(records.values())
    try:
        for source in found:
            try:
                task = _task(source, folder, settings, downloader, split_of, there, report)
            except InputError as error:
                raise_if_interrupted()
                report.leave_out(str(error))
                continue
            except (PermissionError, FileNotFoundError) as error:
                report.leave_out(f"{error.filename}: {error.strerror}; give a file that can be read")
                continue
            accepted.append(source.name)
            if _is_done(records.get(task.name), task):
                report.kept += 1
                for line in records[task.name]["left_out"]:
                    report.leave_out(line)
            else:
                tasks.append(task)
                there.add({**vars(task), "settings": vars(task.settings)})
        for task, result in _run(tasks, workers, cluster):
            if isinstance(result, InputError):
                report.leave_out(f"{task.location}: {result}")
                continue
            _remove_clips(folder, records.get(task.name), result)
            records[task.name] = result
            report.made += 1
            for line in result["left_out"]:
                report.leave_out(line)
    finally:
        _remove_leftovers(folder)
        named = {source.name for source in found}
        for name, record in records.items():
            if name in named or any("split" not in clip for clip in record["clips"]):
                _assign(record, split_of, licence)
        if split_of is None:
            fill_empty_splits(list(records.values()))
        for name in accepted:
            for clip in records[name]["clips"] if name in records else []:
                if clip["split"] is None:
                    report.leave_out(f"{clip['name']}: this clip is in none of the lists of --splits; add it to one")
        if records or (folder / "manifest.json").exists():
            write_dataset(folder, settings.size, records.values(), report.failed)
    dataset = open_dataset(folder)
    if not dataset.manifest["clips"]:
        raise InputError(f"{folder}: none of the {len(found)} sources gave a clip; the reasons stand above")
    write_contact_sheet(dataset)
    write_preview(dataset)
    return dataset, report


def _remove_leftovers(folder: Path) -> None:
    """Removes what killed jobs and workers left half made; nobody else writes into the dataset meanwhile."""
    for leftover in (folder / "clips").glob(".*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _records_so_far(folder: Path, size: int) -> dict[str, dict[str, Any]]:
    """The records of the sources that were prepared before, by name."""
    if (folder / "manifest.json").exists():
        open_dataset(folder)  # of this schema, or an error
    records = read_records(folder)
    for record in records.values():
        if record["settings"]["size"] != size:
            raise InputError(
                f"{folder}: holds faces of {record['settings']['size']} pixels, {size} were requested; "
                "choose another --out"
            )
    return records


class _There:
    """The sources that are in a dataset or on their way into it, as records: what they hold, how their clips are named.

    A clip is named by its source or interval, alone or with its times behind; no two sources may give one name.
    """

    def __init__(self, records: Any) -> None:
        self.records = {}
        self._by_content = defaultdict(list)
        self._names, self._stems, self._timed = {}, {}, {}  # of clips, each with the name of a source
        for record in records:
            self.add(record)

    def add(self, record: dict) -> None:
        """Adds a record."""
        self.records[record["name"]] = record
        self._by_content[record["sha256"]].append(record["name"])
        names, stems = _claims(record)
        self._names.update(dict.fromkeys(names, record["name"]))
        self._stems.update(dict.fromkeys(stems, record["name"]))
        self._timed.update({without_times(name): record["name"] for name in names if without_times(name) != name})

    def others_of(self, digest: str, name: str) -> list:
        """Records of the same content under other names."""
        return [self.records[other] for other in dict.fromkeys(self._by_content[digest]) if other != name]

    def clash(self, record: dict[str, str]) -> Any:
        """(a name or its beginning, the other source's location) where clips of both may have one name; or None."""
        names, stems = _claims(record)
        claimed = [(name, self._names.get(name)) for name in names]
        claimed += [(name, self._stems.get(without_times(name))) for name in names if without_times(name) != name]
        claimed += [(stem, owner.get(stem)) for stem in stems for owner in (self._stems, self._timed)]
        owners = [(name, owner) for name, owner in claimed if owner not in (None, record["name"])]
        return (owners[0][0], self.records[owners[0][1]]["location"]) if owners else None


def _claims(record: dict) -> tuple:
    """(names, beginnings of names with times) of the clips of a source."""
    arguments = record["name"], tuple(map(tuple, record["intervals"])), tuple(record.get("names", ()))
    if record["settings"]["segments"] == "speech":
        return set(), set(name_stems(*arguments))
    return set(clip_names(*arguments)), set()


def _task(
    source: Source,
    folder: Path,
    settings: Any,
    downloader: str,
    split_of: dict[str, str] | None,
    there: Any,
    report: Report,
) -> SourceTask:
    """What is to be done for a source; one from the web is fetched.

    Raises:
        InputError: it cannot be had, stands in none of the split lists, or is there already under another name.
    """
    stems = name_stems(source.name, source.intervals, source.names)
    if split_of is not None and not any(_listed(name, stem) for name in split_of for stem in stems):
        raise InputError(f"{source.location}: {source.name} is in none of the lists of --splits; add it to one")
    picture = sound = source.location
    details = {}
    if source.is_url:
        fetched = _fetch(source.location, folder / "downloads", downloader)
        picture, sound = str(fetched.picture), str(fetched.sound)
        stated = {"title": fetched.title, "uploader": fetched.uploader, "site_licence": fetched.licence}
        details = {"fetched": fetched.note} | {key: value for key, value in stated.items() if value}
    digest = _content_hash(source, picture, sound)
    before = there.records.get(source.name)
    if before and identity(before["location"]) != identity(source.location) and before["sha256"] != digest:
        raise InputError(f"{source.location}: the name {source.name} is taken by {before['location']}; rename one")
    source = _without_what_is_there(source, there.others_of(digest, source.name), report)
    task = SourceTask(
        str(folder),
        source.name,
        source.location,
        picture,
        sound,
        digest,
        source.intervals,
        replace(settings, segments=_segments(settings.segments, source.intervals, picture)),
        details,
        source.names,
        divided=split_of is None,
    )
    if clash := there.clash({**vars(task), "settings": vars(task.settings)}):
        raise InputError(f"{source.location}: a clip {clash[0]} may come of {clash[1]}, too; rename one of the two")
    return task


def _segments(segments: str, intervals: tuple, picture: str) -> str:
    """How a source is cut: as it is asked for; "auto" into its speaking parts where it, or an interval, is long."""
    if segments != "auto":
        return segments
    longest = max((end - start for start, end in intervals), default=0.0) or _duration(picture)
    return "speech" if longest >= DIVIDED_FROM - TOLERANCE else "whole"


def _listed(name: str, stem: str) -> bool:
    """Whether a name in the lists of --splits may be that of a clip whose name begins with a stem."""
    return name == stem or without_times(name) == stem


def _without_what_is_there(source: Source, others: list, report: Report) -> Source:
    """The source without the intervals that overlap those of `others`, records of the same content.

    Raises:
        InputError: nothing is left.
    """
    intervals, names = [], []
    for interval, name in zip(source.intervals, source.names or (None,) * len(source.intervals), strict=True):
        there = [other["name"] for other in others if other["intervals"] and overlapping(interval, other["intervals"])]
        if there:
            written = "-".join(f"{seconds:g}" for seconds in interval)
            report.leave_out(
                f"{source.location}: {written} s of this video are there already as {there[0]}; leave them out"
            )
        else:
            intervals.append(interval)
            names.append(name)
    for other in others:
        if not intervals or not other["intervals"]:
            raise InputError(f"{source.location}: the same video is there already as {other['name']}; remove one")
    return replace(source, intervals=tuple(intervals), names=tuple(names) if source.names else ())


def _content_hash(source: Source, picture: str, sound: str) -> str:
    size = sum(Path(path).stat().st_size for path in {picture, sound})
    if size < LARGE:
        return content_hash(picture, sound)
    with progress(size // MEGABYTE, "MB", f"reading {source.location}") as bar:
        done = 0

        def advance(count: Any) -> None:
            nonlocal done
            bar.update((done + count) // MEGABYTE - done // MEGABYTE)
            done += count

        return content_hash(picture, sound, advance)


def _fetch(url: str, folder: Path, downloader: str) -> Any:
    with progress(None, "MB", f"fetching {url}") as bar:
        done = 0

        def show(bytes_done: int, bytes_total: int) -> None:
            nonlocal done
            bar.total = bytes_total and round(bytes_total / 1e6)
            bar.update(bytes_done // 1_000_000 - done)
            done = bytes_done // 1_000_000

        return fetch(url, folder, downloader, progress=show)


def _is_done(record: dict[str, Any] | None, task: SourceTask) -> bool:
    """Whether a record tells of the same content, prepared in the same way, and its clips are there."""
    if record is None or record["sha256"] != task.sha256 or record["again"]:
        return False
    before = record["settings"], record["intervals"], record.get("names", [])
    same = before == (asdict(task.settings), [list(i) for i in task.intervals], list(task.names))
    clips = Path(task.dataset) / "clips"
    return same and all((clips / clip["name"] / "faces.npy").is_file() for clip in record["clips"])


def _remove_clips(folder: Path, before: dict[str, Any] | None, after: dict[str, Any]) -> None:
    """Removes the clips that a source gave before and gives no longer."""
    names = {clip["name"] for clip in after["clips"]}
    for clip in before["clips"] if before else []:
        if clip["name"] not in names:
            shutil.rmtree(folder / "clips" / clip["name"], ignore_errors=True)


def _run(tasks: list[SourceTask], workers: int, cluster: str | None) -> Iterator[Any]:
    """The tasks and their results as they are done, with a progress bar in seconds of video."""
    if not tasks:
        return
    lengths = {task.name: _seconds(task) for task in tasks}
    with progress(_begun(sum(lengths.values())) or None, "second", "video prepared") as bar:
        done = shown = 0.0

        def advance(seconds: float) -> None:
            nonlocal done, shown
            done += seconds
            bar.update(_begun(done) - _begun(shown))
            shown = done

        if workers > 1 or cluster:
            for task, result in run_tasks(prepare_source, tasks, workers, cluster):
                advance(lengths[task.name])
                yield task, result
        else:
            for task in tasks:
                before = done
                result = prepare_source(task, advance)
                advance(max(0.0, before + lengths[task.name] - done))
                yield task, result


def _begun(seconds: float) -> int:
    """The number of seconds that have begun in so many, whatever rounding errors they have."""
    return math.ceil(seconds - 1e-6)


def _seconds(task: SourceTask) -> float:
    return sum(end - start for start, end in task.intervals) or _duration(task.picture)


def _duration(picture: str) -> float:
    """Seconds of a video; 0 of one that does not say, or cannot be read."""
    try:
        return video_info(picture).duration or 0.0
    except InputError:
        return 0.0


def _assign(record: dict[str, Any], split_of: dict[str, str] | None, licence: str) -> None:
    """Notes split and licence in each clip of a record.

    Without lists a clip keeps the split it has. The clips of a recording that is not divided among the splits go to
    one of them together: they are neighbours in time.
    """
    for clip in record["clips"]:
        if split_of is None:
            split = clip.get("split") or clip.get("block") or split_by_hash(record["clips"][0]["name"])
        else:
            names = clip["name"], without_times(clip["name"]), record["name"]
            split = next((split_of[name] for name in names if name in split_of), None)
        clip.update(split=split, licence=licence)
