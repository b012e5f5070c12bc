"""The models that the page offers, and those that a worker has loaded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime.program import InputError


class LoadedModels:
    """Models by folder, each loaded when it is first needed, and again when its folder was written anew.

    Args:
        load: function from a model folder to what is kept.
    """

    def __init__(self, load: Callable[[Path], Any]) -> None:
        self._load = load
        self._loaded: dict[Path, tuple[int, Any]] = {}

    def __getitem__(self, folder: Path) -> Any:
        """What was loaded from a folder.

        Raises:
            InputError: it is not there any more, or no model.
        """
        try:
            written = (folder / "config.json").stat().st_mtime_ns
        except OSError:
            raise InputError("this model is not here any more; choose another") from None
        if self._loaded.get(folder, (None,))[0] != written:
            self._loaded[folder] = written, self._load(folder)
        return self._loaded[folder][1]
