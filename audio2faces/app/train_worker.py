"""The process that learns a face for the page: it prepares the video, or trains on what was prepared.

`trainings.Trainings` starts it with the folder of a face and one of TASKS. What it prints goes to a log, whose last
line the page shows. It stops as at Ctrl-C when its standard input ends, also because the server was killed.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from audio2faces.app.trainings import ABOUT, DATA, FOUND, POLL
from audio2faces.app.worker import limit_memory
from preprocessing.clips import Settings
from preprocessing.dataset import SPLITS, open_dataset
from preprocessing.prepare import describe, prepare_dataset
from preprocessing.review.report import find_warnings
from preprocessing.review.survey import survey_dataset
from runtime.backend import import_keras
from runtime.errors import InputError
from runtime.files import exclusive, read_json, write_json
from runtime.interrupts import INTERRUPTED
from runtime.program import program

PATIENCE = 15.0  # seconds
LAST_SECONDS = 3.0  # that it has to end by itself
NICENESS = 10  # of training, beside which somebody may be making a video


def prepare(folder: Path, about: dict[str, Any]) -> None:
    """Finds the face in the video of a folder, and notes what a person should know before training on it.

    Raises:
        InputError: the video is of no use, or too short to train on.
    """
    limit_memory()
    settings = Settings(size=about["size"])
    dataset, report = prepare_dataset([folder / about["video"]], folder / DATA, None, settings, about["licence"])
    print(describe(dataset, report), file=sys.stderr)
    for split in ("train", "validation"):
        dataset.split(split)
    survey = survey_dataset(dataset)
    seconds = {split: survey.seconds(split) for split in SPLITS}
    write_json(folder / FOUND, {"seconds": seconds, "warnings": find_warnings(dataset, survey)})


def train(folder: Path, about: dict[str, Any]) -> None:
    """Trains the face of a folder, or goes on.

    Raises:
        InputError: see `TalkingFace.train`.
    """
    print("loading Keras", file=sys.stderr, flush=True)
    import_keras()
    from audio2faces.talking_face import TalkingFace

    TalkingFace.train(open_dataset(folder / DATA), folder / "runs" / folder.name, steps=about["steps"])


TASKS: dict[str, Callable[[Path, dict[str, Any]], None]] = {"prepare": prepare, "train": train}


@program
def main() -> None:
    """Does one of TASKS in a folder."""
    folder, task = Path(sys.argv[1]), TASKS[sys.argv[2]]
    threading.Thread(target=_end_with_input, daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    with _alone_in(folder):
        task(folder, read_json(folder / ABOUT))


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Waits for the process of a server that has just ended, which is about to notice."""
    end = time.monotonic() + PATIENCE
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(exclusive(folder, f"{folder}: another process works at this face; try again later"))
                break
            except InputError:
                if time.monotonic() > end:
                    raise
                time.sleep(POLL)
        yield


def _end_with_input() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(LAST_SECONDS)  # where SIGINT is ignored, as in what a script starts in the background
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
