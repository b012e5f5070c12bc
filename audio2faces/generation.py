"""From a sound file to a talking video, a batch at a time: memory does not grow with the length of the speech."""

import contextlib

import numpy as np

from preprocessing.audio_features import frame_centres, mfcc_maps, pre_emphasise
from preprocessing.files import whole_file, whole_folder
from preprocessing.media import sound_duration, stream_speech
from preprocessing.pictures import write_png
from preprocessing.program import InputError, progress
from preprocessing.video import SOUND_RATE, TalkingVideo

from .model_folder import BATCH


def generate_video(model, speech, output, frames_folder=None):
    """Makes a video in which the model's face speaks.

    Args:
        model: `model_folder.TalkingFace`.
        speech: path of any file with sound that FFmpeg reads.
        output: path of the mp4 file, replaced whole or not at all.
        frames_folder: folder to make, of each face as frame-000000.png in the model's size, or None.

    Returns:
        number of frames; their length in time is that of the speech within one frame.

    Raises:
        InputError: the sound cannot be read or holds no sample, or the output cannot be written.
    """
    features = model.config.feature_settings
    duration = sound_duration(speech)
    total = None if duration is None else frame_count(duration, model.frame_rate)
    maps = stream_maps(stream_speech(speech, features.sample_rate), features, model.frame_rate, BATCH)
    sound = stream_speech(speech, SOUND_RATE)
    comment = (
        f"Synthetic video: this face was generated from speech by Audio2Faces, model {model.name}. "
        "It does not show a real recording."
    )
    count = sounded = 0
    with contextlib.ExitStack() as stack:
        partial = stack.enter_context(whole_file(output))
        if frames_folder is not None:
            frames_folder = stack.enter_context(whole_folder(frames_folder))
        video = stack.enter_context(TalkingVideo(partial, model.config.size, model.frame_rate, comment))
        bar = stack.enter_context(progress(total, "frame", "generating"))
        for of_batch in maps:
            faces = model.faces(of_batch)
            video.write_faces(faces)
            if frames_folder is not None:
                for index, face in enumerate(faces, count):
                    write_png(frames_folder / f"frame-{index:06d}.png", face)
            while sounded < video.seconds and (samples := next(sound, None)) is not None:
                video.write_sound(samples)
                sounded += len(samples) / SOUND_RATE
            count += len(faces)
            bar.update(len(faces))
        if not count:
            raise InputError(f"{speech}: its audio track is empty; give a file with sound")
        for samples in sound:
            video.write_sound(samples)
    return count


def frame_count(seconds, frame_rate):
    """How many frames a speech of some seconds gets: the nearest whole number, at least one."""
    return max(1, round(seconds * frame_rate))


def stream_maps(chunks, features, frame_rate, batch):
    """MFCC maps of a speech that arrives in chunks, the same as those of the whole.

    Only the samples that coming frames need are kept.

    Args:
        chunks: iterable of mono samples [shape=(n,) each].
        features: `FeatureSettings`.
        frame_rate: frames per second; frame i is centred on i / frame_rate.
        batch: frames given at once.

    Yields:
        maps [shape=(batch, rows, n_mfcc)], the last array perhaps shorter; nothing if there is no sample.
    """
    kept = np.zeros(0)  # pre-emphasised samples from number `origin` on
    origin = first = 0
    previous = 0.0

    def centres(count):
        return frame_centres(np.arange(first, first + count) / frame_rate, features)

    for chunk in chunks:
        if len(chunk):
            kept = np.concatenate([kept, pre_emphasise(chunk, previous)])
            previous = float(chunk[-1])
        while centres(batch)[-1] + features.look_ahead <= origin + len(kept):
            yield mfcc_maps(kept, centres(batch) - origin, features)
            first += batch
            needed = max(centres(1)[0] - features.left_context, origin)
            kept, origin = kept[needed - origin :], needed
    samples = origin + len(kept)
    last = frame_count(samples / features.sample_rate, frame_rate) if samples else 0
    while first < last:
        count = min(batch, last - first)
        yield mfcc_maps(kept, centres(count) - origin, features)
        first += count
