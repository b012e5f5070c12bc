"""Where the published models and the sample clips lie."""

from pathlib import Path

PACKAGE = Path(__file__).parent


def _folder(name):
    """In a checkout it lies beside the packages; an installed package holds it (pyproject.toml)."""
    installed = PACKAGE / name
    return installed if installed.is_dir() else PACKAGE.parent / name


MODELS, SAMPLES = _folder("models"), _folder("samples")
DEFAULT_MODEL = MODELS / "grid-s1-128"  # of every program that asks for none
