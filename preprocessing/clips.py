"""Turns one video into one clip of the dataset."""

from collections import Counter

import numpy as np

from .alignment import crop_face, face_transform
from .files import sha256, whole_folder
from .media import SPEECH_RATE, SPEECH_RATE_2017, read_frames, read_speech, video_info, write_wav
from .program import InputError
from .tracking import track_face

FEWEST_FRAMES = 5  # a clip with fewer faces teaches nothing


def prepare_clip(source, folder, size, detector):
    """Writes faces.npy, speech.wav, speech_44k.wav and track.npz of one video, all of them or none.

    The video is read twice, once to find the face and once to cut it out, so that few pictures are in memory at once.

    Args:
        source: path of a video with sound.
        folder: folder of the clip, made here.
        size: side of the face crops in pixels.
        detector: as in `tracking.track_face`.

    Returns:
        the clip's entry for the manifest, but for name, split and licence.

    Raises:
        InputError: the video cannot be read, has no sound, or shows too few usable faces.
    """
    info = video_info(source)
    damage = []
    speech = {
        SPEECH_RATE: read_speech(source, SPEECH_RATE, info.start, damage),
        SPEECH_RATE_2017: read_speech(source, SPEECH_RATE_2017, info.start),
    }
    track = track_face(read_frames(source, damage), detector)
    kept = track.kept()
    reasons = Counter(reason for reason in track.dropped if reason)
    if len(kept) < FEWEST_FRAMES:
        why = "; ".join(f"{reason} in {count}" for reason, count in reasons.items()) or f"a clip needs {FEWEST_FRAMES}"
        raise InputError(
            f"{source}: only {len(kept)} of {len(track.times)} frames show a usable face ({why}); "
            "give a video with one large, frontal face"
        )
    landmarks = track.smoothed(info.frame_rate)
    transforms = np.stack([face_transform(points, size) for points in landmarks])
    with whole_folder(folder) as partial:
        _write_faces(partial / "faces.npy", source, kept, transforms, size)
        np.savez(
            partial / "track.npz",
            time=np.array(track.times)[kept],
            score=np.array(track.scores, np.float32)[kept],
            landmarks=np.array(track.landmarks, np.float32)[kept],
            transform=transforms,
        )
        write_wav(partial / "speech.wav", speech[SPEECH_RATE], SPEECH_RATE)
        write_wav(partial / "speech_44k.wav", speech[SPEECH_RATE_2017], SPEECH_RATE_2017)
    return {
        "source": str(source),
        "sha256": sha256(source),
        "fps": round(info.frame_rate, 3),
        "frames_kept": len(kept),
        "frames_dropped": dict(reasons),
        "detections_with_several_faces": track.crowded,
        "damage": dict(Counter(damage)),
    }


def _write_faces(path, source, kept, transforms, size):
    """Appends face after face behind the header: a full disk is then an error, where a memory map would crash."""
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(kept), size, size, 3)}
    transform_of = dict(zip(kept.tolist(), transforms, strict=True))
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for index, (_, image) in enumerate(read_frames(source)):
            if index in transform_of:
                file.write(crop_face(image, transform_of[index], size).tobytes())
