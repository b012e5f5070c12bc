"""Speech in, a talking face out: the regressor, its training, evaluation and the video.

    face = audio2faces.TalkingFace.from_preset("grid-s1-128")
    face.generate("speech.wav", "talking.mp4")

`import audio2faces` loads no Keras; what needs it does when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

import runtime  # before Keras: it chooses the backend

if TYPE_CHECKING:
    from audio2faces.talking_face import TalkingFace, prepare
    from preprocessing.dataset import open_dataset
    from runtime.errors import InputError

__version__ = runtime.__version__
__all__ = ["InputError", "TalkingFace", "open_dataset", "prepare"]
_MODULES = {
    "TalkingFace": "audio2faces.talking_face",
    "prepare": "audio2faces.talking_face",
    "open_dataset": "preprocessing.dataset",
    "InputError": "runtime.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
