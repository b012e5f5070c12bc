"""Writes datasets whose speech has the same long-term spectrum in every clip: what normalising each utterance would do.

A voice, a room and a microphone each leave their mark on the mean of the MFCC of an utterance. Here each clip is
filtered so that its mean power in a dozen bands, while someone speaks, is the mean over all given speakers. That is
cepstral mean normalisation, done to the sound. A speech encoder that is trained on such datasets
(`python -m experiments.leave_one_out`) can be compared with one of the speech as it was recorded.
"""

import shutil
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.signal import fftconvolve, firwin2, stft

from media.reading import SPEECH_RATE, read_speech
from media.writing import write_wav
from preprocessing.dataset import files_digest, note_in_clips, open_dataset
from runtime.files import atomic_folder, make_folder
from runtime.program import ArgumentParser, program
from runtime.progress import with_progress

EDGES = np.array([0, 150, 300, 500, 800, 1200, 1700, 2300, 3000, 4000, 5500, 7000, 8000])  # of the bands, Hz
LOUD = 30  # dB below the loudest moment from which on someone speaks
MOST = 25  # dB by which a band is changed
TAPS = 257  # of the filter


def parse_arguments():
    """Reads the command line."""
    parser = ArgumentParser(prog="python -m experiments.equalised_speech", description=__doc__)
    parser.add_argument("--data", metavar="DATASET", action="append", required=True, help="of a speaker; give several")
    parser.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="for a dataset of each")
    return parser.parse_args()


def band_levels(samples):
    """Mean power in dB of each band while someone speaks [shape=(bands,)]."""
    frequencies, _, spectrum = stft(samples, SPEECH_RATE, nperseg=400, noverlap=240)
    power = np.abs(spectrum) ** 2 + 1e-12
    loudness = 10 * np.log10(power.sum(axis=0))
    power = power[:, loudness > loudness.max() - LOUD].mean(axis=1)
    within = [(frequencies >= low) & (frequencies < high) for low, high in pairwise(EDGES)]
    return np.array([10 * np.log10(power[band].mean()) for band in within])


def equalised(samples, levels):
    """The samples, filtered so that their bands have the given levels in dB [shape=(bands,)]."""
    gains = np.clip(levels - band_levels(samples), -MOST, MOST)
    centres = [0, *(EDGES[:-1] + EDGES[1:]) / 2, EDGES[-1]]
    factors = 10 ** (np.array([gains[0], *gains, gains[-1]]) / 20)
    return fftconvolve(samples, firwin2(TAPS, centres, factors, fs=SPEECH_RATE), "same")


@program
def main():
    """Writes the datasets."""
    arguments = parse_arguments()
    datasets = [open_dataset(folder) for folder in arguments.data]

    def speech_of(clip):
        return np.asarray(read_speech(clip.folder / "speech.wav"))

    of_speakers = []
    for dataset in with_progress(datasets, "dataset", "listening"):
        of_speakers.append(np.mean([band_levels(speech_of(clip)) for clip in dataset.clips], axis=0))
    levels = np.mean(of_speakers, axis=0)
    make_folder(arguments.out)
    for dataset in datasets:
        folder = arguments.out / dataset.folder.resolve().name
        with atomic_folder(folder) as partial:
            shutil.copytree(dataset.folder, partial, dirs_exist_ok=True)
            for clip in with_progress(dataset.clips, "clip", folder.name):
                write_wav(partial / "clips" / clip.name / "speech.wav", equalised(speech_of(clip), levels), SPEECH_RATE)
            note_in_clips(partial, lambda clip: {"files_sha256": files_digest(partial / "clips" / clip["name"])})
        print(f"wrote {folder}")


if __name__ == "__main__":
    sys.exit(main())
