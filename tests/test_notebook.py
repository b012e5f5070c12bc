"""The notebook runs from a fresh checkout, is stored without what it shows, and docs/notebook.md shows it."""

import nbformat
import pytest

from notebooks.render import NOTEBOOK, PAGE, execute, write_page


@pytest.fixture(scope="module")
def executed():
    return execute()


def text_of(notebook):
    printed = [output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ())]
    return "".join(printed)


@pytest.mark.slow
def test_it_runs_and_finds_what_it_says(executed):
    assert "found mirrored: bbir8p, lbbq9s, srwo6n" in text_of(executed)
    outputs = [output for cell in executed.cells for output in cell.get("outputs", ())]
    assert sum("image/jpeg" in output.get("data", {}) for output in outputs) == 10
    assert "<video" in outputs[-1].data["text/html"] and "data:video/mp4" in outputs[-1].data["text/html"]


@pytest.mark.slow
def test_its_page_has_pictures_sound_and_video_beside_it(executed, tmp_path):
    write_page(executed, tmp_path / "page.md")
    files = {path.name: path.stat().st_size for path in (tmp_path / "page").iterdir()}
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert all(f"page/{name}" in text for name in files) and "base64" not in text
    assert sorted({name.rsplit(".")[1] for name in files}) == ["jpg", "mp4", "wav"] and min(files.values()) > 10_000


def test_it_is_stored_without_outputs_and_its_page_is_of_today():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    page = PAGE.read_text(encoding="utf-8")
    for cell in notebook.cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None
        assert cell.cell_type == "markdown" or cell.source.strip() in page
