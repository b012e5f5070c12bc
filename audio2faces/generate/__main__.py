"""Makes a video of the model's face speaking what a sound file says; of a folder of sound files, a video each."""

import argparse
import contextlib
import io
import math
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from audio2faces.generate.source import LONGEST_SIDE
from audio2faces.generate.video import RATES
from audio2faces.published import DEFAULT_MODEL, check_model, choice, find_model, is_onnx, onnx_copy
from media.reading import sound_duration
from media.writing import FORMATS, is_synthetic
from preprocessing.scheduling import run_tasks
from runtime.backend import keras_installed
from runtime.errors import InputError
from runtime.files import check_is_file, check_output, check_output_folder, claimed, make_folder
from runtime.program import ArgumentParser, command, number, program
from runtime.progress import progress

SOUNDS = (".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a", ".aac", ".mp4", ".mkv", ".mov", ".webm", ".avi", ".mpg")
SMALLEST_SOURCE, LARGEST_SOURCE = 64, 8192  # pixels of its longest side
STRONGEST = 3.0  # articulation
LONGEST_SMOOTHING = 1.0  # seconds
MOST_WORKERS = 64
SHORT_SPEECH = 60.0  # seconds, in which the start of TensorFlow takes longer than it saves
MADE, THERE, BUSY, FAILED = "made", "there", "busy", "failed"  # how one of several videos ended
_MAKERS: dict[str, Callable] = {}  # what this process has loaded, by its arguments


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = ArgumentParser(prog=command("generate"), description=__doc__)
    parser.add_argument("speech", metavar="SPEECH", help="any file with sound (wav, mp3, a video, ...), or a folder")
    parser.add_argument("--model", metavar="MODEL", type=find_model, default=DEFAULT_MODEL, help=choice())
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="mp4 or webm to write (default: talking.mp4); of a folder of speech, the folder of videos",
    )
    parser.add_argument(
        "--source", metavar="FILE", help="picture or video of the speaker to put the face into (default: none)"
    )
    parser.add_argument(
        "--longest-side",
        type=number(SMALLEST_SOURCE, LARGEST_SOURCE, int),
        metavar="PIXELS",
        default=LONGEST_SIDE,
        help=f"shrink a larger --source to so many pixels, {SMALLEST_SOURCE} to {LARGEST_SOURCE} "
        f"(default: {LONGEST_SIDE})",
    )
    parser.add_argument("--frames", metavar="FOLDER", help="also write every picture as PNG")
    parser.add_argument(
        "--fps",
        type=number(float(RATES[0]), float(RATES[1])),
        metavar="RATE",
        help="frames per second (default: the model's)",
    )
    parser.add_argument(
        "--smooth",
        type=number(0.0, LONGEST_SMOOTHING),
        metavar="SECONDS",
        default=0.0,
        help="calm the motion by a Gaussian of so many seconds, 0 to 1 (default: 0)",
    )
    parser.add_argument(
        "--articulation",
        type=number(0.0, STRONGEST),
        metavar="STRENGTH",
        help="of the mouth's movement: 0 mumbles, 1 moves as far as the speaker does, up to 3 (default: the model's)",
    )
    parser.add_argument(
        "--face", action="store_true", help="the aligned face alone, in place of the footage that the model carries"
    )
    parser.add_argument("--still", action="store_true", help="hold the head still: no motion but that of speech")
    parser.add_argument(
        "--workers",
        type=number(1, MOST_WORKERS, int),
        metavar="NUMBER",
        default=1,
        help="processes that share the videos of a folder (default: 1)",
    )
    parser.add_argument(
        "--engine",
        choices=("onnx", "keras"),
        help="what runs the networks: ONNX Runtime, which starts at once, or Keras, which is faster in long videos "
        "(default: onnx for a sound file of up to a minute if the model has ONNX files, as grid-s1-128, else keras)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a video that exists")
    return parser.parse_args()


def jobs_of(arguments: argparse.Namespace) -> list[tuple[Path, Path]]:
    """The pairs (speech, video) to make, checked as far as can be done at once.

    Raises:
        InputError: there is nothing to read, or something in the way.
    """
    speech = Path(arguments.speech)
    if not speech.is_dir():
        output = Path(arguments.output or "talking.mp4")
        sound_duration(speech)  # refuses a wrong file before seconds are spent on loading
        if output.suffix.lower() not in FORMATS:
            raise InputError(f"{output}: give --output a name that ends in {' or '.join(FORMATS)}")
        check_output(output)
        if arguments.frames:
            check_output_folder(arguments.frames)
        return [(speech, output)]
    if arguments.frames:
        raise InputError(f"--frames: {speech} is a folder; pictures are written for a single sound file")
    folder = Path(arguments.output or "talking")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: no folder; --output of a folder of speech is a folder of videos")
    files = sorted(path for path in speech.iterdir() if path.suffix.lower() in SOUNDS)
    own = {path for path in files if path.suffix.lower() in FORMATS and is_synthetic(path)}
    if own:
        print(f"note: {len(own)} of {len(files)} files in {speech} are generated videos; skipped", file=sys.stderr)
    files = [path for path in files if path not in own]
    if not files:
        raise InputError(f"{speech}: contains no audio file ({', '.join(SOUNDS)})")
    videos = [folder / f"{path.name if _shares_name(path, files) else path.stem}.mp4" for path in files]
    make_folder(folder)
    return list(zip(files, videos, strict=True))


def _shares_name(path: Path, files: list[Path]) -> bool:
    return sum(other.stem == path.stem for other in files) > 1


@program
def main() -> None:
    """Checks what can be checked at once, loads the model and makes the videos."""
    arguments = parse_arguments()
    check_model(arguments.model)
    jobs = jobs_of(arguments)
    if arguments.source:
        if arguments.face:
            raise InputError("--face and --source: the face is either alone or in the source; give one of them")
        check_is_file(arguments.source)
    arguments.model = model_for_engine(arguments)
    if Path(arguments.speech).is_dir():
        make_several(jobs, arguments)
        return
    ((speech, output),) = jobs
    with claimed(*filter(None, (output, arguments.frames))):
        if output.exists() and not arguments.overwrite:
            raise InputError(f"{output}: exists already; give --overwrite to replace it, or another --output")
        if arguments.frames and Path(arguments.frames).exists():
            raise InputError(f"{arguments.frames}: exists already; give --frames the name of a new folder")
        frames, lines = maker(arguments)(speech, output)
        show(lines)
        if arguments.frames:
            print(f"wrote {arguments.frames}: {frames} pictures")


def model_for_engine(arguments: argparse.Namespace) -> Path:
    """The folder of the model, or of its copy for ONNX Runtime.

    Raises:
        InputError: there is no such copy, or nothing else.
    """
    model, engine = arguments.model, arguments.engine
    copy = onnx_copy(model)
    if engine == "onnx" and copy is None:
        raise InputError(f"{model}: has no ONNX files; {command('export')} --onnx-model writes them")
    if engine == "keras" and is_onnx(model):
        raise InputError(f"{model}: its networks are ONNX files; leave out --engine")
    if engine is None and copy:
        speech = Path(arguments.speech)
        short = not arguments.source and speech.is_file() and (sound_duration(speech) or math.inf) <= SHORT_SPEECH
        engine = "onnx" if short or not keras_installed() else "keras"
    return copy if copy and engine == "onnx" else model


def show(lines: list[str]) -> None:
    """Prints what was written, and what a user should know of it beside that."""
    for line in lines:
        print(line, file=sys.stderr if line.startswith(("note: ", "skipped: ")) else sys.stdout, flush=True)


def make_several(jobs: list[tuple[Path, Path]], arguments: argparse.Namespace) -> None:
    """Makes the videos that are not there and that no other process is making.

    Raises:
        InputError: some sound files gave no video.
    """
    ended: Counter = Counter()
    tasks = [(speech, output, arguments) for speech, output in jobs]
    if arguments.workers > 1:
        results = run_tasks(make_quietly, tasks, min(arguments.workers, len(tasks)))
    else:
        results = ((task, make_one(task)) for task in tasks)
    shown = arguments.workers > 1  # one process shows the progress of each video
    with progress(len(tasks), "video", "generating") if shown else contextlib.nullcontext() as bar:
        for (speech, _, _), result in results:
            how, lines = result if isinstance(result, tuple) else (FAILED, [f"skipped: {speech}: {result}"])
            ended[how] += 1
            show(lines)
            if bar:
                bar.update(1)
    if ended[THERE]:
        print(f"{ended[THERE]} of {len(jobs)} videos were there already; --overwrite makes them again")
    if ended[BUSY]:
        print(f"{ended[BUSY]} of {len(jobs)} videos were left to another process, which was making them")
    if ended[FAILED]:
        raise InputError(f"{ended[FAILED]} of {len(jobs)} sound files gave no video; they are named above")


def make_one(task: tuple[Path, Path, argparse.Namespace]) -> tuple[str, list[str]]:
    """Makes one of several videos: how that ended, and lines that tell of it."""
    speech, output, arguments = task
    with contextlib.ExitStack() as claim:
        try:
            claim.enter_context(claimed(output))
        except InputError:
            return BUSY, []
        if output.exists() and not arguments.overwrite:
            return THERE, []
        try:
            return MADE, loaded_maker(arguments)(speech, output)[1]
        except InputError as error:
            return FAILED, [f"skipped: {error}"]


def make_quietly(task: tuple[Path, Path, argparse.Namespace]) -> tuple[str, list[str]]:
    """The same in one of several processes, which show no progress of their own."""
    with contextlib.redirect_stderr(io.StringIO()):
        return make_one(task)


def loaded_maker(arguments: argparse.Namespace) -> Callable:
    """`maker`, which loads the model once in this process."""
    key = str(vars(arguments))
    if key not in _MAKERS:
        _MAKERS.clear()
        _MAKERS[key] = maker(arguments)
    return _MAKERS[key]


def maker(arguments: argparse.Namespace) -> Callable:
    """Loads the model.

    Returns:
        function (speech, output) that makes a video; it gives the number of frames, and lines that tell of it.
    """
    from audio2faces.generate.video import Options, generate_video
    from audio2faces.trained.face import load_model

    model = load_model(arguments.model)
    options = Options(
        arguments.source,
        arguments.face,
        arguments.fps,
        arguments.smooth,
        arguments.articulation,
        arguments.still,
        arguments.longest_side,
    )

    def make(speech, output):
        started = time.monotonic()
        frames, notes = generate_video(model, speech, output, arguments.frames, options)
        seconds = time.monotonic() - started
        written = (
            f"wrote {output}: {frames} frames at {arguments.fps or model.frame_rate:g}/s by {model.name}, "
            f"made in {seconds:.1f} s ({frames / seconds:.0f} frames/s)"
        )
        return frames, [*(f"note: {note}" for note in notes), written]

    return make


if __name__ == "__main__":
    sys.exit(main())
