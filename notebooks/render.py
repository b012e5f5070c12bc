"""Runs the notebook and writes what it shows to docs/: python -m notebooks.render.

In the repository the notebook itself has no outputs; docs/notebook.md has them, its pictures and sounds beside it.
"""

import base64
import re
import shutil
import sys
from pathlib import Path

import nbformat

from runtime.program import ArgumentParser, program

NOTEBOOK = Path(__file__).with_name("audio2faces.ipynb")
PAGE = Path(__file__).parent.parent / "docs" / "notebook.md"
LONGEST_CELL = 600  # seconds
EMBEDDED = re.compile(r"data:(audio|video)/(\w+);base64,([A-Za-z0-9+/=\s]+)")


def execute():
    """Runs the notebook in its own folder; returns it with outputs, without what was printed while it worked."""
    from nbconvert.preprocessors import ExecutePreprocessor

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    ExecutePreprocessor(timeout=LONGEST_CELL).preprocess(notebook, {"metadata": {"path": str(NOTEBOOK.parent)}})
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


def write_page(notebook, page):
    """Writes Markdown, and in a folder of the same name the pictures, sounds and videos that it shows."""
    from nbconvert import MarkdownExporter

    folder = page.with_suffix("")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for number, output in enumerate(output for cell in notebook.cells for output in cell.get("outputs", ())):
        embedded = EMBEDDED.search(output.get("data", {}).get("text/html", ""))
        if embedded:
            kind, ending, content = embedded.groups()
            name = f"{kind}-{number}.{ending}"
            (folder / name).write_bytes(base64.b64decode(content))
            output.data = {"text/markdown": f"[{kind}]({folder.name}/{name})"}
    resources = {"unique_key": "picture", "output_files_dir": folder.name}
    text, resources = MarkdownExporter().from_notebook_node(notebook, resources)
    for name, content in resources["outputs"].items():
        (page.parent / name).write_bytes(content)
    note = "*Made by `python -m notebooks.render` from [the notebook](../notebooks/audio2faces.ipynb).*\n\n"
    head, body = text.split("\n\n", 1)
    page.write_text(f"{head}\n\n{note}{body}", encoding="utf-8")


@program
def main():
    """Runs the notebook and renders it."""
    ArgumentParser(prog="python -m notebooks.render", description=__doc__).parse_args()
    write_page(execute(), PAGE)
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    sys.exit(main())
