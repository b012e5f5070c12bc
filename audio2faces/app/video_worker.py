"""The process that makes the page's videos: what people upload is decoded here alone."""

import sys
import traceback
from typing import Any

import numpy as np

from audio2faces.app.models import LoadedModels
from audio2faces.app.worker import limit_memory
from runtime.backend import import_keras
from runtime.errors import InputError

PEAKS_PER_SECOND = 50  # of the waveform that is shown
LONGEST_SIDE = 1280  # pixels of a video with a source
UNREADABLE = "The file could not be read: decoding it failed."


def make_videos(pipe: Any) -> None:
    """Makes the videos requested through a pipe, until it is closed.

    It receives (model folder, speech, source, output, longest speech in seconds), and sends ("share", of the frames)
    now and then, and at the end ("made", what `_made` tells) or ("failed", why).
    """
    limit_memory()
    import_keras()
    from audio2faces.trained.face import load_model

    models = LoadedModels(load_model)
    while True:
        folder, *task = pipe.recv()
        try:
            speech, source, output, longest = task
            made = _made(models[folder], speech, source, output, longest, lambda share: pipe.send(("share", share)))
            pipe.send(("made", made))
        except InputError as error:
            pipe.send(("failed", str(error)))
        except MemoryError:
            pipe.send(("failed", "The file is too large to be taken apart."))
        except BrokenPipeError:
            raise
        except Exception:  # whatever a damaged file does to a decoder
            traceback.print_exc(file=sys.stderr)
            pipe.send(("failed", UNREADABLE))


def _made(model: Any, speech: Any, source: Any, output: Any, longest: Any, report: Any) -> Any:
    """Makes a video; tells its frames, notes, opening of the mouth at each frame, and the waveform's peaks."""
    from audio2faces.generate.video import Options, generate_video
    from measures.similarity import mouth_opening
    from media.reading import SPEECH_RATE, sound_duration, stream_speech

    too_long = InputError(f"{speech}: longer than {longest:g} s; cut it")
    if (sound_duration(speech) or 0) > longest:
        raise too_long
    opening, most = [], longest * model.frame_rate + 1

    def watch(faces, total):
        opening.extend(mouth_opening(np.asarray(faces)).tolist())
        if len(opening) > most:
            raise too_long
        report(min(1.0, len(opening) / total) if total else None)

    options = Options(source=source, longest_side=LONGEST_SIDE)
    frames, notes = generate_video(model, speech, output, options=options, watch=watch)
    samples = np.concatenate([np.zeros(0), *stream_speech(speech)])
    step = SPEECH_RATE // PEAKS_PER_SECOND
    peaks = np.abs(np.pad(samples, (0, -len(samples) % step)).reshape(-1, step)).max(axis=1)
    return {
        "frames": frames,
        "frame_rate": model.frame_rate,
        "notes": [str(note) for note in notes],
        "opening": [round(value, 4) for value in opening],
        "peaks": peaks.round(3).tolist(),
        "peaks_per_second": PEAKS_PER_SECOND,
    }
