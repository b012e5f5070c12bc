"""Where each face detector stops finding the face: python -m benchmarks.detectors VIDEO...

The frames of the videos are tilted about the face, darkened, and shrunk. Where the face is, the frames as they are
tell. A table in Markdown gives, for each detector on single frames, the misses in per cent of the frames and the false
faces in 100 frames.
"""

import sys

import cv2
import numpy as np

from media.reading import read_frames
from preprocessing.compare_detectors.comparison import find_faces
from preprocessing.compare_detectors.measures import measure, true_boxes
from preprocessing.faces.detectors import DETECTORS, make_detector
from runtime import tables
from runtime.program import ArgumentParser, program
from runtime.progress import progress

STEP = 5  # every fifth frame is looked at; the truth is told from all
TILTS = (0, 10, 20, 30)  # degrees, to the left
LIGHTS = (0.25, 0.1, 0.05)  # share that is left of the light
SHARES = (0.5, 0.25)  # of the frame's side


def tilted(images, boxes, degrees):
    """Frames turned about the middle of the face, which stays where it is."""
    middle = np.nanmedian(boxes, axis=0).reshape(2, 2).mean(axis=0)
    matrix = cv2.getRotationMatrix2D(middle, degrees, 1.0)
    size = images[0].shape[1::-1]
    turned = [cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REPLICATE) for image in images]
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    moved = cv2.transform(centres[:, None], matrix)[:, 0] - centres
    return turned, boxes + np.tile(moved, 2)


def darkened(images, boxes, light):
    """Frames with less light and the rounding that comes with it."""
    return [np.rint(image * light).astype(np.uint8) for image in images], boxes


def shrunk(images, boxes, share):
    """Frames of another size."""
    return [
        cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA) for image in images
    ], boxes * share


CHANGES = (
    *((f"tilted by {degrees} degrees" if degrees else "as it is", tilted, degrees) for degrees in TILTS),
    *((f"{light:.0%} of the light", darkened, light) for light in LIGHTS),
    *((f"{share:.0%} of the size", shrunk, share) for share in SHARES),
)


@program
def main():
    parser = ArgumentParser(prog="python -m benchmarks.detectors", description=__doc__)
    parser.add_argument("videos", metavar="VIDEO", nargs="+", help="video that shows one face")
    paths = parser.parse_args().videos
    detectors = {name: make_detector(name) for name in DETECTORS}
    found = {(name, what): [] for name in detectors for what, _, _ in CHANGES}
    with progress(len(paths), "video", "comparing") as bar:
        for path in paths:
            boxes = true_boxes(find_faces(read_frames(path), "mtcnn", detectors["mtcnn"]))[::STEP]
            images = [image for _, image in read_frames(path)][::STEP]
            for what, change, amount in CHANGES:
                changed, truth = change(images, boxes, amount)
                for name, detector in detectors.items():
                    found[name, what].append((detector.detect(changed), truth))
            bar.update()
    of_each = [title for name in detectors for title in (f"{name}: misses, %", "false in 100")]
    print(tables.head(["frames", *of_each]))
    for what, _, _ in CHANGES:
        cells = []
        for name in detectors:
            errors = measure(found[name, what])
            cells += [f"{100 * errors['misses'] / errors['frames']:.1f}", f"{errors['false']:.1f}"]
        print(tables.row([what, *cells]))


if __name__ == "__main__":
    sys.exit(main())
