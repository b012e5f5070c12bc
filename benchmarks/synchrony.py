"""Tells which clips have sound and picture out of sync, as a model hears them, and measures it without these clips.

The mouth hears each clip's speech earlier and later in steps of half a frame; the shift at which the first component of
mouth motion fits best is the clip's. A clip that fits best a whole frame away or more, and clearly better there, counts
as apart. Clips are chosen here by the model that is measured: the second table says what the first one would be if
recordings were exact, no more.
"""

import sys

import numpy as np

from preprocessing.dataset import open_dataset
from runtime import tables
from runtime.backend import import_keras
from runtime.program import ArgumentParser, program
from runtime.progress import progress

SHIFTS = (-80, -60, -40, -20, 0, 20, 40, 60, 80)  # ms by which the speech is heard later than recorded
APART = 40  # ms
BETTER = 0.03  # of correlation
MEASURES = ("correlation", "opening_correlation", "amplitude", "explained_variance", "swap")


@program
def main():
    """Prints the clips that are apart, and the measures of all clips and of the others."""
    parser = ArgumentParser(prog="python -m benchmarks.synchrony", description=__doc__)
    parser.add_argument("--model", required=True, metavar="MODEL", help="of train.py --mode audio2faces")
    parser.add_argument("--data", required=True, metavar="DATASET", help="of its speaker")
    parser.add_argument("--split", choices=["validation", "test"], default="validation", help="default: validation")
    arguments = parser.parse_args()
    dataset = open_dataset(arguments.data)
    import_keras()
    from audio2faces.evaluate.evaluation import measure, real_measures
    from audio2faces.trained.face import load_model
    from measures.mouth import MouthComponents, correlation
    from preprocessing.speech.audio_features import speech_maps
    from training.frames import frame_numbers

    model = load_model(arguments.model)
    features = model.config.speech.feature_settings
    clips = dataset.split(arguments.split)
    components = MouthComponents.fit(dataset.split("train"))
    made, best = [], []
    with progress(len(clips), "clip", "listening") as bar:
        for clip in clips:
            real, samples = components.transform(clip.faces)[:, 0], clip.speech(features.sample_rate)
            fits = {}
            for shift in SHIFTS:
                faces = model.faces(speech_maps(samples, clip.times - shift / 1000, features))
                fits[shift] = correlation(real, components.transform(faces)[:, 0])
                if shift == 0:
                    made.append(faces)
            best.append((max(fits, key=fits.get), max(fits.values()), fits[0]))
            bar.update(1)
    apart = [abs(shift) >= APART and fit - unmoved > BETTER for shift, fit, unmoved in best]
    print(f"{model.name}, {len(clips)} {arguments.split} clips\n")
    print("| clip | sound comes | correlation there | as recorded |\n|---|--:|--:|--:|")
    for clip, (shift, fit, unmoved), is_apart in zip(clips, best, apart, strict=True):
        if is_apart:
            side = "early" if shift > 0 else "late"
            print(f"| {clip.name} | {abs(shift)} ms {side} | {fit:.3f} | {unmoved:.3f} |")
    counts = ", ".join(f"{shift:+d}: {sum(found == shift for found, _, _ in best)}" for shift in SHIFTS)
    print(f"\nclips by best shift in ms: {counts}\n")
    print(tables.head(["clips", *(name.replace("_", " ") for name in MEASURES)]))
    for name, chosen in (("all", np.full(len(clips), True)), ("without those", ~np.array(apart))):
        kept = [index for index in range(len(clips)) if chosen[index]]
        real = [np.asarray(clips[k].faces) for k in kept]
        references = real_measures(real, components, [frame_numbers(clips[k]) for k in kept])
        values = measure(real, [made[k] for k in kept], components, references)
        print(tables.row([f"{name} ({len(kept)})", *(f"{values[key]:.3f}" for key in MEASURES)]))


if __name__ == "__main__":
    sys.exit(main())
