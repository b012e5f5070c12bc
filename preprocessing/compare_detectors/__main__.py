"""Compares both face detectors on videos of one speaker each: python -m preprocessing.compare_detectors VIDEO..."""

import argparse
import sys
from pathlib import Path

from preprocessing.compare_detectors.comparison import compare, compare_measures, format_table
from runtime.errors import InputError
from runtime.files import check_output
from runtime.program import ArgumentParser, program
from runtime.progress import progress


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = ArgumentParser(prog="python -m preprocessing.compare_detectors", description=__doc__)
    parser.add_argument("videos", metavar="VIDEO", nargs="+", help="video that shows one face")
    parser.add_argument(
        "--picture",
        metavar="FILE.png",
        default="compare_detectors.png",
        help="boxes, crops and curves side by side (default: compare_detectors.png)",
    )
    parser.add_argument("--frames", metavar="N", type=int, help="only the first N frames of each video (default: all)")
    return parser.parse_args()


@program
def main() -> None:
    """Compares, prints the table, draws the picture and names what was skipped."""
    arguments = parse_arguments()
    if Path(arguments.picture).suffix.lower() != ".png":
        raise InputError(f"{arguments.picture}: the picture is a PNG file; give --picture a name that ends in .png")
    if arguments.frames is not None and arguments.frames < 1:
        raise InputError(f"--frames {arguments.frames}: no frame to look at; give a number above zero")
    check_output(arguments.picture)
    with progress(len(arguments.videos), "video", "comparing") as bar:
        videos, rates, skipped = compare(arguments.videos, arguments.frames, bar.update)
    if not videos:
        more = f", and {len(skipped) - 1} more videos skipped" if skipped[1:] else ""
        raise InputError(f"{skipped[0]}{more}")
    for line in skipped:
        print(f"skipped {line}", file=sys.stderr)
    print(format_table(compare_measures(videos, rates)))
    print(f"\n{len(videos)} videos compared, {len(skipped)} skipped")

    from preprocessing.compare_detectors.picture import draw_comparison  # matplotlib takes a second to import

    draw_comparison(arguments.picture, videos)
    print(f"wrote {arguments.picture}")


if __name__ == "__main__":
    sys.exit(main())
