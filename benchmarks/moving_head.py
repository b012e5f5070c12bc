"""How well the mouth is painted into takes with a moving camera or a turning head: python -m benchmarks.moving_head.

Clips of a split are filmed again by a simulated camera, so that what the hidden mouth did is known: their pictures
are changed smoothly, each clip in its own way. "camera" zooms, rolls and shifts; "turned" is a plane that turns aside
by up to 40 degrees and nods, as a head does in perspective; in "light" brightness and tint swing, from side to side.
The face is found anew in each take, as `generate.py --source` finds it, and its own speech is painted into it;
generated and real faces are compared in the crops of that take. "painted" is the share of the frames into which a mouth
was painted; the others stay as filmed and count as they are. Clips with dropped frames are left out.
"""

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from audio2faces.published import DEFAULT_MODEL, find_model
from preprocessing.dataset import open_dataset
from runtime.backend import import_keras
from runtime.errors import InputError
from runtime.program import ArgumentParser, number, program
from runtime.progress import progress

RATE = 16000  # of the sound of a take, in Hz
QUALITY = 12  # constant rate factor of a take
SLOWEST = 2.5  # seconds of a whole swing, at least, of what moves
ZOOM, ROLL, SHIFT = 0.2, 10.0, 0.08  # share; degrees; share of the height: the largest of "camera"
TURN, NOD = 40.0, 12.0  # degrees: the largest of "turned"
FOCAL = 2.5  # heights of the picture from the camera to the plane
BRIGHT, TINT = 0.4, 0.15  # share of the brightness, of that of red against blue: the largest of "light"
TAKES = ("as filmed", "camera", "turned", "light")


def parse_arguments():
    """Reads the command line."""
    parser = ArgumentParser(prog="python -m benchmarks.moving_head", description=__doc__)
    parser.add_argument("--model", type=find_model, default=DEFAULT_MODEL, metavar="MODEL", help="name or folder")
    parser.add_argument("--data", metavar="DATASET", required=True, help="faces of the model's size, sources in place")
    parser.add_argument("--split", choices=["validation", "test"], default="test", help="default: test")
    parser.add_argument(
        "--clips",
        type=number(1, 10**6, int),
        default=40,
        metavar="N",
        help="clips that are filmed again, at most (default: 40)",
    )
    parser.add_argument("--keep", metavar="FOLDER", help="keep the painted videos of the first clip")
    return parser.parse_args()


@program
def main():
    """Prints the measures of each kind of take."""
    arguments = parse_arguments()
    dataset = open_dataset(arguments.data)
    import_keras()
    from audio2faces.evaluate.evaluation import format_table, measure
    from audio2faces.generate.video import Options, generate_video
    from measures.mouth import MouthComponents

    model, clips = model_and_clips(arguments, dataset)
    components = MouthComponents.fit(dataset.split("train"))
    rows, counted = {}, {}
    with tempfile.TemporaryDirectory() as scratch, progress(len(TAKES) * len(clips), "take", "filming again") as bar:
        for take in TAKES:
            real, made, painted, others = [], [], [], []
            for number, clip in enumerate(clips):
                video = film(clip, take, number, Path(scratch))
                of_clip = paint(model, video, clip)
                for several, one in zip((real, made, painted, others), of_clip, strict=True):
                    several.append(one)
                if arguments.keep and not number:
                    kept = Path(arguments.keep) / f"{take.replace(' ', '-')}.mp4"
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    options = Options(source=video, frame_rate=clip.entry["fps"])
                    generate_video(model, video.with_suffix(".wav"), kept, options=options)
                bar.update(1)
            rows[take] = measure(real, made, components)
            counted[take] = np.mean(painted), sum(others)
    print(f"{model.name} on {len(clips)} {arguments.split} clips\n\n{format_table({'methods': rows})}\n")
    for take, (share, noted) in counted.items():
        print(f"{take}: {share:.1%} of the frames painted, {noted} of {len(clips)} takes taken for another person's")


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


def film(clip, take, seed, folder):
    """Writes a take of a clip and its sound beside it; returns the path of the video."""
    from audio2faces.trained.footage_choice import source_pictures
    from media.writing import write_pictures, write_wav
    from preprocessing.faces.alignment import inverse_transform

    video = folder / "take.mp4"
    seconds, generator = clip.times - clip.times[0], np.random.default_rng(seed)

    def filmed():
        names = ("zoom", "roll", "x", "y", "turn", "nod", "left", "right", "tint")
        swings = {name: swing(seconds, generator) for name in names}
        for index, (picture, transform) in enumerate(source_pictures(clip, 0, len(clip.times))):
            if not index:
                centre = inverse_transform(transform) @ [clip.faces.shape[1] / 2, clip.faces.shape[1] / 2, 1]
            height, width = picture.shape[:2]
            now = {name: values[index] for name, values in swings.items()}
            if take == "light":
                yield lit(picture, now)
                continue
            moved = homography(now, take, centre, height)
            yield cv2.warpPerspective(
                picture, moved, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
            )

    write_pictures(video, filmed(), clip.entry["fps"], QUALITY)
    write_wav(video.with_suffix(".wav"), clip.speech(RATE)[round(clip.times[0] * RATE) :], RATE)
    return video


def swing(seconds, generator):
    """A smooth motion within [-1, 1] that starts anywhere: two sines [shape=(frames,)]."""
    periods, starts = SLOWEST * generator.uniform(1, 2, 2), generator.uniform(0, 2 * np.pi, 2)
    one, other = np.sin(2 * np.pi * seconds[:, None] / periods + starts).T
    return 0.7 * one + 0.3 * other


def homography(swings, take, centre, height):
    """From a picture to what the camera sees of it [shape=(3, 3)].

    Args:
        swings: "zoom", "roll", "x", "y", "turn" and "nod", in [-1, 1].
        take: one of TAKES.
        centre: of the face in pixels, which the picture turns about.
        height: of the picture in pixels.
    """
    moved = np.eye(3)
    if take == "camera":
        moved[:2] = cv2.getRotationMatrix2D((0, 0), ROLL * swings["roll"], 1 + ZOOM * swings["zoom"])
        moved[:2, 2] = SHIFT * height * np.array([swings["x"], swings["y"]])
    elif take == "turned":
        turn, nod = np.radians([TURN * swings["turn"], NOD * swings["nod"]])
        turned = cv2.Rodrigues(np.array([0, turn, 0]))[0] @ cv2.Rodrigues(np.array([nod, 0, 0]))[0]
        depth = FOCAL * height
        moved = np.array([turned[0, :2], turned[1, :2], turned[2, :2] / depth])  # of the plane at that depth
        moved = np.column_stack([moved, [0, 0, 1]])
    to_centre, back = np.eye(3), np.eye(3)
    to_centre[:2, 2], back[:2, 2] = -centre, centre
    return back @ moved @ to_centre


def lit(picture, swings):
    """A picture in other light, uint8 RGB, by "left", "right" and "tint" in [-1, 1]."""
    sides = 1 + BRIGHT * np.linspace(swings["left"], swings["right"], picture.shape[1])[None, :, None]
    return np.clip(picture * sides * (1 + TINT * swings["tint"] * np.array([1, 0, -1])), 0, 255).astype(np.uint8)


def paint(model, video, clip):
    """Of a take: (real faces, generated ones, share of the frames painted, whether another person is noted)."""
    from audio2faces.generate.source import open_source
    from audio2faces.generate.video import Options, stream_faces
    from preprocessing.faces.alignment import crop_face

    size, rate = model.config.size, clip.entry["fps"]
    source = open_source(video, size, None, likeness=model.likeness)
    paints = model.paints and not source.another
    made, painted = [], 0.0
    for faces in stream_faces(model, video.with_suffix(".wav"), rate, Options(), source=source):
        for face in faces[: len(source.times) - len(made)]:
            time, opacity = source.times[len(made)], source.opacity[len(made)]
            shown = source.visibility(face, time) if paints else None
            painted += opacity > 0 and shown != 0
            made.append(crop_face(source.with_face(face, time, shown), source.transforms[len(made)], size))
    return source.faces[: len(made)], np.stack(made), painted / len(made), source.another


if __name__ == "__main__":
    sys.exit(main())
