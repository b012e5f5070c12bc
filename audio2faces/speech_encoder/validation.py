"""Looks at a speech encoder during its training: loss and mouth motion on each speaker's validation clips."""

from collections.abc import Callable, Sequence

import numpy as np
from keras import ops

from audio2faces.speech_encoder.network import SpeechEncoder
from audio2faces.speech_encoder.voices import Voice
from measures.mouth import correlation
from runtime.progress import progress

AT_ONCE = 256  # frames that the network sees


class SpeechEncoderValidation:
    """The validation clips of all speakers, with all that does not change while the network learns.

    Args:
        voices: of the speakers.
        standardise: function from raw maps to the network's input.
    """

    def __init__(self, voices: Sequence[Voice], standardise: Callable[[np.ndarray], np.ndarray]) -> None:
        self.maps = [voice.held_out.standardised(standardise) for voice in voices]
        self.mouth = [np.concatenate(voice.positions(voice.held_out)) for voice in voices]

    def __call__(self, model: SpeechEncoder) -> dict[str, float | None]:
        """Validates an encoder.

        Returns:
            `validation_loss` (of a speaker's own outputs, mean over speakers), `correlation` of the first component
            (mean over speakers), `lowest_correlation` (of a speaker), `shared_correlation` (of the shared output with
            each one's first component, mean over speakers).
        """
        losses, own, shared = [], [], []
        with progress(sum(map(len, self.maps)), "frame", "validation", short=True) as bar:
            for number, (maps, mouth) in enumerate(zip(self.maps, self.mouth, strict=True)):
                outputs = []
                for first in range(0, len(maps), AT_ONCE):
                    batch = {"speech": maps[first : first + AT_ONCE]}
                    outputs.append([ops.convert_to_numpy(output) for output in model(batch)])
                    bar.update(len(batch["speech"]))
                of_all, of_speakers = (np.concatenate(parts) for parts in zip(*outputs, strict=True))
                losses.append(np.square(of_speakers[:, number] - mouth).sum(axis=1).mean() / 2)
                own.append(correlation(of_speakers[:, number, 0], mouth[:, 0]))
                shared.append(correlation(of_all[:, 0], mouth[:, 0]))
        return {
            "validation_loss": float(np.mean(losses)),
            "correlation": float(np.mean(own)),
            "lowest_correlation": float(min(own)),
            "shared_correlation": float(np.mean(shared)),
        }
