"""How a model learns and speaks, in one diagram: python -m benchmarks.data_flow_picture docs/data-flow.png."""

import itertools
import sys

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from audio2faces.published import DEFAULT_MODEL, SAMPLES
from media.reading import SPEECH_RATE, read_frames, read_speech
from preprocessing.faces.detectors import make_detector
from preprocessing.faces.extraction import extract_faces
from preprocessing.speech.audio_features import speech_maps
from runtime.backend import import_keras
from runtime.program import ArgumentParser, program

CLIP = SAMPLES / "bgbu4p.mpg"  # of the test sentences
FRAME = 32
BOX, GAP = (1.5, 1.5), 0.75  # inches
ROWS = {"picture": 3.5, "sound": 0.9}  # inches from the bottom
COLOURS = {"data": "#444444", "network": "#2a78b5"}


class Diagram:
    """Boxes on a grid, joined by arrows; lengths in inches."""

    def __init__(self, columns):
        width = columns * (BOX[0] + GAP) + GAP
        self.size = (width, 5.6)
        self.figure = Figure(figsize=self.size)

    def box(self, column, row, title, kind="data", draw=None):
        """Axes with a title below; `draw` is an image, or a function of the axes, or a text."""
        left, bottom = GAP / 2 + column * (BOX[0] + GAP), ROWS[row]
        axes = self.figure.add_axes(
            [left / self.size[0], bottom / self.size[1], BOX[0] / self.size[0], BOX[1] / self.size[1]]
        )
        axes.set(xticks=[], yticks=[])
        axes.set_xlabel(title, fontsize=9, labelpad=6)
        for spine in axes.spines.values():
            spine.set_color(COLOURS[kind])
            spine.set_linewidth(2 if kind == "network" else 0.8)
        if isinstance(draw, str):
            axes.text(0.5, 0.5, draw, ha="center", va="center", fontsize=9, color=COLOURS[kind])
            axes.set_facecolor("#eef4fa")
        elif isinstance(draw, np.ndarray):
            axes.imshow(draw)
        else:
            draw(axes)
            axes.set(xticks=[], yticks=[])
        return left, bottom

    def arrow(self, start, end, curve=0.0):
        """From one place (inches) to another."""
        places = [tuple(np.array(place) / self.size) for place in (start, end)]
        style = f"arc3,rad={curve}"
        self.figure.add_artist(
            FancyArrowPatch(*places, transform=self.figure.transFigure, arrowstyle="-|>", mutation_scale=12,
                            color="#777777", connectionstyle=style, shrinkA=2, shrinkB=2)
        )  # fmt: skip

    def chain(self, *places):
        """Arrows from box to box of one row."""
        for (left, bottom), (next_left, next_bottom) in itertools.pairwise(places):
            self.arrow((left + BOX[0], bottom + BOX[1] / 2), (next_left, next_bottom + BOX[1] / 2))


def strengthened(difference):
    """A picture of a difference in grey levels, four times as strong, around grey."""
    return np.clip(128 + 4 * difference, 0, 255).astype(np.uint8)


def draw(path):
    """Makes the diagram of one moment of one clip."""
    from audio2faces.generate.source import Source
    from audio2faces.lower_face import hidden_mask
    from audio2faces.trained.face import load_model
    from began.figures import save_figure

    model = load_model(DEFAULT_MODEL)
    features = model.config.speech.feature_settings
    times, images = zip(*read_frames(CLIP), strict=True)
    detector = make_detector("mtcnn")
    frames = list(extract_faces(zip(times, images, strict=True), detector, 25.0, model.config.size))
    real, speech = frames[FRAME].crop, read_speech(CLIP)
    (of_moment,) = maps = speech_maps(speech, np.array([FRAME / 25]), features)
    motion = model.motion(maps)
    around = model.around(np.array([FRAME]), model.frame_rate)
    (painted,) = model.render(motion, **around)
    (moved,) = model.render(motion, refined=False, reference=around["reference"])
    hidden = around["frames"][0] * (1 - hidden_mask(model.config.size)) + 128 * hidden_mask(model.config.size)
    source = Source.of_footage(model.footage, model.config.size)
    shown = source.with_face(painted, FRAME / model.frame_rate, painted=1.0)

    def landmarks(axes):
        face = frames[FRAME]
        axes.imshow(images[FRAME])
        axes.plot(*face.landmarks.T, ".", color="red", markersize=3)
        axes.set(xlim=(90, 330), ylim=(288, 48))

    def wave(axes):
        axes.plot(np.arange(len(speech)) / SPEECH_RATE, speech, color="#444444", linewidth=0.3)
        half = features.span / features.sample_rate / 2
        axes.axvspan(FRAME / 25 - half, FRAME / 25 + half, color="#2a78b5", alpha=0.3)

    def heat(axes):
        axes.imshow(of_moment.T, "RdBu_r", aspect="auto", origin="lower")

    middle = (shown.shape[1] - shown.shape[0]) // 2
    diagram = Diagram(7)
    video = diagram.box(0, "picture", "video of the speaker", draw=images[FRAME][:, 36:324])
    found = diagram.box(1, "picture", "MTCNN: five landmarks,\nfollowed and smoothed", draw=landmarks)
    aligned = diagram.box(2, "picture", "aligned face", draw=real)
    target = diagram.box(3, "picture", "less its clip's mean:\nmotion to learn (x 4)",
                         draw=strengthened(real - np.mean([frame.crop for frame in frames], axis=0)))  # fmt: skip
    frame = diagram.box(5, "picture", "frame of the footage,\nlower face hidden", draw=hidden.astype(np.uint8))
    sound = diagram.box(0, "sound", "speech, 16 kHz", draw=wave)
    heard = diagram.box(1, "sound", f"MFCC map: {features.rows} rows,\n10 ms apart",
                        draw=heat)  # fmt: skip
    regressor = diagram.box(2, "sound", "squared error", "network", "regressor")
    made = diagram.box(
        3, "sound", "motion (x 4), amplitude\ngiven back", draw=strengthened(127.5 * np.asarray(motion)[0])
    )
    added = diagram.box(4, "sound", "reference face + motion", draw=moved)
    refiner = diagram.box(5, "sound", "a U-Net; squared error\nand strength of detail", "network", "refiner")
    final = diagram.box(6, "sound", "what is shown", draw=shown[:, middle : middle + shown.shape[0]])
    diagram.chain(video, found, aligned, target)
    diagram.chain(sound, heard, regressor, made, added, refiner, final)
    half = BOX[0] / 2
    diagram.arrow((target[0] + 0.2, target[1] - 0.55), (regressor[0] + half, regressor[1] + BOX[1]), 0.15)
    diagram.arrow((frame[0] + half, frame[1] - 0.55), (refiner[0] + half, refiner[1] + BOX[1]))
    diagram.figure.text((target[0] - 0.1) / diagram.size[0], (target[1] - 0.9) / diagram.size[1], "in training",
                        ha="right", fontsize=8, color="#777777")  # fmt: skip
    save_figure(diagram.figure, path)


@program
def main():
    """Draws the diagram."""
    parser = ArgumentParser(prog="python -m benchmarks.data_flow_picture", description=__doc__)
    parser.add_argument("picture", metavar="PNG", help="to write")
    arguments = parser.parse_args()
    import_keras()
    draw(arguments.picture)
    print(f"wrote {arguments.picture}")


if __name__ == "__main__":
    sys.exit(main())
