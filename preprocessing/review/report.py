"""What is in a dataset, in words and in one picture, for a person who judges whether it is good to learn from."""

from collections import Counter
from typing import Any

import numpy as np

from media.sound import ENDS_EARLY, SILENT
from preprocessing.dataset import SPLITS, Dataset, missing_splits
from preprocessing.faces.alignment import TEMPLATE
from preprocessing.review.people import format_people, two_people
from preprocessing.review.survey import survey_dataset

LEAST_TRAINING_MINUTES = 3.0  # with less the mouth follows the speech less well
MOST_DROPPED = 0.05  # share of the frames; above it look for the cause
MOST_SEVERAL_FACES = 0.1  # share of the frames; above it the largest face may often be another person's
LARGEST_BRIGHTNESS_DIFFERENCE = 20.0  # of 255; the clips of one GRID speaker differ by 10
QUANTITY_NAMES = {  # with the number of digits after the point
    "yaw": ("yaw (eye distances, 0 frontal)", 2),
    "pitch": ("pitch (eye distances, 1.1 frontal)", 2),
    "brightness": ("brightness (0 black, 255 white)", 0),
    "eye_distance": ("eye distance (pixels of the source)", 0),
}


def write_report(dataset: Dataset) -> None:
    """Prints what is in a dataset and writes report.png; ends with what looks wrong and the name of the picture.

    Args:
        dataset: a `dataset.Dataset`; clips that cannot be read are left out and named.

    Raises:
        InputError: no clip can be read, or the picture cannot be written.
    """
    from preprocessing.review.report_picture import draw_report  # matplotlib takes a second to import

    survey = survey_dataset(dataset)
    lines = [
        *_head(dataset),
        "",
        *_table_of_splits(dataset, survey),
        "",
        *_what_was_left_out(dataset, survey),
        "",
        *_table_of_quantities(survey),
        "",
        *(f"warning: {line}" for line in find_warnings(dataset, survey)),
    ]
    print("\n".join(lines))
    path = dataset.folder / "report.png"
    draw_report(path, survey, *count_frames(dataset))
    print(f"wrote {path}")


def count_frames(dataset: Dataset) -> tuple[int, Counter]:
    """(frames kept, Counter of frames dropped by reason) over all clips of the manifest."""
    dropped = Counter()
    for entry in dataset.manifest["clips"]:
        dropped.update(entry["frames_dropped"])
    return sum(entry["frames_kept"] for entry in dataset.manifest["clips"]), dropped


def find_warnings(dataset: Dataset, survey: Any) -> list[str]:
    """What looks wrong in a dataset, a line each, with its remedy.

    Args:
        dataset: a `dataset.Dataset`.
        survey: its `survey.Survey`.
    """
    entries = dataset.manifest["clips"]
    warnings = []
    if survey.damaged:
        warnings.append(
            f"{len(survey.damaged)} of {len(entries)} clips cannot be read; delete their folders and prepare again"
        )
    if missing := missing_splits(dataset.manifest):
        warnings.append(missing)
    minutes = survey.seconds("train") / 60
    if minutes < LEAST_TRAINING_MINUTES:
        warnings.append(
            f"{minutes:.1f} minutes of speech to train on: with less than {LEAST_TRAINING_MINUTES:g} the mouth follows "
            "less well; add videos of the same speaker"
        )
    kept, dropped = count_frames(dataset)
    frames = kept + dropped.total()
    if dropped.total() > MOST_DROPPED * frames:
        ((reason, count),) = dropped.most_common(1)
        warnings.append(
            f"{_share(dropped.total(), frames)} of the frames are dropped, mostly as {reason} ({count}); "
            "cut the videos to where the speaker faces the camera"
        )
    several = sum(entry["frames_with_several_faces"] for entry in entries)
    if several > MOST_SEVERAL_FACES * frames:
        warnings.append(
            f"{_share(several, frames)} of the frames show several faces; look at preview.mp4 whether it is always "
            "the speaker's, or prepare with --segments speech"
        )
    warnings += find_doubtful_clips(entries)
    for split in SPLITS[1:]:
        brightness = [survey.values("brightness", name) for name in ("train", split)]
        if all(map(len, brightness)):
            training, other = (values.mean() for values in brightness)
            if abs(training - other) > LARGEST_BRIGHTNESS_DIFFERENCE:
                warnings.append(
                    f"brightness differs between train ({training:.0f}) and {split} ({other:.0f}); "
                    "draw both from the same recordings"
                )
    looks = np.stack([of_clip.look for of_clip in survey.measures])
    if people := format_people(two_people([of_clip.name for of_clip in survey.measures], looks)):
        warnings.append(people)
    elif unlike := survey.unlike_others():
        name, how = next(iter(unlike.items()))
        warnings.append(
            f"{len(unlike)} of {len(survey.measures)} clips look unlike the others (the first: {name}, {how}): another "
            "camera, light or person; look at contact_sheet.png, and prepare them as a dataset of their own"
        )
    of_crop = (TEMPLATE[1, 0] - TEMPLATE[0, 0]) * dataset.size
    if (of_source := survey.values("eye_distance").mean()) < of_crop:
        warnings.append(
            f"faces are enlarged: their eyes are {of_source:.0f} pixels apart in the source, {of_crop:.0f} in the "
            "crop; give videos with a larger face, or a smaller --size"
        )
    return warnings


def find_doubtful_clips(entries: list[dict[str, Any]]) -> list[str]:
    """What speaks against clips by their entries in the manifest alone, a line for each kind, with its remedy."""
    warnings = []
    if cut := [entry for entry in entries if entry.get("cuts")]:
        count = sum(entry["cuts"] for entry in cut)
        warnings.append(
            f"{count} cuts within {len(cut)} clips (the first: {cut[0]['name']}), and a clip is to show one person in "
            "one scene; prepare with --segments speech, which parts them"
        )
    for what in (SILENT, ENDS_EARLY):
        if wrong := [entry["name"] for entry in entries if what in entry["damage"]]:
            warnings.append(
                f"{what} in {len(wrong)} clips (the first: {wrong[0]}); leave them out, or give their sound another way"
            )
    return warnings


def _head(dataset: Dataset) -> list[str]:
    entries, sources = dataset.manifest["clips"], dataset.manifest["sources"]
    rates = Counter(entry["fps"] for entry in entries)
    shown = ", ".join(f"{rate:g} frames/s" + f" ({count} clips)" * (len(rates) > 1) for rate, count in rates.items())
    fetched = Counter(source.get("fetched", "local files") for source in sources)
    return [
        f"{dataset.folder}: {len(entries)} clips of {len(sources)} sources",
        f"faces of {dataset.size} pixels, {shown}",
        "sources: " + "; ".join(f"{how} ({count})" for how, count in fetched.items()),
    ]


def _table_of_splits(dataset: Dataset, survey: Any) -> list[str]:
    lines = [f"{'split':12} clips  minutes  frames"]
    totals = [0, 0.0, 0]
    for split in SPLITS:
        entries = [entry for entry in dataset.manifest["clips"] if entry["split"] == split]
        row = [len(entries), survey.seconds(split) / 60, sum(entry["frames_kept"] for entry in entries)]
        totals = [total + value for total, value in zip(totals, row, strict=True)]
        lines.append(_row(split, row))
    return [*lines, _row("all", totals)]


def _row(name: str, numbers: list[Any]) -> str:
    clips, minutes, frames = numbers
    return f"{name:12} {clips:5}  {minutes:7.1f}  {frames:6}"


def _what_was_left_out(dataset: Dataset, survey: Any) -> list[str]:
    entries, sources = dataset.manifest["clips"], dataset.manifest["sources"]
    kept, dropped = count_frames(dataset)
    frames = kept + dropped.total()
    lines = [f"frames dropped: {dropped.total()} of {frames} ({_share(dropped.total(), frames)})"]
    lines += [f"  {reason}: {count} ({_share(count, frames)})" for reason, count in dropped.most_common()]
    seconds = Counter()
    for source in sources:
        seconds.update(source["seconds_not_kept"])
    if seconds:
        lines.append(f"seconds not kept of the sources: {seconds.total():.1f}")
        lines += [f"  {reason}: {count:.1f}" for reason, count in seconds.most_common()]
    damage = Counter()
    for entry in entries:
        damage.update(entry["damage"])
    lines += [f"damage: {what} ({count})" for what, count in damage.most_common()]
    several = [entry["frames_with_several_faces"] for entry in entries if entry["frames_with_several_faces"]]
    lines.append(f"clips with several faces: {len(several)} ({sum(several)} frames)")
    if mirrored := sum(bool(entry.get("mirrored")) for entry in entries):
        lines.append(f"clips mirrored back: {mirrored}")
    lines += [f"skipped: {line}" for source in sources for line in source["left_out"]]
    return lines + [f"cannot be read: {line}" for line in survey.damaged]


def _table_of_quantities(survey: Any) -> list[str]:
    rows = [("length of a clip (seconds of speech)", np.array([of_clip.seconds for of_clip in survey.measures]), 1)]
    rows += [(name, survey.values(quantity), digits) for quantity, (name, digits) in QUANTITY_NAMES.items()]
    lines = [f"{'':37}    mean     5 %    95 %"]
    for name, values, digits in rows:
        numbers = [values.mean(), *np.percentile(values, [5, 95])]
        lines.append(f"{name:37}" + "".join(f" {number:7.{digits}f}" for number in numbers))
    return lines


def _share(part: int, whole: int) -> str:
    return f"{100 * part / max(whole, 1):.1f} %"
