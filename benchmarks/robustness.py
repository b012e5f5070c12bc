"""Measures what noise, rooms, silence and other voices make of a model's mouth.

For clips of the model's own speaker the generated mouth is correlated with the real one, with the speech as it is and
changed: its opening, and its motion along the first component. Without speech the mouth should rest: the movement of
its opening is set against that on speech. For other speakers (--others) motion is correlated with that of their own
mouths, each along its own first component, whose sign is free; opening is not, because its measure needs lips redder
than their surroundings, which not all of them have. How much other recordings move the mouth (--speech) is set against
the model's own speaker. "open" is the mean opening, 1 for the widest tenth of real openings.
"""

import sys
from pathlib import Path

import numpy as np

from preprocessing.dataset import open_dataset
from runtime.program import ArgumentParser, InputError, import_keras, program

SECONDS = 3.0  # of what is no speech
LOUDNESS = 0.05  # root mean square of what is no speech, as loud as GRID's


def parse_arguments():
    """Reads the command line."""
    parser = ArgumentParser(prog="python -m benchmarks.robustness", description=__doc__)
    parser.add_argument("--model", action="append", metavar="MODEL", required=True, help="may be given again")
    parser.add_argument("--data", metavar="DATASET", required=True, help="of the model's speaker")
    parser.add_argument("--split", choices=["validation", "test"], default="test", help="default: test")
    parser.add_argument("--others", metavar="DATASET", help="of other speakers, faces of any size: all of its clips")
    parser.add_argument("--speech", metavar="FOLDER", help="other recordings of speech")
    return parser.parse_args()


def changes():
    """Name of each way to change speech, and the function (samples, rate, generator) -> samples."""
    from preprocessing.speech.augmentation import change_response, coloured, music, reverberate

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
    }


def without_speech():
    """Name of each sound that is no speech, and the function (count, rate, generator) -> samples."""
    from preprocessing.speech.augmentation import coloured, hum, music

    def loud(sound):
        def made(count, rate, generator):
            samples = sound(count, rate, generator)
            return LOUDNESS * samples / np.sqrt(np.mean(samples**2))

        return made

    return {
        "digital silence": lambda count, rate, generator: np.zeros(count),
        "a silent room": lambda count, rate, generator: 1e-3 * generator.normal(size=count),
        "pink noise": loud(lambda count, rate, generator: coloured(count, 1, generator)),
        "white noise": loud(lambda count, rate, generator: generator.normal(size=count)),
        "hum": loud(hum),
        "music": loud(music),
    }


def measure(model, dataset, clips, others, recordings):
    """Lines (what was heard, correlations of opening and motion or None, movement relative to the own speech)."""
    from measures.mouth import MouthComponents, correlation
    from measures.similarity import mouth_opening
    from media.reading import read_speech
    from preprocessing.speech.audio_features import speech_maps

    features = model.config.speech.feature_settings
    rate = features.sample_rate
    components = MouthComponents.fit(dataset.split("train"))

    def faces(samples, times):
        return model.faces(speech_maps(samples, times, features))

    def agreement(curve, real, made):
        return correlation(*(np.concatenate([_centred(curve(each)) for each in side]) for side in (real, made)))

    def first_component(each):
        return components.transform(each)[:, 0]

    real = [np.asarray(clip.faces) for clip in clips]
    lines, own = [], None
    for name, change in changes().items():
        made = []
        for index, clip in enumerate(clips):
            samples = change(clip.speech(rate), rate, np.random.default_rng(index))
            made.append(faces(samples, clip.times))
        movement = np.mean([mouth_opening(each).std() for each in made])
        own = own or movement
        agreements = agreement(mouth_opening, real, made), agreement(first_component, real, made)
        lines.append((name, *agreements, movement / own))
    times = np.arange(0.3, SECONDS - 0.3, 1 / model.frame_rate)
    open_mouth = np.quantile(np.concatenate([mouth_opening(each) for each in real]), 0.9)
    for name, sound in without_speech().items():
        made = [
            mouth_opening(faces(sound(int(SECONDS * rate), rate, np.random.default_rng(index)), times))
            for index in range(8)
        ]
        ajar = np.mean(made) / open_mouth
        lines.append((f"{name} (open {ajar:.2f})", None, None, np.mean(np.std(made, axis=1)) / own))
    for speaker in sorted({Path(clip.entry["source"]).parent.name for clip in others}):
        of_speaker = [clip for clip in others if Path(clip.entry["source"]).parent.name == speaker]
        their_components = MouthComponents.fit(of_speaker)
        theirs = np.concatenate([their_components.transform(clip.faces)[:, 0] for clip in of_speaker])
        made = [faces(clip.speech(rate), clip.times) for clip in of_speaker]
        follows = abs(correlation(theirs, np.concatenate([_centred(first_component(each)) for each in made])))
        movement = np.mean([mouth_opening(each).std() for each in made]) / own
        lines.append((f"speaker {speaker}, {len(of_speaker)} clips", None, follows, movement))
    for path in recordings:
        samples = read_speech(path, rate, start=0.0)
        times = np.arange(0.3, len(samples) / rate - 0.3, 1 / model.frame_rate)
        lines.append((path.name, None, None, mouth_opening(faces(samples, times)).std() / own))
    return lines


def _centred(values):
    return values - values.mean()


@program
def main():
    """Measures and prints a table for each model."""
    arguments = parse_arguments()
    dataset = open_dataset(arguments.data)
    clips = dataset.split(arguments.split)
    others = open_dataset(arguments.others).clips if arguments.others else []
    recordings = sorted(Path(arguments.speech).iterdir()) if arguments.speech else []
    import_keras()
    from audio2faces.face import load_model

    for folder in arguments.model:
        model = load_model(folder)
        if clips[0].faces.shape[1] != model.config.size:
            raise InputError(f"{arguments.data}: faces of another size than {folder}")
        print(f"\n{model.name}, {len(clips)} {arguments.split} clips\n")
        print("| heard | correlation of the opening | of the motion | movement |\n|---|--:|--:|--:|")
        for name, *agreements, movement in measure(model, dataset, clips, others, recordings):
            cells = " | ".join("" if agreement is None else f"{agreement:.2f}" for agreement in agreements)
            print(f"| {name} | {cells} | {movement:.2f} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
