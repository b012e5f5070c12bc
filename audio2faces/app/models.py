"""The models that the page offers, and those that a worker has loaded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime.errors import InputError

MOST = 4  # models that a process keeps


class LoadedModels:
    """Models by folder: the last MOST that were needed are kept, and loaded again when their folder was written anew.

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
        kept = self._loaded.pop(folder, None)
        while len(self._loaded) >= MOST:
            del self._loaded[next(iter(self._loaded))]  # the one that was not needed for longest
        if kept is None or kept[0] != written:
            kept = written, self._load(folder)
        self._loaded[folder] = kept
        return kept[1]
