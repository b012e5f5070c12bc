"""Makes a dataset of aligned faces and speech from videos."""

import argparse
import sys
from typing import Any

from preprocessing.clips import Settings
from preprocessing.dataset import SIZES, missing_splits, open_dataset
from preprocessing.faces.detectors import DETECTORS
from preprocessing.prepare import describe, prepare_dataset
from preprocessing.review.report import find_doubtful_clips, write_report
from preprocessing.segments import SEGMENTS
from preprocessing.sources.download import DOWNLOADERS
from preprocessing.sources.intervals import parse_intervals
from runtime.backend import check_backend
from runtime.program import ArgumentParser, command, program


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = ArgumentParser(prog=command("prepare"), description=__doc__)
    parser.add_argument(
        "sources",
        nargs="*",
        metavar="SOURCE",
        help="video file, folder of videos, address of a video, or list (CSV: url,interval[,name], or file for url)",
    )
    parser.add_argument("--out", metavar="DATASET", help="folder of the dataset; made, or added to")
    parser.add_argument("--report", metavar="DATASET", help="show what is in a dataset, and nothing else")
    parser.add_argument(
        "--splits",
        metavar="FOLDER",
        help="folder with train.txt, validation.txt, test.txt of clip names (default: 80/10/10, by time in a recording "
        "of 20 s or more, by a hash of the name in a shorter one)",
    )
    parser.add_argument(
        "--size", type=int, choices=SIZES, default=64, help="side of the face crops in pixels (default: 64)"
    )
    parser.add_argument(
        "--segments",
        choices=SEGMENTS,
        default="auto",
        help="speech: the parts in which one person is seen and heard speaking; whole: each video, or each interval of "
        "a list, is one clip; auto: speech for videos and intervals of 20 s or more, whole for shorter ones (default: "
        "auto)",
    )
    parser.add_argument(
        "--intervals",
        metavar="FROM-TO[;...]",
        help="parts of the one SOURCE to take, as 1:08-42:26 (default: all, or what the list says)",
    )
    parser.add_argument("--detector", choices=DETECTORS, default="mtcnn", help="face detector (default: mtcnn)")
    parser.add_argument(
        "--exact", action="store_true", help="detect in every frame, several times slower, in place of tracking"
    )
    parser.add_argument("--licence", default="not stated", help="note on the videos' licence, kept in the manifest")
    parser.add_argument("--workers", type=int, default=1, help="processes to share the sources among (default: 1)")
    parser.add_argument(
        "--cluster", metavar="ADDRESS", help="Dask scheduler to send the sources to, as tcp://host:8786, instead"
    )
    parser.add_argument(
        "--downloader",
        choices=DOWNLOADERS,
        default="auto",
        help="what fetches addresses (default: auto, pytube for YouTube, yt-dlp where it fails and elsewhere)",
    )
    arguments = parser.parse_args()
    if arguments.workers < 1:
        parser.error("--workers must be 1 or more")
    if arguments.report and (arguments.sources or arguments.out):
        parser.error("--report goes without SOURCE and --out")
    if not arguments.report and not (arguments.sources and arguments.out):
        parser.error("give SOURCE... and --out DATASET, or --report DATASET")
    if arguments.intervals and len(arguments.sources) != 1:
        parser.error("--intervals goes with one SOURCE; for several write a list (CSV: url,interval)")
    return arguments


@program
def main() -> Any:
    """Prepares the dataset and says what was done."""
    arguments = parse_arguments()
    if arguments.report:
        return write_report(open_dataset(arguments.report))
    check_backend()  # of the face detector
    settings = Settings(arguments.size, arguments.detector, arguments.segments, arguments.exact)
    dataset, report = prepare_dataset(
        arguments.sources,
        arguments.out,
        arguments.splits,
        settings,
        arguments.licence,
        workers=arguments.workers,
        cluster=arguments.cluster,
        downloader=arguments.downloader,
        intervals=parse_intervals(arguments.intervals or ""),
    )
    print(describe(dataset, report))
    doubts = find_doubtful_clips(dataset.manifest["clips"])
    for note in filter(None, [*doubts, missing_splits(dataset.manifest)]):
        print(f"note: {note}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
