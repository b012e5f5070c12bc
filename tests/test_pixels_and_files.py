import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from media.pixels import to_signed, to_uint8
from runtime.errors import InputError
from runtime.files import (
    atomic_folder,
    atomic_write,
    check_output,
    claimed,
    exclusive,
    make_folder,
    read_json,
    write_json,
)

from .conftest import ROOT


def test_pixel_range_survives_the_round_trip():
    every_level = np.arange(256, dtype=np.uint8)
    signed = to_signed(every_level)
    assert signed.dtype == np.float32
    assert signed.min() == -1.0 and signed.max() == 1.0
    np.testing.assert_array_equal(to_uint8(signed), every_level)


def test_pixels_beyond_the_range_are_clipped():
    np.testing.assert_array_equal(to_uint8([-1.7, 1.7]), [0, 255])


def test_a_file_that_fails_leaves_the_old_one_and_nothing_else(tmp_path):
    path = tmp_path / "result.json"
    write_json(path, {"old": 1})
    with pytest.raises(RuntimeError), atomic_write(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert read_json(path) == {"old": 1}
    assert os.listdir(tmp_path) == ["result.json"]


def test_json_is_valid_whatever_was_measured(tmp_path):
    write_json(tmp_path / "x.json", {"a": [np.nan, (1.5, np.inf)], "b": np.float64("-inf"), "c": {"d": 2}})
    content = (tmp_path / "x.json").read_text()
    assert "NaN" not in content and "Inf" not in content
    assert json.loads(content) == {"a": [None, [1.5, None]], "b": None, "c": {"d": 2}}


def test_a_folder_is_replaced_whole(tmp_path):
    path = tmp_path / "clip"
    path.mkdir()
    (path / "old").touch()
    with atomic_folder(path) as partial:
        (partial / "new").touch()
        assert (path / "old").exists()
    assert os.listdir(path) == ["new"]
    assert os.listdir(tmp_path) == ["clip"]


def test_folders_of_an_output_are_made_where_they_are_missing(tmp_path):
    for name in ("a/b/x.json", "a/c/d"):
        check_output(tmp_path / name)  # makes nothing
    assert not list(tmp_path.iterdir())
    write_json(tmp_path / "a" / "b" / "x.json", {})
    with atomic_folder(tmp_path / "a" / "c" / "d") as partial:
        (partial / "x").touch()
    assert read_json(tmp_path / "a" / "b" / "x.json") == {} and (tmp_path / "a" / "c" / "d" / "x").is_file()
    (tmp_path / "file").touch()
    for refuse in (make_folder, check_output):
        with pytest.raises(InputError, match="file: this is a file, not a folder; choose another place"):
            refuse(tmp_path / "file" / "inside" / "x")
    with pytest.raises(InputError, match="a: this is a folder; give the name of a file"):
        check_output(tmp_path / "a")


def test_damaged_json_is_named(tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({"a": 1})[:-2])
    with pytest.raises(InputError, match=r"manifest\.json: not valid JSON"):
        read_json(path)
    path.write_text("[]")
    with pytest.raises(InputError, match=r"manifest\.json: not a JSON object"):
        read_json(path)


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "result.txt"
    with atomic_write(path) as first, atomic_write(path) as second:
        first.write_text("first")
        second.write_text("second")
        assert first.name == second.name == "result.txt"  # writers choose the format by it
    assert path.read_text() == "first"  # whole, of the last one to finish
    assert os.listdir(tmp_path) == ["result.txt"]


KILLED = """
import os, sys
from runtime.files import claimed, exclusive, atomic_folder
folder = sys.argv[1]
with exclusive(folder, ""), claimed(folder + "/model"), atomic_folder(folder + "/model") as partial:
    (partial / "half").touch()
    os._exit(1)
"""


def test_what_a_killed_process_leaves_is_cleaned_up(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, check=False)
    (left,) = tmp_path.glob(".partial-*")
    assert (left / "model" / "half").exists() and (tmp_path / ".lock").exists()
    with atomic_write(tmp_path / "other.txt") as living:
        living.write_text("")
        for folder in tmp_path.glob(".partial-*"):
            os.utime(folder, (0, 0))  # as if both were old
        command = f"from runtime.files import write_json; write_json({str(tmp_path / 'result.json')!r}, 1)"
        subprocess.run([sys.executable, "-c", command], cwd=ROOT, check=True)
        assert not left.exists() and living.exists()
    with exclusive(tmp_path, "locked"), claimed(tmp_path / "model"):
        pass
    assert sorted(os.listdir(tmp_path)) == ["other.txt", "result.json"]


def test_an_output_is_made_by_one_process_at_a_time(tmp_path):
    output = tmp_path / ("x" * 250 + ".mp4")
    with claimed(output):
        with pytest.raises(InputError, match=r"mp4: another process is making it; wait for it to end"), claimed(output):
            pass
        with claimed(tmp_path / "other.mp4"):
            pass
    with exclusive(tmp_path, "mine"), pytest.raises(InputError, match="mine"), exclusive(tmp_path, "mine"):
        pass
    assert os.listdir(tmp_path) == []


def test_a_file_system_without_locks_does_not_stop_the_work(tmp_path, monkeypatch):
    def unsupported(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", unsupported)
    with exclusive(tmp_path, "mine"):
        write_json(tmp_path / "result.json", 1)
    assert os.listdir(tmp_path) == ["result.json"]
