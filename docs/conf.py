"""The documents and the API reference as a site: python -m sphinx -W -c docs . site."""

import os
import re

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

project = "Audio2Faces"
copyright = "the Audio2Faces authors, MIT licence"
root_doc = "docs/index"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.apidoc", "sphinx.ext.napoleon"]
include_patterns = ["*.md", "docs/**", "models/**.md", "samples/*.md"]
exclude_patterns = ["docs/api/*/modules.rst"]
html_theme = "furo"  # asks no other host for anything
html_title = "Audio2Faces"
html_show_sphinx = False

myst_heading_anchors = 4

apidoc_modules = [
    {"path": f"../{package}", "destination": f"docs/api/{package}", "separate_modules": True}
    for package in ("runtime", "media", "preprocessing", "training", "measures", "began", "audio2faces")
]
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_use_ivar = True
suppress_warnings = ["ref.python"]  # words before a colon that several classes have as attributes


def as_restructured_text(app, what, name, thing, options, lines):
    """Docstrings mark code by single backticks, as Markdown does, have names that end in an underscore, and |x|."""
    for number, line in enumerate(lines):
        line = re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``\\ ", line)
        line = re.sub(r"(?<=\w)_(?=[\s,.;:)\]-]|$)", r"\\_", line)
        lines[number] = line.replace("|", "\\|")


def setup(app):
    """See Sphinx."""
    app.connect("autodoc-process-docstring", as_restructured_text, priority=400)  # before napoleon
