"""The documents are true to the files, their links lead somewhere, and the site is built of them."""

import re
import subprocess
import sys

import pytest

from .conftest import ROOT
from .test_structure import LAYERS


def test_the_tree_of_the_documents_is_the_tree():
    packages = [*LAYERS, "benchmarks", "experiments", "notebooks"]
    files = {str(path.relative_to(ROOT)) for package in packages for path in (ROOT / package).rglob("*.py")}
    named, folder = set(), ""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    tree = re.search(r"```\n(train.py, generate.py .*?)```", text, re.DOTALL).group(1)
    for line in tree.splitlines()[1:]:
        name = line.split()[0]
        folder = folder if line.startswith(" ") else name
        named.add(f"{folder}{name}")
    assert {name for name in named if name.endswith(".py")} == {name for name in files if "__init__" not in name}


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
    for layer in [*LAYERS, "benchmarks", "experiments", "notebooks"]:
        for path in (ROOT / layer).rglob("*.py"):
            if 'if __name__ == "__main__"' in path.read_text(encoding="utf-8"):
                module = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__main__")
                programs.add(f"-m {module}")
    programs -= {"-m audio2faces.train", "-m audio2faces.generate"}  # train.py and generate.py
    programs -= {"-m audio2faces.app.train_worker", "-m benchmarks.began_torch"}  # started by others
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
