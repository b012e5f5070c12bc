"""Makes a dataset of aligned faces and speech from videos: python -m preprocessing SOURCE... --out DATASET."""

import argparse
import sys

from .dataset import SPLITS
from .prepare import prepare_dataset
from .program import run_program


def parse_arguments():
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m preprocessing", description=__doc__)
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="video file, or folder of videos")
    parser.add_argument("--out", required=True, metavar="DATASET", help="folder of the dataset; made, or added to")
    parser.add_argument(
        "--splits",
        metavar="FOLDER",
        help="folder with train.txt, validation.txt, test.txt of clip names (default: 80/10/10 by a hash of the name)",
    )
    parser.add_argument("--size", type=int, default=64, help="side of the face crops in pixels (default: 64)")
    parser.add_argument("--licence", default="not stated", help="note on the videos' licence, kept in the manifest")
    arguments = parser.parse_args()
    if arguments.size < 16:
        parser.error("--size must be 16 or more pixels")
    return arguments


def main():
    """Prepares the dataset and says what was done."""
    arguments = parse_arguments()
    dataset, report = prepare_dataset(
        arguments.sources, arguments.out, arguments.splits, arguments.size, arguments.licence
    )
    entries = dataset.manifest["clips"]
    faces = sum(entry["frames_kept"] for entry in entries)
    dropped = sum(sum(entry["frames_dropped"].values()) for entry in entries)
    damaged = sum(bool(entry["damage"]) for entry in entries)
    print(
        f"wrote {dataset.folder}: {len(entries)} clips ({report.made} new, {report.kept} kept, "
        f"{len(report.failed)} sources left out), {faces} faces, {dropped} frames dropped, "
        f"{damaged} clips with damage"
    )
    sizes = {split: sum(entry["split"] == split for entry in entries) for split in SPLITS}
    print("splits: " + ", ".join(f"{split} {size}" for split, size in sizes.items()))
    if empty := [split for split, size in sizes.items() if not size]:
        print(
            f"note: no clip went to {' or '.join(empty)} (without --splits the name decides); training needs train and "
            "validation, evaluation train and one more",
            file=sys.stderr,
        )


if __name__ == "__main__":
    sys.exit(run_program(main))
