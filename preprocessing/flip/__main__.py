"""Finds clips that are mirrored left to right against the others: python -m preprocessing.flip DATASET [--apply]."""

import argparse
import sys
from typing import Any

import numpy as np

from preprocessing.dataset import open_dataset, own_dataset
from preprocessing.flip.decision import KEPT, MIRRORED, UNDECIDED
from preprocessing.flip.finding import RULES, apply_finding, find_mirrored
from runtime.files import check_output
from runtime.program import ArgumentParser, program


def table(finding: Any) -> Any:
    """The finding in lines: counts, the names of the clips that are not kept with their scores, the threshold."""
    lines = [f"{'rule ' + finding.rule:16}  clips  frames"]
    for decision in (KEPT, MIRRORED, UNDECIDED):
        found = finding.of(decision)
        lines.append(f"{decision:16}  {len(found):5}  {sum(len(finding.scores[index]) for index in found):6}")
    for decision in (MIRRORED, UNDECIDED):
        names = [f"{finding.clips[i].name} ({np.median(finding.scores[i]):.4g})" for i in finding.of(decision)]
        if names:
            lines.append(f"{decision}: {', '.join(names)}")
    return "\n".join([*lines, f"threshold {finding.why}"])


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = ArgumentParser(prog="python -m preprocessing.flip", description=__doc__)
    parser.add_argument("dataset", metavar="DATASET", help="folder of a dataset, of one speaker")
    parser.add_argument("--rule", choices=RULES, default="histogram", help="what tells them (default: histogram)")
    parser.add_argument("--apply", action="store_true", help="mirror them back; without it nothing is changed")
    parser.add_argument("--picture", metavar="FILE.png", help="draw histograms, scores, threshold and faces")
    arguments = parser.parse_args()
    if arguments.picture and not arguments.picture.endswith(".png"):
        parser.error("--picture must end in .png")
    return arguments


@program
def main() -> None:
    """Prints what was found; draws and mirrors on request."""
    arguments = parse_arguments()
    dataset = open_dataset(arguments.dataset)
    if arguments.apply:
        with own_dataset(dataset.folder):  # or it would be refused after minutes of looking
            pass
    if arguments.picture:
        check_output(arguments.picture)
    finding = find_mirrored(dataset, arguments.rule)
    print(table(finding))
    if arguments.picture:
        from preprocessing.flip.picture import draw_finding  # matplotlib takes a second to import

        draw_finding(arguments.picture, finding)
        print(f"wrote {arguments.picture}")
    if arguments.apply:
        print(f"mirrored {apply_finding(dataset, finding)} clips in {dataset.folder}")
    elif finding.of(MIRRORED):
        print("nothing was changed; --apply mirrors them")


if __name__ == "__main__":
    sys.exit(main())
