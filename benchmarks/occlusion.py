"""Whether frames whose mouth is occluded by a hand or a caption stay as filmed: python -m benchmarks.occlusion.

A drawn hand in the speaker's own colour, in another place and pose in each clip, comes before the mouth and leaves it,
or white letters lie over the chin for a second and a half. The clip's own speech is painted into it as by
`generate.py --source`. "occluded" counts the frames in which the hand has arrived or the letters are there, "free"
those with nothing in front of the face; the share that stays as filmed should be 1 and 0. A frame may stay as filmed
because no face is found in it, or because the painted face does not agree with it (`audio2faces.generate.occlusion`).
"""

import sys

import cv2
import numpy as np

from benchmarks.takes import filmed_again, model_and_clips, parse_arguments
from preprocessing.dataset import open_dataset
from runtime import tables
from runtime.backend import import_keras
from runtime.program import program

COMES, STAYS, MOVES = (15, 25), 20, 8  # frames: when a hand comes, how long it stays, how long it comes and goes
CAPTION, LETTERS = (20, 55), "bin blue at f two now"  # frames with it
MOUTH, CHIN, CHEEK = (0.5, 0.78), (0.5, 0.93), (0.3, 0.62)  # in units of the side of the crop
FREE, OCCLUDED, BETWEEN = 0, 1, 2


def with_hand(clip, generator):
    """Frames of a clip with a hand that comes before the mouth: pairs of picture and FREE, OCCLUDED or BETWEEN."""
    from audio2faces.trained.footage_choice import source_pictures

    side, first = generator.choice([-1, 1]), generator.integers(*COMES)
    angle, shade = side * generator.uniform(0.1, 0.7), generator.uniform(0.85, 1.1)
    for index, (picture, transform) in enumerate(source_pictures(clip, 0, len(clip.times))):
        if not index:
            mouth, _, cheek, width = places(clip, transform)
            x, y = np.rint(cheek).astype(int)
            colour = shade * np.median(picture[y - 4 : y + 5, x - 4 : x + 5].reshape(-1, 3), axis=0)
        away = max(first + MOVES - index, index - first - MOVES - STAYS + 1, 0) / MOVES
        if away > 1:
            yield picture, FREE
            continue
        at = mouth + away * width * np.array([0.65 * side, 1.3]) + generator.normal(scale=0.3, size=2)
        yield draw_hand(picture, at, 0.55 * width, angle, colour, generator), BETWEEN if away else OCCLUDED


def with_caption(clip, generator):
    """The same with letters over the chin."""
    from audio2faces.trained.footage_choice import source_pictures

    for index, (picture, transform) in enumerate(source_pictures(clip, 0, len(clip.times))):
        if not index:
            _, chin, _, width = places(clip, transform)
            scale = width / 170
            (length, _), _ = cv2.getTextSize(LETTERS, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
            corner = np.rint(chin - [length / 2 + generator.uniform(-0.1, 0.1) * width, 0]).astype(int).tolist()
        if not CAPTION[0] <= index < CAPTION[1]:
            yield picture, FREE
            continue
        lettered = picture.copy()
        for grey, thickness in ((0, 4), (255, 1)):
            cv2.putText(lettered, LETTERS, corner, cv2.FONT_HERSHEY_SIMPLEX, scale, (grey,) * 3, thickness, cv2.LINE_AA)
        yield lettered, OCCLUDED


def places(clip, transform):
    """Mouth, chin and cheek in a frame, and the width of the crop, in pixels."""
    from preprocessing.faces.alignment import inverse_transform

    back, size = inverse_transform(transform), clip.faces.shape[1]
    points = [back @ [*(size * np.array(place)), 1] for place in (MOUTH, CHIN, CHEEK)]
    return *points, size * np.linalg.norm(back[:, 0])


def draw_hand(picture, at, length, angle, colour, generator):
    """A picture with a shaded palm and four fingers over it, uint8 RGB.

    Args:
        picture: uint8 RGB.
        at: where the palm's upper edge is, in pixels [shape=(2,)].
        length: of the palm in pixels.
        angle: that it is turned by, in radians.
        colour: of its skin, RGB [shape=(3,)].
        generator: of its grain.
    """
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    opacity, shading = np.zeros((2, *picture.shape[:2]), np.float32)
    parts = [((-0.3 + 0.2 * finger, -0.45), (0.1, 0.5)) for finger in range(4)] + [((0, 0.3), (0.42, 0.45))]
    for centre, radii in parts:
        part: np.ndarray = np.zeros(picture.shape[:2], np.float32)
        centre = np.rint(at + length * turned @ centre).astype(int).tolist()
        radii = np.rint(length * np.array(radii)).astype(int).tolist()
        cv2.ellipse(part, centre, radii, np.degrees(angle), 0, 360, 1.0, cv2.FILLED, cv2.LINE_AA)
        shading = np.where(part > 0.5, 0.6 + 0.5 * cv2.GaussianBlur(part, (0, 0), 0.05 * length), shading)
        opacity = np.maximum(opacity, part)
    grain = 1 + 0.03 * cv2.GaussianBlur(generator.normal(size=opacity.shape), (0, 0), 1)
    opacity = cv2.GaussianBlur(opacity, (0, 0), 0.8)[..., None]
    drawn = (shading * grain)[..., None] * colour
    return np.clip(picture + opacity * (drawn - picture), 0, 255).astype(np.uint8)


TAKES = {"hand": with_hand, "caption": with_caption}


def shown_of(model, video, rate):
    """How much of the painted face each frame of a take shows: by what it looks like, and by the face found in it."""
    from audio2faces.generate.source import open_source
    from audio2faces.generate.video import Options, stream_faces

    source = open_source(video, model.config.size, None, likeness=model.likeness)
    faces = (
        face
        for batch in stream_faces(model, video.with_suffix(".wav"), rate, Options(), source=source)
        for face in batch
    )
    shown = [source.visibility(face, time) for face, time in zip(faces, source.times, strict=False)]
    return np.array(shown), source.opacity[: len(shown)]


@program
def main():
    """Prints a row of each kind of take."""
    arguments = parse_arguments("occlusion", __doc__)
    dataset = open_dataset(arguments.data)
    import_keras()
    model, clips = model_and_clips(arguments, dataset)
    frames = {take: [] for take in TAKES}
    for take, clip, video, states in filmed_again(TAKES, clips, model, arguments.keep):
        shown, opacity = shown_of(model, video, clip.entry["fps"])
        frames[take].append((np.array(states[: len(shown)]), shown * opacity, opacity))
    print(f"{model.name} on {len(clips)} {arguments.split} clips\n")
    titles = ["take", "occluded: frames", "as filmed", "no face found", "free: frames", "as filmed", "faded"]
    print(tables.head(titles))
    for take, of_clips in frames.items():
        states, shown, opacity = map(np.concatenate, zip(*of_clips, strict=True))
        occluded, free = states == OCCLUDED, states == FREE
        cells = [
            f"{occluded.sum()}", *(f"{(values[occluded] == 0).mean():.3f}" for values in (shown, opacity)),
            f"{free.sum()}", f"{(shown[free] == 0).mean():.3f}", f"{(shown[free] < 1).mean():.3f}",
        ]  # fmt: skip
        print(tables.row([take, *cells]))


if __name__ == "__main__":
    sys.exit(main())
