"""Speed of face extraction, decode to aligned crop, beside its rivals in the same run: python -m benchmarks.extraction.

Everything starts from the same H.264 files: real clips as they are, and scaled up. The rivals decode with PyAV too.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from media.reading import media_path, read_frames, video_info
from preprocessing.faces.extraction import extract_faces
from preprocessing.faces.mtcnn_detector import MtcnnDetector
from preprocessing.faces.tracking import track_faces
from runtime.program import ArgumentParser, peak_memory, program

SAMPLES = Path(__file__).parent.parent / "samples"
SIZES = {"360x288": (360, 288), "1280x720": (1280, 720)}
PACKAGE_FRAMES = 10  # of each clip that are given to the package, frame by frame
FACE_MESH = """
import sys, time, av, mediapipe
mesh = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=False, max_num_faces=1)
def run(path):
    with av.open(path) as container:
        container.streams.video[0].thread_type = "AUTO"
        return sum(mesh.process(frame.to_ndarray(format="rgb24")) is not None for frame in container.decode(video=0))
run(sys.argv[1])
for line in sys.stdin:
    start = time.perf_counter()
    count = sum(run(path) for path in sys.argv[1:])
    print(count / (time.perf_counter() - start), flush=True)
"""


def scaled_video(source, path, size):
    """Writes the frames of a video at another size."""
    with av.open(media_path(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25), options={"crf": "18", "preset": "medium"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for _, image in read_frames(source):
            image = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return str(path)


def decode(path):
    """Frames of a video, decoded to RGB and thrown away."""
    return sum(1 for _ in read_frames(path))


def extract(path, detector, exact=False):
    """Aligned faces of a video."""
    frames = extract_faces(read_frames(path), detector, video_info(path).frame_rate, 64, exact)
    return sum(face.crop is not None for face in frames)


def package(path, network):
    """Some frames of a video, each decoded and given to the package by itself."""
    frames = [image for _, image in read_frames(path)]
    chosen = frames[:: max(1, len(frames) // PACKAGE_FRAMES)]
    start = time.perf_counter()
    for image in chosen:
        network.detect_faces(image)
    return len(chosen), time.perf_counter() - start


def rate(function, paths):
    """Frames/s of a function of a path that returns how many frames it did."""
    start = time.perf_counter()
    return sum(map(function, paths)) / (time.perf_counter() - start)


def landmark_distances(path, detector):
    """Between tracked and exactly detected landmarks, in pixels, all of one video [shape=(n,)]."""
    frames = list(read_frames(path))
    exact = np.stack([frame.face.landmarks for frame in track_faces(frames, detector, exact=True)])
    tracked = np.stack([frame.face.landmarks for frame in track_faces(frames, detector)])
    return np.linalg.norm(tracked - exact, axis=2).ravel(), np.linalg.norm(np.diff(exact, axis=0), axis=2).ravel()


class FaceMesh:
    """Mediapipe's face mesh in another Python, as it needs an older NumPy; None-like without one."""

    def __init__(self, python, paths):
        self.process = subprocess.Popen(
            [python, "-c", FACE_MESH, *paths],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "GLOG_minloglevel": "3"},
        )

    def rate(self):
        """Frames/s over all paths."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


@program
def main():
    """Prints frames/s and their ratios, the medians of paired rounds."""
    parser = ArgumentParser(prog="python -m benchmarks.extraction", description=__doc__)
    parser.add_argument("clips", nargs="*", metavar="CLIP", help="videos to measure on (default: four of samples/)")
    parser.add_argument("--rounds", type=int, default=5, help="paired rounds (default: 5)")
    parser.add_argument("--mediapipe", metavar="PYTHON", help="a Python with mediapipe 0.10.21 and av to compare with")
    arguments = parser.parse_args()
    clips = [Path(clip) for clip in arguments.clips] or sorted(SAMPLES.glob("*.mkv"))[:4]
    from mtcnn import MTCNN

    detector, network = MtcnnDetector(), MTCNN()
    with tempfile.TemporaryDirectory() as folder:
        for name, size in SIZES.items():
            paths = [scaled_video(clip, Path(folder) / f"{name}-{clip.stem}.mp4", size) for clip in clips]
            mesh = FaceMesh(arguments.mediapipe, paths) if arguments.mediapipe else None
            extract(paths[0], detector), extract(paths[0], detector, exact=True), package(paths[0], network)
            rates = {key: [] for key in ("tracked", "exact", "package", "decoding", *(["face mesh"] if mesh else []))}
            for _ in range(arguments.rounds):
                rates["tracked"].append(rate(lambda path: extract(path, detector), paths))
                counts, seconds = zip(*(package(path, network) for path in paths), strict=True)
                rates["package"].append(sum(counts) / sum(seconds))
                rates["exact"].append(rate(lambda path: extract(path, detector, exact=True), paths[:1]))
                rates["decoding"].append(rate(decode, paths))
                if mesh:
                    rates["face mesh"].append(mesh.rate())
            print(f"{name}, {len(clips)} clips, {arguments.rounds} rounds, frames/s (medians):")
            print("  " + ", ".join(f"{key} {statistics.median(values):.1f}" for key, values in rates.items()))
            for key in ("tracked", "exact"):
                for other in ("package", "face mesh", "decoding"):
                    if other in rates:
                        ratios = [a / b for a, b in zip(rates[key], rates[other], strict=True)]
                        middle, least, most = statistics.median(ratios), min(ratios), max(ratios)
                        print(f"  {key} / {other}: {middle:.2f} ({least:.2f} to {most:.2f})")
            found = [landmark_distances(path, detector) for path in paths]
            tracked, trembling = (np.concatenate(parts) for parts in zip(*found, strict=True))
            for what, values in (
                ("tracked from exact landmarks", tracked),
                ("exact ones from frame to frame", trembling),
            ):
                middle, most = np.percentile(values, [50, 99])
                print(f"  distance of {what}: median {middle:.2f}, 99th percentile {most:.2f} pixels")
    print(f"peak memory {peak_memory() / 1e6:.0f} MB")


if __name__ == "__main__":
    sys.exit(main())
