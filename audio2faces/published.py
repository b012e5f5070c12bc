"""Where the published models and the sample clips lie, and which models can be chosen."""

from pathlib import Path
from typing import Any

from runtime.backend import keras_installed
from runtime.errors import InputError
from runtime.files import read_json

PACKAGE = Path(__file__).parent


def _folder(name: str) -> Path:
    """In a checkout it lies beside the packages; an installed package holds it (pyproject.toml)."""
    installed = PACKAGE / name
    return installed if installed.is_dir() else PACKAGE.parent / name


MODELS, SAMPLES = _folder("models"), _folder("samples")
PICTURE = "reference.png"  # in a model folder: its face at rest
DEFAULT_MODEL = MODELS / "grid-s1-128"  # of every program that is given none
DEFAULT_ENCODER = "speech-encoder-grid"  # that training starts from
ENCODER_KIND = "speech encoder"  # in config.json
ONNX_COPY = "-onnx"  # ends the name of a published model's copy for ONNX Runtime


def published_models() -> dict[str, Path]:
    """Folder of each published model, by name: the default first, BEGANs last; copies for ONNX Runtime are left out."""
    found = sorted(MODELS.glob("*/config.json"))
    folders = [path.parent for path in found if read_json(path).get("kind") != ENCODER_KIND]
    folders = [folder for folder in folders if not is_onnx(folder)]
    folders.sort(key=lambda folder: (folder != DEFAULT_MODEL, is_began(folder)))
    return {folder.name: folder for folder in folders}


def choice() -> str:
    """What --model takes, for --help."""
    return (
        f"model folder, or a published model: {', '.join(published_models())} (default: {DEFAULT_MODEL.name}). The "
        "mouth follows the voice of its own speaker best, and other voices less well"
    )


def find_model(text: str | Path) -> Path:
    """The folder that a user means: a path, or a published model's name, with or without models/ before it."""
    published = MODELS / Path(text).name
    named = str(text) in (published.name, f"models/{published.name}")
    return published if named and published.is_dir() and not Path(text).exists() else Path(text)


def find_encoder(text: str | Path) -> Path:
    """The folder of a speech encoder that a user means: a path, or a published one's name."""
    return MODELS / text if (MODELS / text).is_dir() and not Path(text).exists() else Path(text)


def check_model(folder: Path) -> None:
    """Refuses a model folder that does not exist; programs call it before they spend seconds.

    Raises:
        InputError: it is not; the published ones are named.
    """
    if not Path(folder).is_dir():
        names = ", ".join(published_models())
        raise InputError(f"{folder}: no such model folder; give one, or the name of a published model: {names}")


def is_began(folder: Path) -> bool:
    """Whether a model draws faces from chance and speech, and is not the talking face of its speaker."""
    return read_json(folder / "config.json").get("kind") == "began"


def is_talking_face(folder: Path) -> bool:
    """Whether a folder holds the model of a speaker's talking face."""
    return (folder / "config.json").is_file() and read_json(folder / "config.json").get("kind") == "audio2faces"


def is_onnx(folder: Path) -> bool:
    """Whether the networks of a model are for ONNX Runtime: then neither Keras nor TensorFlow is loaded to run it."""
    return (folder / "regressor.onnx").is_file()


def onnx_copy(folder: Path) -> Path | None:
    """A model for ONNX Runtime that makes the same faces: the copy of a published model, or the model if it is one."""
    copy = MODELS / f"{folder.name}{ONNX_COPY}"
    if is_onnx(folder):
        return folder
    published = folder.resolve() == (MODELS / folder.name).resolve()
    return copy if published and is_onnx(copy) else None


def runnable(folder: Path) -> Path:
    """The folder of a model, or where Keras is not installed its copy for ONNX Runtime, if there is one."""
    return folder if keras_installed() else onnx_copy(folder) or folder


def described(models: Any) -> Any:
    """What a user should know of each model: a list of dictionaries.

    Each holds its `name`, a few words `about` it, and whether there is a `picture` of its face at rest.
    """
    described = []
    for name, folder in models.items():
        if not (folder / "config.json").is_file():  # deleted meanwhile
            continue
        size = read_json(folder / "config.json").get("config", {}).get("size")
        about = f"{size} pixels{', a BEGAN' if is_began(folder) else ''}"
        described.append({"name": name, "about": about, "picture": (folder / PICTURE).is_file()})
    return described


def models_of(given: Any) -> Any:
    """Name of each model that can be chosen, and its folder: the given ones, then the published ones.

    Raises:
        InputError: a given folder is not a model, or two have one name.
    """
    models = {}
    for folder in map(Path, given):
        check_model(folder)
        if not (folder / "config.json").is_file():
            raise InputError(f"{folder}: not a model folder; it has no config.json")
        name = str(read_json(folder / "config.json").get("name", folder.name))
        if name in models:
            raise InputError(f"--model: {folder} and {models[name]} are both named {name}; the page tells them by name")
        models[name] = folder
    models = models | {name: folder for name, folder in published_models().items() if name not in models}
    if not models:
        raise InputError("there is no model; give --model MODEL")
    return models
