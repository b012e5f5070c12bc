"""How well the mouth is painted into takes with a moving camera or a turning head: python -m benchmarks.moving_head.

Clips of a split are filmed again by a simulated camera, so that what the hidden mouth did is known: their pictures
are changed smoothly, each clip in its own way. "camera" zooms, rolls and shifts; "turned" is a plane that turns aside
by up to 40 degrees and nods, as a head does in perspective; in "light" brightness and tint swing, from side to side.
The face is found anew in each take, as `generate.py --source` finds it, and its own speech is painted into it;
generated and real faces are compared in the crops of that take, in the frames into which a mouth was painted, whose
share is printed. The others stay as filmed. Clips with dropped frames are left out.
"""

import sys
from functools import partial

import cv2
import numpy as np

from benchmarks.takes import filmed_again, model_and_clips, parse_arguments
from preprocessing.dataset import open_dataset
from runtime.backend import import_keras
from runtime.program import program

SLOWEST = 2.5  # seconds of a whole swing, at least, of what moves
ZOOM, ROLL, SHIFT = 0.2, 10.0, 0.08  # share; degrees; share of the height: the largest of "camera"
TURN, NOD = 40.0, 12.0  # degrees: the largest of "turned"
FOCAL = 2.5  # heights of the picture from the camera to the plane
BRIGHT, TINT = 0.4, 0.15  # share of the brightness, of that of red against blue: the largest of "light"
TAKES = ("as filmed", "camera", "turned", "light")


@program
def main():
    """Prints the measures of each kind of take."""
    arguments = parse_arguments("moving_head", __doc__)
    dataset = open_dataset(arguments.data)
    import_keras()
    from audio2faces.evaluate.evaluation import format_table, measure
    from measures.mouth import MouthComponents

    model, clips = model_and_clips(arguments, dataset)
    components = MouthComponents.fit(dataset.split("train"))
    painted = {take: [] for take in TAKES}
    films = {take: partial(pictures, take=take) for take in TAKES}
    for take, clip, video, _ in filmed_again(films, clips, model, arguments.keep):
        painted[take].append(paint(model, video, clip))
    rows, counted = {}, {}
    for take, of_clips in painted.items():
        real, made, painted_there, others = zip(*of_clips, strict=True)
        kept = [number for number, there in enumerate(painted_there) if there.sum() > 1]
        faces = ([of_clip[number][painted_there[number]] for number in kept] for of_clip in (real, made))
        rows[take] = measure(*faces, components)
        counted[take] = np.mean(np.concatenate(painted_there)), sum(others)
    print(f"{model.name} on {len(clips)} {arguments.split} clips\n\n{format_table({'methods': rows})}\n")
    for take, (share, noted) in counted.items():
        print(f"{take}: {share:.1%} of the frames painted, {noted} of {len(clips)} takes taken for another person's")


def pictures(clip, generator, take):
    """Yields pairs: the pictures of a take of a clip, and None."""
    from audio2faces.trained.footage_choice import source_pictures
    from preprocessing.faces.alignment import inverse_transform

    seconds = clip.times - clip.times[0]
    names = ("zoom", "roll", "x", "y", "turn", "nod", "left", "right", "tint")
    swings = {name: swing(seconds, generator) for name in names}
    for index, (picture, transform) in enumerate(source_pictures(clip, 0, len(clip.times))):
        if not index:
            centre = inverse_transform(transform) @ [clip.faces.shape[1] / 2, clip.faces.shape[1] / 2, 1]
        height, width = picture.shape[:2]
        now = {name: values[index] for name, values in swings.items()}
        if take == "light":
            yield lit(picture, now), None
            continue
        moved = homography(now, take, centre, height)
        size = width, height
        yield cv2.warpPerspective(picture, moved, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), None


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
    """Of a take: (real faces, generated ones, whether each frame is painted, whether another person is noted)."""
    from audio2faces.generate.source import open_source
    from audio2faces.generate.video import Options, stream_faces
    from preprocessing.faces.alignment import crop_face

    size, rate = model.config.size, clip.entry["fps"]
    source = open_source(video, size, None, likeness=model.likeness)
    paints = model.paints and not source.another
    made, painted = [], []
    for faces in stream_faces(model, video.with_suffix(".wav"), rate, Options(), source=source):
        for face in faces[: len(source.times) - len(made)]:
            time, opacity = source.times[len(made)], source.opacity[len(made)]
            shown = source.visibility(face, time) if paints else None
            painted.append(opacity > 0 and shown != 0)
            made.append(crop_face(source.with_face(face, time, shown), source.transforms[len(made)], size))
    return source.faces[: len(made)], np.stack(made), np.array(painted), source.another


if __name__ == "__main__":
    sys.exit(main())
