"""Lets speech synthesisers say the sentences of a speaker: datasets of other voices with the mouth of that speaker.

A speech encoder is to know a mouth motion whoever speaks, and real speakers with video are few. Here a synthesiser says
the sentence of a clip; the sound of both is aligned by dynamic time warping of their MFCC, and each moment of the
synthesised sentence gets the frame of the clip in which the same sound is spoken. The sound itself stays as it was
synthesised. A voice gives a dataset in FOLDER; `python -m audio2faces.speech_encoder` learns from it beside real ones.

The synthesisers are programs of Debian (packages flite, festival, festvox-kdlpc16k, espeak-ng). They are needed here
alone: a trained encoder does not know of them.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from python_speech_features import mfcc
from scipy.ndimage import gaussian_filter1d

from measures.sounds import PAUSES, read_labels
from media.reading import SPEECH_RATE, read_speech
from media.writing import write_wav
from preprocessing.dataset import open_dataset, write_dataset
from runtime.errors import InputError
from runtime.files import atomic_folder, make_folder
from runtime.program import ArgumentParser, number, program
from runtime.progress import with_progress

VOICES = (
    *(f"flite {name}" for name in ("slt", "rms", "awb", "kal16")),
    "festival ked_diphone",
    *(f"espeak-ng {name}" for name in ("en-gb+f2", "en-us+m3", "en-gb-scotland+f4", "en-gb-x-gbclan+m5")),
)
SPELLED = {"a": "ay", "z": "zed"}  # what GRID's letters sound like, where a synthesiser would say something else
VALIDATION = 10  # every so many clips, one is for validation
HOP = 0.01  # seconds between the MFCC that are aligned
STEP_COST = 0.3  # of a step of the alignment in which one of the two does not move on
SMOOTHING = 3.0  # hops, standard deviation: mouths do not jump
SILENT = 0.02  # of full scale, in speech whose peak is .5
EDGES = 0.05, 0.1  # seconds that are kept of the synthesiser's silence before and after the sentence
NOISE = -4.5, -3.0  # powers of ten between which the level of the background noise is drawn


def parse_arguments():
    """Reads the command line."""
    parser = ArgumentParser(prog="python -m experiments.synthetic_voices", description=__doc__)
    parser.add_argument("--data", metavar="DATASET", required=True, help="of the speaker whose mouth it is")
    parser.add_argument("--words", metavar="FOLDER", type=Path, required=True, help="of word timings: CLIP.align")
    parser.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="for a dataset of each voice")
    parser.add_argument("--voice", action="append", choices=VOICES, help="may be given again (default: all)")
    parser.add_argument(
        "--every", type=number(1, 10**4, int), default=9, help="a voice says every so many training clips (default: 9)"
    )
    return parser.parse_args()


def say(voice, text, path):
    """Lets a synthesiser write a wav file.

    Raises:
        InputError: it is not installed, or failed.
    """
    program, name = voice.split()
    commands = {
        "flite": ["flite", "-voice", name, "-t", text, "-o", path],
        "espeak-ng": ["espeak-ng", "-v", name, "-s", "150", "-w", path, text],
        "festival": ["festival", "--pipe"],
    }
    script = f'(voice_{name}) (utt.save.wave (SynthText "{text}") "{path}")' if program == "festival" else None
    if shutil.which(program) is None:
        raise InputError(f"{program}: not installed; apt-get install {program}, or choose others by --voice")
    done = subprocess.run(list(map(str, commands[program])), input=script, capture_output=True, text=True)
    if done.returncode or not Path(path).is_file():
        raise InputError(f"{voice}: wrote no speech ({' '.join(done.stderr.split()) or 'no such voice'})")


def with_silence(spoken, before, after, generator):
    """Synthesised speech with so many seconds of silence around it, and some noise throughout."""
    spoken = 0.5 * spoken / max(np.abs(spoken).max(), 1e-6)
    loud = np.flatnonzero(np.abs(spoken) > SILENT)
    first, last = (round(seconds * SPEECH_RATE) for seconds in EDGES)
    spoken = spoken[max(0, loud[0] - first) : loud[-1] + last]
    around = [
        max(0, round((seconds - edge) * SPEECH_RATE)) for seconds, edge in zip((before, after), EDGES, strict=True)
    ]
    padded = np.pad(spoken, around)
    return padded + generator.normal(0, 10 ** generator.uniform(*NOISE), len(padded))


def cepstra(samples):
    """MFCC of a sentence, each coefficient with zero mean and unit deviation over it [shape=(hops, 13)]."""
    values = mfcc(samples * 32768, SPEECH_RATE, winlen=0.025, winstep=HOP, nfft=512)
    return (values - values.mean(axis=0)) / (values.std(axis=0) + 1e-3)


def aligned(one, other):
    """For each hop of one sentence, the hop of the other one that sounds alike: rising [shape=(len(one),)].

    Dynamic time warping (Sakoe, Chiba 1978) from the first to the last hop of both.

    Args:
        one: features [shape=(n, features)].
        other: of the same sentence by another voice [shape=(m, features)].
    """
    distances = np.sqrt(((one[:, None] - other[None]) ** 2).sum(axis=-1))
    total = np.full((len(one) + 1, len(other) + 1), np.inf)
    total[0, 0] = 0
    for i, row in enumerate(distances, 1):
        for j, distance in enumerate(row, 1):
            before = min(total[i - 1, j - 1], total[i - 1, j] + STEP_COST, total[i, j - 1] + STEP_COST)
            total[i, j] = distance + before
    places = [[] for _ in one]
    i, j = len(one), len(other)
    while i and j:
        places[i - 1].append(j - 1)
        before = total[i - 1, j - 1], total[i - 1, j] + STEP_COST, total[i, j - 1] + STEP_COST
        step = int(np.argmin(before))
        i, j = i - (step != 2), j - (step != 1)
    return np.array([np.mean(of_hop) if of_hop else 0.0 for of_hop in places])


def write_clip(folder, clip, samples):
    """Writes a clip in which other sound is spoken by the same mouth; returns its entry in the manifest."""
    places = gaussian_filter1d(aligned(cepstra(samples), cepstra(read_speech(clip.folder / "speech.wav"))), SMOOTHING)
    rate = clip.entry["fps"]
    times = np.arange(int(len(samples) / SPEECH_RATE * rate)) / rate
    moments = np.interp(times, np.arange(len(places)) * HOP, places * HOP)
    shown = np.abs(np.asarray(clip.times)[None] - moments[:, None]).argmin(axis=1)
    folder = folder / "clips" / clip.name
    folder.mkdir(parents=True)
    np.save(folder / "faces.npy", clip.faces[:][shown])
    with np.load(clip.folder / "track.npz") as track:
        kept = {name: values[shown] for name, values in track.items() if len(values) == len(clip.times)}
    np.savez(folder / "track.npz", **{**kept, "time": times})
    write_wav(folder / "speech.wav", samples, SPEECH_RATE)
    changed = {"start": 0.0, "end": len(times) / rate, "frames_kept": len(times), "frames_dropped": {}}
    entry = {key: value for key, value in clip.entry.items() if key != "files_sha256"}
    return {**entry, **changed, "frames_with_several_faces": 0}


def write_voice(folder, voice, clips, words, generator):
    """Writes the dataset of a voice that says the sentences of some clips, whole or not at all."""
    entries = []
    with tempfile.TemporaryDirectory() as scratch, atomic_folder(folder) as partial:
        (partial / "sources").mkdir()
        for number_of, clip in enumerate(with_progress(clips, "clip", voice)):
            labels = [label for label in read_labels(words, clip.name) if label[2] not in PAUSES]
            say(voice, " ".join(SPELLED.get(word, word) for *_, word in labels), Path(scratch) / "said.wav")
            spoken = np.asarray(read_speech(Path(scratch) / "said.wav"))
            after = clip.entry["end"] - clip.entry["start"] - labels[-1][1]
            entry = write_clip(partial, clip, with_silence(spoken, labels[0][0], after, generator))
            split = "validation" if number_of % VALIDATION == VALIDATION // 2 else "train"
            entries.append({**entry, "split": split})
        size = clips[0].faces.shape[1]
        empty = {"settings": {"size": size}, "seconds_not_kept": {}, "left_out": []}
        records = [{"name": entry["name"], "clips": [entry], **empty} for entry in entries]
        write_dataset(partial, size, records, refused=[])


@program
def main():
    """Writes what is missing."""
    arguments = parse_arguments()
    train = open_dataset(arguments.data).split("train")
    make_folder(arguments.out)
    for place, voice in enumerate(VOICES):
        folder = arguments.out / voice.replace(" ", "-")
        if voice not in (arguments.voice or VOICES) or folder.exists():
            continue
        clips = train[place % arguments.every :: arguments.every]  # of each voice other sentences
        write_voice(folder, voice, clips, arguments.words, np.random.default_rng(place))
        print(f"wrote {folder}: {len(clips)} clips, {open_dataset(folder).training_minutes:.1f} minutes to train on")


if __name__ == "__main__":
    sys.exit(main())
