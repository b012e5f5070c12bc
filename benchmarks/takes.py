"""Clips that are filmed again by a simulated camera: what `moving_head` and `occlusion` have in common."""

import tempfile
from pathlib import Path

import numpy as np

from audio2faces.published import DEFAULT_MODEL, find_model
from media.reading import SPEECH_RATE
from runtime.errors import InputError
from runtime.program import ArgumentParser, number
from runtime.progress import progress

QUALITY = 12  # constant rate factor of a take


def parse_arguments(name, description):
    """Reads the command line of a benchmark."""
    parser = ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    parser.add_argument("--model", type=find_model, default=DEFAULT_MODEL, metavar="MODEL", help="name or folder")
    parser.add_argument("--data", metavar="DATASET", required=True, help="faces of the model's size, sources in place")
    parser.add_argument("--split", choices=["validation", "test"], default="test", help="default: test")
    count = number(1, 10**6, int)
    parser.add_argument("--clips", type=count, default=40, metavar="N", help="filmed again, at most (default: 40)")
    parser.add_argument("--keep", metavar="FOLDER", type=Path, help="keep the painted videos of the first clip")
    return parser.parse_args()


def model_and_clips(arguments, dataset):
    """The model that paints into takes, and the clips without dropped frames that are filmed again."""
    from audio2faces.trained.face import FaceModel, load_model
    from training.frames import frame_numbers

    model = load_model(arguments.model)
    if not isinstance(model, FaceModel):
        raise InputError(f"{arguments.model}: made with --mode began, which paints into no take")
    whole = [clip for clip in dataset.split(arguments.split) if frame_numbers(clip)[-1] == len(clip.times) - 1]
    if not whole:
        raise InputError(f"{dataset.folder}: every {arguments.split} clip has dropped frames")
    return model, whole[: arguments.clips]


def filmed_again(takes, clips, model, keep):
    """Films clips again, each in its own way.

    Args:
        takes: from the name of each kind of take to the function (clip, generator) that yields pairs of a picture and
            what is to be known of it.
        clips: of a dataset.
        model: `FaceModel`.
        keep: folder for the painted videos of the first clip, or None.

    Yields:
        (name, clip, video, known): the path of a video, which the next one replaces, with its sound beside it; what is
        known of its pictures, a list.
    """
    from audio2faces.generate.video import Options, generate_video
    from media.writing import write_pictures, write_wav

    def pictures():
        for picture, of_picture in takes[take](clip, np.random.default_rng(seed)):
            known.append(of_picture)
            yield picture

    with tempfile.TemporaryDirectory() as scratch, progress(len(takes) * len(clips), "take", "filming again") as bar:
        video = Path(scratch) / "take.mp4"
        for take in takes:
            for seed, clip in enumerate(clips):
                known: list = []
                write_pictures(video, pictures(), clip.entry["fps"], QUALITY)
                sound = clip.speech()[round(clip.times[0] * SPEECH_RATE) :]
                write_wav(video.with_suffix(".wav"), sound, SPEECH_RATE)
                if keep and not seed:
                    keep.mkdir(parents=True, exist_ok=True)
                    options = Options(source=video, frame_rate=clip.entry["fps"])
                    painted = keep / f"{take.replace(' ', '-')}.mp4"
                    generate_video(model, video.with_suffix(".wav"), painted, options=options)
                yield take, clip, video, known
                bar.update(1)
