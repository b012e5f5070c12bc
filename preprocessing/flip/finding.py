"""Which clips of a dataset are mirrored against the majority, and mirroring them back."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from preprocessing.dataset import Dataset, files_digest, note_in_clips, open_dataset, own_dataset
from preprocessing.faces.pose import yaw
from preprocessing.flip.decision import KEPT, MIRRORED, decide
from preprocessing.flip.histogram import histogram_scores
from preprocessing.flip.mirror import is_mirrored, mirror_clip
from preprocessing.flip.rule_2017 import choose_references, distances_2017, threshold_2017
from preprocessing.review.contact_sheet import write_contact_sheet
from preprocessing.review.preview import write_preview
from runtime.errors import InputError
from runtime.progress import progress

# Eye distances by which the yaw of a whole clip may be off: MTCNN on ten clips of GRID and on their mirror images
# gave yaws whose sum, which should be zero, was .019 (root mean square), half of it to either.
YAW_SPREAD = 0.01

RULES = ("histogram", "landmarks", "2017")


@dataclass(frozen=True)
class Finding:
    """What a rule found in a dataset.

    Attributes:
        rule: its name.
        clips: the clips.
        decisions: KEPT, MIRRORED or UNDECIDED for each clip.
        scores: for each clip those of its frames [shape=(frames,)].
        thresholds: scores at which decisions change.
        why: a line on the threshold.
        references: indices of the clips that all were compared with; none by landmarks.
    """

    rule: str
    clips: list
    decisions: list
    scores: list
    thresholds: tuple
    why: str
    references: Any = ()

    def of(self, decision: str) -> list[int]:
        """Indices of the clips that were so decided."""
        return [index for index, other in enumerate(self.decisions) if other == decision]


def find_mirrored(dataset: Any, rule: str = "histogram") -> Finding:
    """Tells which clips of a dataset are mirrored against the majority; changes nothing.

    Args:
        dataset: an opened dataset of one speaker.
        rule: "histogram" (`histogram_scores`), "landmarks" (`pose.yaw`) or "2017" (`distances_2017`).

    Returns:
        `Finding`.

    Raises:
        InputError: there are fewer than two clips, or a file is missing or damaged.
    """
    clips = dataset.clips
    if len(clips) < 2:
        raise InputError(f"{dataset.folder}: {len(clips)} clip; mirrored clips show among two or more, add some")
    if rule == "2017":
        return _find_by_2017(dataset, clips)
    references: Any = ()
    if rule == "landmarks":
        decisions = decide([np.asarray(yaw(clip.landmarks)) for clip in clips], dataset.frame_rate, YAW_SPREAD)
    else:
        with progress(2 * len(clips), "clip", "comparing") as bar:
            scores, references = histogram_scores([clip.faces for clip in clips], update=bar.update)
        decisions = decide(scores, dataset.frame_rate)
    threshold = decisions.groups.threshold
    return Finding(
        rule, clips, decisions.of_clips, decisions.scores, (-threshold, threshold), decisions.why, references
    )


def _find_by_2017(dataset: Any, clips: Any) -> Any:
    """The 2017 rule frame by frame; a clip goes with most of its frames, since clips are mirrored as a whole."""
    middles = np.stack([clip.faces[len(clip.faces) // 2] for clip in clips])
    references = choose_references(middles)
    threshold = threshold_2017(dataset.size)
    distances = [distances_2017(clip.faces, middles[references]) for clip in clips]
    decisions = [MIRRORED if (of_frames > threshold).mean() > 0.5 else KEPT for of_frames in distances]
    why = f"{threshold:.0f} counts between a frame and the mean of {len(references)} typical faces, as set in 2017"
    return Finding("2017", clips, decisions, distances, (threshold,), why, references)


def apply_finding(dataset: Dataset, finding: Finding) -> int:
    """Mirrors the clips that were found mirrored, and says so in the manifest.

    The manifest is written from the tracks, so that what a killed run left undone there the next one makes good.

    Returns:
        number of clips mirrored now; a clip that was mirrored before stays as it is.

    Raises:
        InputError: another process changes the dataset.
    """
    with own_dataset(dataset.folder):
        return _apply(dataset, finding)


def _apply(dataset: Dataset, finding: Finding) -> int:
    mirrored = finding.of(MIRRORED)
    done = 0
    named = {finding.clips[index].name for index in mirrored}  # killed now, the digests would be those of other faces
    note_in_clips(dataset.folder, lambda clip: {"files_sha256": None} if clip["name"] in named else {})
    try:
        with progress(len(mirrored), "clip", "mirroring") as bar:
            for index in mirrored:
                done += mirror_clip(finding.clips[index].folder)
                bar.update(1)
    finally:
        dataset = open_dataset(dataset.folder)
        notes = {
            clip.name: {"files_sha256": files_digest(clip.folder)} | ({"mirrored": True} if is_mirrored(clip) else {})
            for clip in dataset.clips
            if clip.name in named or is_mirrored(clip)
        }
        note_in_clips(dataset.folder, lambda clip: notes.get(clip["name"], {}))
    write_contact_sheet(dataset)
    write_preview(dataset)
    return done
