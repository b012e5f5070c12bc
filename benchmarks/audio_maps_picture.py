"""The audio maps of one moment in one picture: python -m benchmarks.audio_maps_picture docs/audio-maps.png."""

import sys

import numpy as np
from matplotlib.figure import Figure

from audio2faces.published import DEFAULT_MODEL
from benchmarks.audio_maps import SPEECH
from media.reading import SPEECH_RATE_2017, read_speech
from preprocessing.speech.audio_features import FEATURE_PRESETS, FeatureStatistics, speech_maps
from runtime.files import atomic_write, read_json
from runtime.program import ArgumentParser, program

MOMENT = 1.52  # s: a vowel, with a pitch period of 8 ms
COLOURS = {"wider": "#9ec1dd", "wide": "#2a78b5", "2017-long": "#c98a1b", "2017": "#d1495b"}  # of the windows
OF_2017 = ("2017", "2017-long")
EITHER_SIDE = 300  # ms of sound before and after the moment


def extent_of(settings):
    """Edges of a map's picture: ms from the moment (a row is drawn around its middle), numbers of coefficients."""
    hop = 1000 * settings.hop_length / settings.sample_rate
    centre = 1000 * settings.frame_length / 2 / settings.sample_rate
    first = centre - 1000 * settings.left_context / settings.sample_rate - hop / 2
    return first, first + hop * settings.rows, settings.dropped - 0.5, settings.n_mfcc - 0.5


def draw_sound(axes, names, shown):
    """The waveform `shown` ms around the moment, with the windows of the presets."""
    speech = read_speech(SPEECH, SPEECH_RATE_2017)
    time = 1000 * (np.arange(len(speech)) / SPEECH_RATE_2017 - MOMENT)
    chosen = np.abs(time) <= shown
    axes.plot(time[chosen], speech[chosen], color="#444444", linewidth=0.7)
    for name in names:
        settings = FEATURE_PRESETS[name]
        half = 500 * settings.span / settings.sample_rate
        label = f"{name}, {2 * half:.0f} ms"
        axes.axvspan(-half, half, color=COLOURS[name], alpha=min(0.3, 20 / half), linewidth=0, label=label)
    if names:
        axes.legend(frameon=False, ncols=len(names), loc="lower center", bbox_to_anchor=(0.5, 0.98))
    axes.set_xlim(-shown, shown)
    axes.set_ylim(-1, 1)
    axes.set_yticks([-1, 0, 1])
    axes.spines[["top", "right"]].set_visible(False)


def draw_map(figure, axes, of_moment, settings, title):
    """A map as a heat map, time from left to right, coefficients upwards, with its colours' scale."""
    largest = np.abs(of_moment).max()
    image = axes.imshow(
        of_moment.T, "RdBu_r", aspect="auto", origin="lower", vmin=-largest, vmax=largest,
        extent=extent_of(settings), interpolation="nearest",
    )  # fmt: skip
    axes.set_yticks(range(settings.dropped, settings.n_mfcc, 2))
    axes.set_ylabel("coefficient")
    axes.set_title(title, loc="left", fontsize=10)
    figure.colorbar(image, ax=axes, pad=0.01, fraction=0.05)


def title_of(name):
    """What a map of a preset holds."""
    settings = FEATURE_PRESETS[name]
    return f"{name}: {settings.rows} rows x {settings.coefficients} coefficients"


def draw_maps(path):
    """Writes the PNG: the sound with the windows, the published face's map raw and standardised, the maps of 2017."""
    content = read_json(DEFAULT_MODEL / "config.json")
    heard = content["config"]["speech"]["features"]
    maps = {
        name: speech_maps(read_speech(SPEECH, FEATURE_PRESETS[name].sample_rate), [MOMENT], FEATURE_PRESETS[name])[0]
        for name in (heard, *OF_2017)
    }
    standardised = FeatureStatistics.from_json(content["feature_statistics"]).standardise(maps[heard])
    figure = Figure(figsize=(11, 9.6), layout="constrained")
    panels = figure.subplot_mosaic(
        [["sound", "sound"], ["raw", "standardised"], ["near 2017", "near 2017-long"], ["2017", "2017-long"]],
        height_ratios=[0.9, 1.3, 0.45, 1.3],
    )
    draw_sound(panels["sound"], COLOURS, EITHER_SIDE)
    settings = FEATURE_PRESETS[heard]
    draw_map(figure, panels["raw"], maps[heard], settings, title_of(heard))
    draw_map(figure, panels["standardised"], standardised, settings, f"{heard}, standardised: the input of grid-s1-128")
    for name in OF_2017:
        settings = FEATURE_PRESETS[name]
        draw_map(figure, panels[name], maps[name], settings, title_of(name))
        near = panels[f"near {name}"]
        draw_sound(near, (), -extent_of(settings)[0])
        near.set_xlim(panels[name].get_xlim())
        near.set_title("the sound under it", loc="left", fontsize=10)
    for axes in panels.values():
        axes.set_xlabel("ms from the frame's time")
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=100, format="png")


@program
def main():
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("picture", help="PNG to write")
    draw_maps(parser.parse_args().picture)


if __name__ == "__main__":
    sys.exit(main())
