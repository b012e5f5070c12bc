"""The documents are true to the files, their links lead somewhere, and the site is built of them."""

import re
import subprocess
import sys

import pytest

from .conftest import ROOT
from .test_structure import LAYERS


def test_the_readme_s_tree_is_the_tree():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"## What is where\n\n```\n(.*?)```", readme, re.DOTALL).group(1)
    named, folder = set(), ""
    for line in block.splitlines():
        name = line.split()[0]
        folder = name if name.endswith("/") else folder if line.startswith(" ") else ""
        named.update(f"{folder}{name}" for name in re.findall(r"\S+\.py\b", line[:28]))
    folders = [ROOT, *(ROOT / layer for layer in [*LAYERS, "benchmarks", "notebooks"])]
    files = {str(path.relative_to(ROOT)) for folder in folders for path in folder.glob("*.py")}
    assert named == {name for name in files if "__init__" not in name}


def test_local_links_in_the_documents_lead_somewhere():
    folders = [ROOT, ROOT / "docs", ROOT / "samples", *(ROOT / "models").iterdir()]
    for document in [path for folder in folders for path in folder.glob("*.md")]:
        text = document.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text) + re.findall(r'src="([^"]+)"', text):
            if not target.startswith(("http", "mailto")):
                assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_program_is_in_the_list_of_commands():
    listed = set(
        re.findall(r"`python (-m [\w.]+|\w+\.py)", (ROOT / "docs" / "commands.md").read_text(encoding="utf-8"))
    )
    programs = {"train.py", "generate.py", "-m preprocessing"}
    for layer in [*LAYERS, "benchmarks", "notebooks"]:
        for path in (ROOT / layer).glob("*.py"):
            if "__main__" in path.read_text(encoding="utf-8") and path.name != "__main__.py":
                programs.add(f"-m {layer}.{path.stem}")
    programs -= {"-m audio2faces.train", "-m audio2faces.generate", "-m benchmarks.began_torch"}  # started by others
    assert listed == programs


@pytest.mark.slow
def test_documents_and_docstrings_make_a_site(tmp_path):
    command = (sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", "docs", "-d", tmp_path / "trees")
    done = subprocess.run([*command, ".", tmp_path / "site"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site/docs/api/began/began.losses.html").read_text(encoding="utf-8")
    assert "began.losses" in page and "gamma" in page
    for path in (tmp_path / "site").rglob("*.html"):
        asked = re.findall(
            r'<(?:script|link|img|iframe|video|audio)[^>]+(?:src|href)="(https?:[^"]+)"', path.read_text()
        )
        assert not asked, path  # nothing of other hosts
