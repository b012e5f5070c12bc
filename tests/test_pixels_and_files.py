import json
import os

import numpy as np
import pytest

from preprocessing.files import make_folder, read_json, whole_file, whole_folder, write_json
from preprocessing.pixels import to_signed, to_uint8
from preprocessing.program import InputError


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
    with pytest.raises(RuntimeError), whole_file(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert read_json(path) == {"old": 1}
    assert os.listdir(tmp_path) == ["result.json"]


def test_a_folder_is_replaced_whole(tmp_path):
    path = tmp_path / "clip"
    path.mkdir()
    (path / "old").touch()
    with whole_folder(path) as partial:
        (partial / "new").touch()
        assert (path / "old").exists()
    assert os.listdir(path) == ["new"]
    assert os.listdir(tmp_path) == ["clip"]


def test_outputs_without_a_folder_name_the_remedy(tmp_path):
    with pytest.raises(InputError, match="create it first"), whole_file(tmp_path / "missing" / "x.png"):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="choose another place"):
        make_folder(tmp_path / "file" / "inside")


def test_damaged_json_is_named(tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({"a": 1})[:-2])
    with pytest.raises(InputError, match=r"manifest\.json: not valid JSON"):
        read_json(path)
