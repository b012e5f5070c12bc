"""Measures what noise, rooms, silence, other voices and sounds that are no voice make of a model's mouth.

For clips of the model's own speaker the generated mouth is compared with the real one, with the speech as it is and
changed. "opening" is the correlation of the mouth's opening, "while speaking" the same from the first to the last frame
of speech alone, "motion" that along the first component of mouth motion. For other speakers (--others) the generated
opening, and its first component ("motion"), are compared with the first component of the talker's own mouth
(measures/other_voices.py). "amplitude" is the standard deviation of the opening, and "jitter" the root mean square of
its second difference, which grows where a mouth shakes; both are 1 for the model's own speech. Without speech the mouth
should rest: "open" is its mean opening, 1 for the widest tenth of real openings. --speech adds recordings whose talker
was not filmed.
"""

import sys
from pathlib import Path

import numpy as np

from preprocessing.dataset import check_size, open_dataset
from runtime import tables
from runtime.backend import import_keras
from runtime.program import ArgumentParser, program

SECONDS = 3.0  # of what is no speech
LOUDNESS = 0.05  # root mean square of what is no speech, as loud as GRID's
VOICES_OF_BABBLE = 8
WHISPER_WINDOW = 0.032  # seconds over which a whisper keeps the spectrum's envelope
HEADER = "| sound | opening | while speaking | motion | amplitude | jitter |\n|---|--:|--:|--:|--:|--:|"


def parse_arguments():
    """Reads the command line."""
    parser = ArgumentParser(prog="python -m benchmarks.robustness", description=__doc__)
    parser.add_argument("--model", action="append", metavar="MODEL", required=True, help="may be given again")
    parser.add_argument("--data", metavar="DATASET", required=True, help="of the model's speaker")
    parser.add_argument("--split", choices=["validation", "test"], default="test", help="default: test")
    parser.add_argument(
        "--others",
        metavar="DATASET",
        action="append",
        default=[],
        help="of other speakers, faces of any size: all of its clips; may be given again",
    )
    parser.add_argument("--speech", metavar="FOLDER", help="other recordings of speech")
    return parser.parse_args()


def changes():
    """Name of each way to change speech, and the function (samples, rate, generator) -> samples."""
    from preprocessing.speech.augmentation import change_response, coloured, limit_band, music, reverberate

    def with_sound(sound, ratio):
        def changed(samples, rate, generator):
            noise = sound(len(samples), rate, generator)
            noise = noise / np.sqrt(np.mean(noise**2))
            return samples + np.sqrt(np.mean(samples**2)) * 10 ** (-ratio / 20) * noise

        return changed

    def pink(count, rate, generator):
        return coloured(count, 1, generator)

    return {
        "as it is": lambda samples, rate, generator: samples,
        "20 dB softer": lambda samples, rate, generator: 0.1 * samples,
        "pink noise, 20 dB below": with_sound(pink, 20),
        "pink noise, 10 dB below": with_sound(pink, 10),
        "pink noise, as loud": with_sound(pink, 0),
        "music, 10 dB below": with_sound(music, 10),
        "in a room (.4 s)": lambda samples, rate, generator: reverberate(samples, rate, 0.4, generator),
        "another microphone": lambda samples, rate, generator: change_response(samples, 6.0, generator),
        "telephone (300 to 3400 Hz)": lambda samples, rate, generator: limit_band(samples, rate, 300, 3400),
        "whispered": whispered,
    }


def whispered(samples, rate, generator):
    """The same vocal tract without a voice: the magnitudes of a short-time spectrum, smoothed, with random phases."""
    from scipy.ndimage import uniform_filter1d
    from scipy.signal import istft, stft

    window = round(WHISPER_WINDOW * rate)
    _, _, spectrum = stft(samples, rate, nperseg=window)
    envelope = uniform_filter1d(np.abs(spectrum), 13, axis=0)  # 400 Hz, beyond any pitch
    _, noise = istft(envelope * np.exp(2j * np.pi * generator.random(envelope.shape)), rate, nperseg=window)
    return np.resize(noise, len(samples))


def without_speech(dataset):
    """Name of each sound that is no speech, and the function (count, rate, generator) -> samples."""
    from preprocessing.speech.augmentation import coloured, hum, music

    clips = dataset.split("train")

    def loud(sound):
        def made(count, rate, generator):
            samples = sound(count, rate, generator)
            return LOUDNESS * samples / np.sqrt(np.mean(samples**2))

        return made

    def babble(count, rate, generator):
        voices = [clips[index].speech(rate) for index in generator.integers(len(clips), size=VOICES_OF_BABBLE)]
        return sum(np.roll(np.resize(voice, count), generator.integers(count)) for voice in voices)

    def bursts(times, length, decay):
        """An envelope of bursts that rise in a hundredth of a second."""

        def envelope(count, rate):
            seconds = np.arange(count) / rate
            since = [np.where(seconds >= time, seconds - time, np.inf) for time in times]
            return sum(np.exp(-age / decay) * np.minimum(1, age * 100) * (age < length) for age in since)

        return envelope

    def cough(count, rate, generator):
        envelope = bursts(np.arange(0.4, SECONDS, 1.1), 0.6, 0.08)(count, rate)
        return envelope * coloured(count, 0.5, generator) + 1e-3 * generator.normal(size=count)

    def laughter(count, rate, generator):
        """Pulses of a voice at a falling pitch, five a second, through three formants of an open vowel."""
        from scipy.signal import lfilter

        seconds = np.arange(count) / rate
        pitch = 260 - 40 * seconds
        voice = np.diff(np.floor(np.cumsum(pitch) / rate), prepend=0) + 0.05 * generator.normal(size=count)
        for formant, width in ((750, 90), (1250, 110), (2600, 170)):
            radius = np.exp(-np.pi * width / rate)
            voice = lfilter([1 - radius], [1, -2 * radius * np.cos(2 * np.pi * formant / rate), radius**2], voice)
        return voice * bursts(np.arange(0.3, SECONDS - 0.4, 0.2), 0.2, 0.07)(count, rate)

    def breath(count, rate, generator):
        seconds = np.arange(count) / rate
        return coloured(count, 0.7, generator) * np.maximum(0, np.sin(2 * np.pi * seconds / 1.5)) ** 2

    return {
        "digital silence": lambda count, rate, generator: np.zeros(count),
        "a silent room": lambda count, rate, generator: 1e-3 * generator.normal(size=count),
        "pink noise": loud(lambda count, rate, generator: coloured(count, 1, generator)),
        "white noise": loud(lambda count, rate, generator: generator.normal(size=count)),
        "hum": loud(hum),
        "music": loud(music),
        f"babble of {VOICES_OF_BABBLE}": loud(babble),
        "breath": loud(breath),
        "coughs": loud(cough),
        "laughter, synthetic": loud(laughter),
    }


def amplitude(openings):
    """Mean standard deviation of the opening of some clips."""
    return np.mean([opening.std() for opening in openings])


def jitter(openings):
    """Root mean square of the second difference of the opening of some clips."""
    return np.sqrt(np.mean(np.concatenate([np.diff(opening, 2) ** 2 for opening in openings])))


def by_speaker(datasets):
    """Clips of each speaker, by the name of the folder that the source lay in."""
    clips = [clip for dataset in datasets for clip in dataset.clips]
    speakers = {}
    for clip in clips:
        speakers.setdefault(Path(clip.entry["source"]).parent.name, []).append(clip)
    return dict(sorted(speakers.items()))


def measure(model, dataset, clips, others, recordings):
    """Rows (sound, opening, while speaking, motion, amplitude, jitter), None for what does not exist."""
    from measures.mouth import MouthComponents
    from measures.other_voices import agreement, opening_direction, speech_span, talker_agreement, talker_opening
    from measures.similarity import mouth_opening
    from media.reading import read_speech
    from preprocessing.speech.audio_features import speech_maps
    from training.frames import clip_maps

    features = model.config.speech.feature_settings
    rate = features.sample_rate
    components = MouthComponents.fit(dataset.split("train"))

    def faces(samples, times):
        return model.faces(speech_maps(samples, times, features))

    def motion_of(each):
        return components.transform(each)[:, 0]

    def maps_of(some):
        return [clip_maps(clip, features) for clip in some]

    real = [np.asarray(clip.faces) for clip in clips]
    openings, motions = [[curve(each) for each in real] for curve in (mouth_opening, motion_of)]
    spans = [speech_span(maps) for maps in maps_of(clips)]
    own = None
    for name, change in changes().items():
        made = []
        for index, clip in enumerate(clips):
            samples = change(clip.speech(rate), rate, np.random.default_rng(index))
            made.append(faces(samples, clip.times))
        opened = [mouth_opening(each) for each in made]
        own = own or (amplitude(opened), jitter(opened))
        moved = agreement(motions, [motion_of(each) for each in made])
        follows = (agreement(openings, opened), agreement(openings, opened, spans), moved)
        yield name, *follows, amplitude(opened) / own[0], jitter(opened) / own[1]
    widest = np.quantile(np.concatenate(openings), 0.9)
    times = np.arange(0.3, SECONDS - 0.3, 1 / model.frame_rate)
    for name, sound in without_speech(dataset).items():
        samples = [sound(int(SECONDS * rate), rate, np.random.default_rng(index)) for index in range(8)]
        opened = [mouth_opening(faces(each, times)) for each in samples]
        shares = amplitude(opened) / own[0], jitter(opened) / own[1]
        yield f"{name} (open {np.mean(opened) / widest:.2f})", None, None, None, *shares
    means, direction = [], opening_direction([components.transform(each) for each in real], maps_of(clips))
    for speaker, of_speaker in by_speaker(others).items():
        maps = maps_of(of_speaker)
        made = [model.faces(of_clip) for of_clip in maps]
        opened = [mouth_opening(each) for each in made]
        moved = agreement(talker_opening(of_speaker, maps), [direction * motion_of(each) for each in made])
        means.append((*talker_agreement(of_speaker, maps, opened), moved))
        shares = amplitude(opened) / own[0], jitter(opened) / own[1]
        yield f"voice of {speaker}, {len(of_speaker)} clips", *means[-1], *shares
    if len(means) > 1:
        yield f"mean of {len(means)} other voices", *np.mean(means, axis=0), None, None
    for path in recordings:
        samples = read_speech(path, rate, start=0.0)
        times = np.arange(0.3, len(samples) / rate - 0.3, 1 / model.frame_rate)
        opened = [mouth_opening(faces(samples, times))]
        yield path.name, None, None, None, amplitude(opened) / own[0], jitter(opened) / own[1]


@program
def main():
    """Measures and prints a table for each model."""
    arguments = parse_arguments()
    dataset = open_dataset(arguments.data)
    clips = dataset.split(arguments.split)
    others = [open_dataset(folder) for folder in arguments.others]
    recordings = sorted(Path(arguments.speech).iterdir()) if arguments.speech else []
    import_keras()
    from audio2faces.published import find_model
    from audio2faces.trained.face import load_model

    for name in arguments.model:
        model = load_model(find_model(name))
        check_size(dataset, model.config.size, model.name)
        print(f"\n{model.name}, {len(clips)} {arguments.split} clips\n\n{HEADER}")
        for sound, *values in measure(model, dataset, clips, others, recordings):
            print(tables.row([sound, *("" if value is None else f"{value:.2f}" for value in values)]), flush=True)


if __name__ == "__main__":
    sys.exit(main())
