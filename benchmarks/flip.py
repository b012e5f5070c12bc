"""How well mirrored clips are found: python -m benchmarks.flip DATA... [--picture FILE.png] [--detect].

DATA is DATASET or DATASET:SPLIT, one speaker each. Joined by commas, several are judged one by one and counted
together; joined by plus signs, they are judged as one dataset of several speakers. Clips are mirrored at random in
memory, again and again; then those with another background are; then again at random, but with the light evened out, so
that both strips of a clip are as bright. A table in Markdown tells, for each rule, which per cent of the frames was
called right; and which of the clips was decided right / wrong / not at all.

With --detect the landmarks of mirrored clips are looked for anew in the mirrored frames of their source videos, since
the detector itself is not quite symmetric; without it they are the found ones, mirrored.
"""

import argparse
import sys
from dataclasses import dataclass, replace

import numpy as np

from media.reading import read_frames
from preprocessing.dataset import open_dataset
from preprocessing.faces.mtcnn_detector import MtcnnDetector
from preprocessing.faces.pose import yaw
from preprocessing.faces.tracking import track_faces
from preprocessing.flip.decision import KEPT, MIRRORED, UNDECIDED, decide
from preprocessing.flip.finding import YAW_SPREAD, Finding
from preprocessing.flip.histogram import histogram_scores
from preprocessing.flip.mirror import mirror_faces, mirror_landmarks
from preprocessing.flip.rule_2017 import choose_references, distances_2017, strip_width, threshold_2017
from runtime.files import check_output
from runtime.program import ArgumentParser, program
from runtime.progress import progress

FRAME_RATE = 25.0
SETTINGS = {  # what is mirrored: a share of the clips, or those of another background; and whether the light is evened
    "none mirrored": (0.0, False),
    "10 %": (0.1, False),
    "30 %": (0.3, False),
    "other background": (None, False),
    "30 %, light evened": (0.3, True),
}
CAST_GAP = 0.3  # in log(blue / red) beside the face: clips further apart have another background


@dataclass
class Sample:
    """A clip in memory, with its landmarks as they are found when it is mirrored."""

    name: str
    faces: np.ndarray
    landmarks: np.ndarray
    landmarks_mirrored: np.ndarray

    def mirrored(self):
        """The clip as its mirror image."""
        return replace(self, faces=mirror_faces(self.faces), landmarks=self.landmarks_mirrored)

    def evened(self):
        """The clip under a gain that rises or falls from left to right, so that the means of both strips are equal."""
        width = strip_width(self.faces.shape[2])
        left, right = (strip.mean(axis=(0, 1, 2)) for strip in (self.faces[:, :, :width], self.faces[:, :, -width:]))
        place = np.arange(self.faces.shape[2])[:, None] - (self.faces.shape[2] - 1) / 2
        gain = (left / right) ** (place / (self.faces.shape[2] - width))
        return replace(self, faces=np.clip(self.faces * gain, 0, 255).astype(np.uint8))


def read_samples(place, detector):
    """The clips of DATASET or DATASET:SPLIT."""
    folder, _, split = place.partition(":")
    dataset = open_dataset(folder)
    clips = dataset.split(split) if split else dataset.clips
    samples = []
    with progress(len(clips), "clip", place) as bar:
        for clip in clips:
            mirrored = detect_mirrored(clip, detector) if detector else mirror_landmarks(clip.landmarks)
            samples.append(Sample(clip.name, np.array(clip.faces), clip.landmarks, mirrored))
            bar.update(1)
    return samples


def detect_mirrored(clip, detector):
    """Landmarks that the detector finds in the mirrored frames of a clip's source [shape=(frames, 5, 2)]."""
    frames = ((time, np.ascontiguousarray(image[:, ::-1])) for time, image in read_frames(clip.entry["source"]))
    return np.stack([frame.face.landmarks for frame in track_faces(frames, detector) if frame.face])


def by_2017(samples, truth, generator):
    """The 2017 rule with eight reference faces drawn from clips that are known not to be mirrored."""
    known = [sample.faces for sample, mirrored in zip(samples, truth, strict=True) if not mirrored]
    drawn = [known[index] for index in generator.integers(len(known), size=8)]
    references = np.stack([faces[generator.integers(len(faces))] for faces in drawn])
    threshold = threshold_2017(references.shape[1])
    frames = [distances_2017(sample.faces, references) > threshold for sample in samples]
    return [MIRRORED if called.mean() > 0.5 else KEPT for called in frames], frames


def by_2017_automatic(samples, truth, generator):
    """The 2017 distance with references and threshold (Otsu 1979, between two groups of clips) from the data."""
    middles = np.stack([sample.faces[len(sample.faces) // 2] for sample in samples])
    references = middles[choose_references(middles)]
    distances = [distances_2017(sample.faces, references) for sample in samples]
    medians = np.sort([np.median(of_clip) for of_clip in distances])
    within = [medians[:cut].var() * cut + medians[cut:].var() * (len(medians) - cut) for cut in range(1, len(medians))]
    cut = int(np.argmin(within))
    threshold = (medians[cut] + medians[cut + 1]) / 2
    frames = [of_clip > threshold for of_clip in distances]
    return [MIRRORED if called.mean() > 0.5 else KEPT for called in frames], frames


def by_scores(scores, least_spread=0.0):
    """Decisions from signed scores; a frame by itself is called by its sign."""
    decisions = decide(scores, FRAME_RATE, least_spread)
    return decisions.of_clips, [of_clip < 0 for of_clip in decisions.scores]


def by_plain_histogram(samples, truth, generator):
    """Both strips' cumulative histograms of values as they are."""
    return by_scores(histogram_scores([sample.faces for sample in samples], ranked=False)[0])


def by_histogram(samples, truth, generator):
    """The rule of the program."""
    return by_scores(histogram_scores([sample.faces for sample in samples])[0])


def by_landmarks(samples, truth, generator):
    """The yaw rule of the program."""
    return by_scores([yaw(sample.landmarks) for sample in samples], YAW_SPREAD)


def by_both(samples, truth, generator):
    """The histogram rule; landmarks decide where it does not, and where they contradict it nothing is decided."""
    decisions, frames = by_histogram(samples, truth, generator)
    turned, _ = by_landmarks(samples, truth, generator)
    joined = [
        one if other in (one, UNDECIDED) else other if one == UNDECIDED else UNDECIDED
        for one, other in zip(decisions, turned, strict=True)
    ]
    return joined, frames


RULES = {
    "2017, true references": by_2017,
    "2017, references and threshold from the data": by_2017_automatic,
    "both strips, values as they are": by_plain_histogram,
    "histogram": by_histogram,
    "landmarks": by_landmarks,
    "histogram and landmarks": by_both,
}


def other_background(samples):
    """Which clips have the rarer background colour [shape=(clips,)]; none if all have one, or two are as common."""
    width = strip_width(samples[0].faces.shape[1])
    beside = [np.concatenate([s.faces[:, :, :width], s.faces[:, :, -width:]], axis=2) for s in samples]
    colours = np.array([strips.reshape(-1, 3).mean(axis=0) for strips in beside])
    casts = np.log(colours[:, 2] / colours[:, 0])
    ordered = np.sort(casts)
    cut = int(np.argmax(np.diff(ordered)))
    if ordered[cut + 1] - ordered[cut] < CAST_GAP:
        return np.zeros(len(samples), bool)
    low = casts <= ordered[cut]
    return np.zeros(len(samples), bool) if 2 * low.sum() == len(low) else low if 2 * low.sum() < len(low) else ~low


def truths(samples, share, draws, generator):
    """Which clips are mirrored, draw by draw, always fewer than half; for share None those of other background."""
    if share is None:
        other = other_background(samples)
        return [other] if other.any() else []
    drawn = []
    while len(drawn) < (draws if share else 1):
        truth = generator.random(len(samples)) < share
        if 2 * truth.sum() < len(truth):
            drawn.append(truth)
    return drawn


def measure(groups, draws, bar):
    """For each rule and setting the cell of the table, over all draws and all groups of samples."""
    cells = {}
    for setting, (share, even) in SETTINGS.items():
        generator = np.random.default_rng(0)
        outcomes = {rule: [] for rule in RULES}
        for group in groups:
            samples = [sample.evened() for sample in group] if even else group
            for truth in truths(samples, share, draws, generator):
                shown = [sample.mirrored() if turn else sample for sample, turn in zip(samples, truth, strict=True)]
                for rule, judge in RULES.items():
                    outcomes[rule] += compare(*judge(shown, truth, generator), truth)
                bar.update(1)
        for rule, of_rule in outcomes.items():
            cells[rule, setting] = cell(np.array(of_rule))
    return cells


def compare(decisions, frames, truth):
    """For each clip (frames called right, frames, decided right, decided wrong, undecided)."""
    for decision, called, mirrored in zip(decisions, frames, truth, strict=True):
        right = decision == (MIRRORED if mirrored else KEPT)
        undecided = decision == UNDECIDED
        yield (called == mirrored).sum(), len(called), right, not right and not undecided, undecided


def cell(outcomes):
    """Per cent of the frames called right; of the clips decided right / wrong / not at all."""
    if not len(outcomes):
        return "-"
    right_frames, frames, *clips = outcomes.sum(axis=0)
    shares = [right_frames / frames, *(count / len(outcomes) for count in clips)]
    right_frames, *clips = (f"{100 * share:.1f}".removesuffix(".0") for share in shares)
    return f"{right_frames}; {' / '.join(clips)}"


def draw_example(path, samples):
    """Draws what the histogram rule finds when three clips in ten are mirrored."""
    from preprocessing.flip.picture import draw_finding

    (truth,) = truths(samples, 0.3, 1, np.random.default_rng(0))
    shown = [sample.mirrored() if turn else sample for sample, turn in zip(samples, truth, strict=True)]
    scores, references = histogram_scores([sample.faces for sample in shown])
    found = decide(scores, FRAME_RATE)
    thresholds = (-found.groups.threshold, found.groups.threshold)
    draw_finding(path, Finding("histogram", shown, found.of_clips, found.scores, thresholds, found.why, references))


@program
def main():
    parser = ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", metavar="DATA", help="as said above")
    parser.add_argument("--draws", type=int, default=20, help="random choices of mirrored clips (default: 20)")
    parser.add_argument("--detect", action="store_true", help="detect landmarks in mirrored frames (1 clip/s)")
    parser.add_argument("--picture", metavar="FILE.png", help="draw the first of the data with three in ten mirrored")
    arguments = parser.parse_args()
    if arguments.picture:
        check_output(arguments.picture)
    detector = MtcnnDetector() if arguments.detect else None
    places = {place for data in arguments.data for group in data.split(",") for place in group.split("+")}
    samples_of = {place: read_samples(place, detector) for place in sorted(places)}
    for data in arguments.data:
        groups = [[s for place in group.split("+") for s in samples_of[place]] for group in data.split(",")]
        with progress(None, "draw", data) as bar:
            cells = measure(groups, arguments.draws, bar)
        print(f"\n{data}: {sum(map(len, groups))} clips\n\n| rule | {' | '.join(SETTINGS)} |")
        print("|---" + "|---:" * len(SETTINGS) + "|")
        for rule in RULES:
            print(f"| {rule} | {' | '.join(cells[rule, setting] for setting in SETTINGS)} |", flush=True)
        if arguments.picture and data == arguments.data[0]:
            draw_example(arguments.picture, groups[0])


if __name__ == "__main__":
    sys.exit(main())
