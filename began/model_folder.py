"""What config.json of a model folder says of it. No Keras is loaded to read it."""

from pathlib import Path
from typing import Any

from runtime.errors import InputError
from runtime.files import read_json
from runtime.program import command

SCHEMA = 2
KIND = "began"


def read_config(folder: str | Path, kinds: dict[str, int]) -> dict[str, Any]:
    """Reads config.json of a model folder.

    Args:
        folder: of the model.
        kinds: dictionary from each kind of model that is welcome to the schema that this version reads.

    Raises:
        InputError: there is no such folder, it is a run, or a model of another kind or schema.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such model folder; train one with {command('train')} --mode audio2faces")
    if (folder / "model" / "config.json").is_file():
        raise InputError(f"{folder}: this is a run; its model is {folder / 'model'}")
    content = read_json(folder / "config.json")
    if "mode" in content:
        raise InputError(
            f"{folder}: a run that has no model yet; give the command that began it once more, with --run {folder}"
        )
    kind, schema = content.get("kind"), content.get("schema")
    if kind not in kinds:
        raise InputError(f"{folder}: a model of kind {kind}; here models of kind {' or '.join(kinds)} are taken")
    if schema != kinds[kind]:
        raise InputError(
            f"{folder}: a model of kind {kind} and schema {schema}, this version reads {kinds[kind]}; "
            "train it again or use the version that made it"
        )
    return content
