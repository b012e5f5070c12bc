"""Sets the measured opening of mouths beside what a person read off the pictures.

40 faces of validation sentences of GRID s1, drawn at random, were enlarged four times, and the rows between the lips
at their middle read by eye (rows of a face of 128 pixels), before the measure was made. The dataset may have any size.
"""

import sys

import numpy as np

from preprocessing.dataset import open_dataset
from runtime.errors import InputError
from runtime.program import ArgumentParser, program

# Clip, frame, rows read.
READ = """
    bbbm3a 36 3.5, bbwm7a 38 6, bgau1a 48 0, brwg8p 57 0, bwat4p 16 0, lbbk4n 21 0,
    lbwk9s 52 0, lgbs7s 57 0.5, lray6p 26 7, lwwf9a 29 3, pgby4n 54 7, sbaa7a 34 6.5,
    sbbu2p 27 0, sgbc9a 52 6.5, sgio8p 26 6, srau4p 33 1, srbu8p 43 5.5, sria7s 39 7,
    swiu7a 18 6, swwv6n 16 3.5, bbbm3a 53 5, bbwm7a 48 5, bgau1a 52 0, brwg8p 39 0.5,
    bwat4p 51 0, lbbk4n 29 4, lbwk9s 35 6.5, lgbs7s 50 0, lray6p 20 6.5, lwwf9a 28 1.5,
    pgby4n 20 0.5, sbaa7a 35 7, sbbu2p 58 0.5, sgbc9a 21 3, sgio8p 32 0, srau4p 33 0.5,
    srbu8p 55 0.5, sria7s 24 0, swiu7a 37 0.5, swwv6n 26 0.5
"""


@program
def main():
    """Measures the faces and prints how both agree."""
    parser = ArgumentParser(prog="python -m benchmarks.mouth_opening", description=__doc__)
    parser.add_argument("--data", metavar="DATASET", required=True, help="of GRID s1, as docs/reproduce.md prepares it")
    dataset = open_dataset(parser.parse_args().data)
    from scipy.stats import spearmanr

    from measures.similarity import mouth_opening

    clips = {clip.name: clip for clip in dataset.clips}
    read = [entry.split() for entry in READ.replace("\n", " ").split(",")]
    if missing := {name for name, _, _ in read} - set(clips):
        raise InputError(f"{dataset.folder}: lacks {', '.join(sorted(missing))}; see docs/reproduce.md")
    measured = np.array([mouth_opening(clips[name].faces[int(frame)][None])[0] for name, frame, _ in read])
    rows = np.array([float(rows) for _, _, rows in read])
    print(f"{len(rows)} faces of {dataset.size} pixels")
    print(f"correlation with the rows read by eye {np.corrcoef(measured, rows)[0, 1]:.3f}, of ranks ", end="")
    print(f"{spearmanr(measured, rows)[0]:.3f}")
    print(f"mean opening of mouths read as closed (below 1 row) {1000 * measured[rows < 1].mean():.1f}, ", end="")
    print(f"of those read as open (3 and more) {1000 * measured[rows >= 3].mean():.1f} thousandths of the face")


if __name__ == "__main__":
    sys.exit(main())
