"""How often `--source` takes a person for another than the model's speaker: of that speaker's videos, and of others'.

Each video is judged as `generate.py --source` judges it, and some of its faces one by one, as pictures are.
"""

import random
import sys
from pathlib import Path

import numpy as np

from audio2faces.published import find_model
from media.reading import read_frames, video_info
from preprocessing.faces.detectors import make_detector
from preprocessing.faces.extraction import extract_faces
from runtime.backend import import_keras
from runtime.errors import InputError
from runtime.program import ArgumentParser, program
from runtime.progress import progress

VIDEOS = (".mp4", ".mkv", ".mpg", ".mov", ".webm", ".avi")
FRAMES = 75  # of a video that are read
FACE_STEP = 9  # every ninth of its faces is judged alone, as a picture would be


@program
def main():
    """Prints for each folder how many of its videos, and of single faces, get the note, and the distances."""
    parser = ArgumentParser(prog="python -m benchmarks.likeness", description=__doc__)
    parser.add_argument("own", metavar="OWN", help="folder of videos of the model's speaker")
    parser.add_argument("others", metavar="OTHER", nargs="*", help="folder of videos of another person")
    parser.add_argument("--model", required=True, type=find_model, metavar="MODEL", help="name or folder")
    parser.add_argument("--videos", type=int, default=60, metavar="N", help="of each folder, at random (default: 60)")
    arguments = parser.parse_args()
    import_keras()
    from audio2faces.generate.source import JUDGED_SIZE
    from audio2faces.trained.face import load_model

    model = load_model(arguments.model)
    if (likeness := getattr(model, "likeness", None)) is None:
        raise InputError(f"{arguments.model}: does not know its speaker from others; give one of --mode audio2faces")
    print(f"{model.name}\n")
    print("| folder | videos | noted | distance: median, range | single faces: noted |\n|---|--:|--:|--:|--:|")
    detector = make_detector("mtcnn")
    for folder in (arguments.own, *arguments.others):
        videos = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in VIDEOS)
        videos = random.Random(0).sample(videos, min(arguments.videos, len(videos)))
        distances, noted, alone = [], [], []
        with progress(len(videos), "video", folder) as bar:
            for video in videos:
                frames = (frame for frame, _ in zip(read_frames(video), range(FRAMES), strict=False))
                found = extract_faces(frames, detector, video_info(video).frame_rate, JUDGED_SIZE)
                if crops := [face.crop for face in found if not face.reason]:
                    distances.append(likeness.distance(crops))
                    noted.append(likeness.is_another(crops))
                    alone += [likeness.is_another([crop]) for crop in crops[::FACE_STEP]]
                bar.update(1)
        spread = f"{np.median(distances):.2f}, {min(distances):.2f} to {max(distances):.2f}"
        print(f"| {folder} | {len(distances)} | {np.mean(noted):.1%} | {spread} | {np.mean(alone):.1%} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
