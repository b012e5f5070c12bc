import pytest

from preprocessing.sources.intervals import clip_name, parse_intervals, safe_name, without_times
from preprocessing.sources.listing import VIDEO_SUFFIXES, Source, is_url, read_sources, url_name
from runtime.errors import InputError

TALK = "https://example.org/videos/talk.mp4"


def write_list(folder, *rows, header="url,interval", name="list.csv"):
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def refusals(folder, *rows, header="url,interval"):
    """What read_sources says of a list with these rows, without the name of the list."""
    path = write_list(folder, *rows, header=header)
    sources, refused = read_sources([path])
    assert all(line.startswith(f"{path}, line ") and "\n" not in line and "; " in line for line in refused)
    return sources, [line.removeprefix(f"{path}, ") for line in refused]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("1:08-42:26", ((68.0, 2546.0),)),
        ("0:01:08-0:42:26", ((68.0, 2546.0),)),
        ("68-2546", ((68.0, 2546.0),)),
        ("1:08.5-2:00", ((68.5, 120.0),)),
        (" 1:08 \u2013 2:00 ; 150-1:02:03.25; ", ((68.0, 120.0), (150.0, 3723.25))),
        ("0-0.01", ((0.0, 0.01),)),
        ("0:10 to 0:20, 30 to 40", ((10.0, 20.0), (30.0, 40.0))),
    ],
)
def test_intervals_as_people_write_them(text, expected):
    assert parse_intervals(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("5:00-1:00", "interval 5:00-1:00 ends at or before its start"),
        ("10-10.001", "ends at or before its start"),
        ("68", "'68' is not a valid interval"),
        ("1-2-3", "'1-2-3' is not a valid interval"),
        ("-5-10", "is not a valid interval"),
        ("start-10", "'start' is not a valid time"),
        ("1:2:3:4-5:00:00", "'1:2:3:4' is not a valid time"),
        ("0:75-2:00", "0:75 has 60 or more minutes or seconds"),
        ("1:60:00-3:00:00", "1:60:00 has 60 or more"),
        ("10:00-75:10", "75:10 has 60 or more"),
        ("1-2; nonsense", "'nonsense' is not a valid interval"),
    ],
)
def test_intervals_that_cannot_be_read_say_why(text, reason):
    with pytest.raises(InputError, match=reason):
        parse_intervals(text)


def test_names_of_clips_sort_in_time_and_differ_by_a_hundredth():
    assert clip_name("speech", 68, 2546) == "speech_00068-02546"
    assert clip_name("speech", 68.5, 120.0) == "speech_00068.50-00120"
    for name in ("speech", "a_1", "a_00001-00002"):
        assert without_times(name) == name.removesuffix("_00001-00002")
        assert without_times(clip_name(name, 68.5, 120.0)) == name
    starts = [0, 0.01, 0.1, 9, 9.99, 10, 99.5, 100, 3599.99, 3600, 36000]
    names = [clip_name("a", start, start + 0.01) for start in starts]
    assert names == sorted(names) and len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://www.youtube.com/watch?v=abc-EFG_123&t=30", "abc-EFG_123"),
        ("https://youtu.be/abc-EFG_123?t=3", "abc-EFG_123"),
        ("https://m.youtube.com/shorts/abc-EFG_123", "abc-EFG_123"),
        ("https://www.youtube.com/c/elevenchars", "elevenchars"),
        ("https://notyoutube.com/watch?v=abc-EFG_123", "watch-abc-EFG_123"),
        (TALK, "talk"),
        ("http://example.org/a/b%20c%2Fd.final.mp4?quality=5", "b-c-d-final"),
        ("https://example.org/play.php?id=42", "play-42"),
        ("https://example.org/", "video"),
        ("https://example.org/" + "x" * 100, "x" * 60),
    ],
)
def test_names_of_addresses(url, expected):
    assert url_name(url) == expected


def test_files_and_folders(tmp_path):
    for name in ("b.mp4", "A.MKV", "notes.txt"):
        (tmp_path / name).touch()
    extra = tmp_path / "other.data"  # a file that is named is taken, whatever its suffix
    extra.touch()
    sources, refused = read_sources([tmp_path / "b.mp4", str(tmp_path), extra, f"{tmp_path}/../{tmp_path.name}/b.mp4"])
    assert refused == []
    assert sources == [
        Source(str(tmp_path / "A.MKV"), "A"),
        Source(str(tmp_path / "b.mp4"), "b"),
        Source(str(extra), "other"),
    ]
    assert not any(source.is_url for source in sources) and ".txt" not in VIDEO_SUFFIXES


def test_what_is_not_taken_from_a_folder_is_named(tmp_path):
    for name in ("a.MTS", "b.m2ts", "c.3gp", "d.vob", "e.ogv", "._a.MTS", "f.mp4.part", "g.RM", "notes.txt", "s.wav"):
        (tmp_path / name).touch()
    for folder in ("CLIPS", "empty"):
        (tmp_path / folder).mkdir()
    (tmp_path / "CLIPS" / "00001.MTS").touch()
    (tmp_path / "dataset").mkdir()
    for name in ("manifest.json", "preview.mp4"):
        (tmp_path / "dataset" / name).touch()
    sources, refused = read_sources([tmp_path])
    assert [source.name for source in sources] == list("abcde")
    (line,) = refused
    assert line.startswith(f"{tmp_path}: not taken from this folder: f.mp4.part, g.RM, CLIPS/; give")
    (tmp_path / "empty" / "talk.rm").touch()
    with pytest.raises(InputError, match=r"no video in this folder; not taken from this folder: talk\.rm; give"):
        read_sources([tmp_path / "empty"])


def test_arguments_that_do_not_exist_or_are_ambiguous(tmp_path):
    (tmp_path / "a").mkdir()
    for path in (tmp_path / "x.mp4", tmp_path / "a" / "x.mp4"):
        path.touch()
    with pytest.raises(InputError, match="have the same name"):
        read_sources([tmp_path / "x.mp4", tmp_path / "a"])
    with pytest.raises(InputError, match="no such file"):
        read_sources([tmp_path / "missing.mp4"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no video in this folder"):
        read_sources([tmp_path / "empty"])
    for broken in ("https://", "http://[broken/talk.mp4", "https://example.org/my talk.mp4"):
        with pytest.raises(InputError, match="no address of a video"):
            read_sources([broken])


def test_an_address_is_a_source():
    (source,), refused = read_sources([TALK])
    assert source == Source(TALK, "talk") and source.is_url and refused == []
    assert is_url("HTTPS://example.org/x") and not is_url("talk.mp4")


def test_a_list_with_rows_of_every_kind(tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "my talk.mp4").touch()
    path = tmp_path / "list.csv"
    path.write_bytes(
        b"\xef\xbb\xbf Name , URL,interval\r\n"
        b'# a comment with a "quote, that stays open\r\n'
        b"\r\n"
        b" ,videos/my talk.mp4 , \r\n"
        b'speech, https://youtu.be/abc-EFG_123 ,"1:08-2:00; 5:00-6:00"\r\n'
        b",https://www.youtube.com/watch?v=abc-EFG_123,0:10-0:20\r\n"
        b"short," + TALK.encode() + b"\r\n"
    )
    sources, refused = read_sources([path])
    assert refused == []
    assert sources == [
        Source(str(tmp_path / "videos" / "my talk.mp4"), "my talk"),
        Source(TALK, "short"),
        Source("https://youtu.be/abc-EFG_123", "speech", ((10.0, 20.0), (68.0, 120.0), (300.0, 360.0))),
    ]


def test_a_bad_row_is_refused_and_the_others_go_on(tmp_path):
    (tmp_path / "a.mp4").touch()
    sources, refused = refusals(
        tmp_path,
        f"{TALK},5:00-1:00",
        f"{TALK},nonsense",
        f"{TALK},0:61-2:00",
        ",1:00-2:00",
        "missing.mp4,",
        f"{tmp_path},",
        "ftp://example.org/x.mp4,",
        "https://,",
        f'{TALK},"1:00-2:00',  # the quote stays open: this row still reads well
        f"{TALK},3:00-4:00,,more",
        "a.mp4,0-10",
    )
    assert [(source.name, source.intervals) for source in sources] == [("a", ((0, 10),)), ("talk", ((60, 120),))]
    expected = [
        "line 2: the interval 5:00-1:00 ends",
        "line 3: 'nonsense' is not a valid interval",
        "line 4: the time 0:61 has",
        "line 5: no url",
        f"line 6: {tmp_path}/missing.mp4: no such file",
        f"line 7: {tmp_path}: a folder, where a file was expected",
        "line 8: ftp://example.org/x.mp4: neither http nor https",
        "line 9: https://: no address of a video",
        "line 11: more cells than the header has",
    ]
    assert len(refused) == len(expected)
    assert all(line.startswith(start) for line, start in zip(refused, expected, strict=True))


def test_of_overlapping_intervals_the_later_is_refused(tmp_path):
    sources, refused = refusals(
        tmp_path,
        f"{TALK},60-120; 120-180; 100-130",
        f"{TALK}#t=5,2:00-3:00",  # the same again is no mistake
        f"{TALK},2:59.5-200",
        f"{TALK},",
        "https://example.org/whole.mp4,",
        "https://example.org/whole.mp4,",
        "https://example.org/whole.mp4,0-10",
    )
    assert [source.intervals for source in sources] == [((60, 120), (120, 180)), ()]
    assert [line.split(";")[0] for line in refused] == [
        "line 2: 100-130 s overlaps 60-120 s given before",
        "line 4: 179.5-200 s overlaps 120-180 s given before",
        "line 5: the whole video overlaps its intervals given before",
        "line 8: 0-10 s overlaps the whole video given before",
    ]


def test_names_in_a_list(tmp_path):
    (tmp_path / "taken.mp4").touch()
    sources, refused = refusals(
        tmp_path,
        "taken.mp4,,",
        "taken.mp4,,again",
        "taken.mp4,,more",
        "https://example.org/1,,taken",
        "https://example.org/2,,my talk (2)",
        "https://example.org/3,0-1,talk",
        f"https://example.org/4,,{'n' * 201}",
        header="url,interval,name",
    )
    assert [(source.name, source.intervals) for source in sources] == [
        ("again", ()),
        ("my_talk_2", ()),
        ("n" * 191 + "-291c4194", ()),
        ("taken", ()),
        ("talk", ((0, 1),)),
    ]
    assert [line.split(";")[0] for line in refused] == [
        "line 4: the whole video is given before as again",
    ]


def test_a_name_for_each_interval_names_its_clip(tmp_path):
    for name in ("talk.mp4", "p02.mp4"):
        (tmp_path / name).touch()
    sources, refused = refusals(
        tmp_path,
        "talk.mp4,0-10,p00",
        "talk.mp4,10-20,p01",
        "talk.mp4,20-30,",
        "talk.mp4,30-40,p02",
        "talk.mp4,10-20,p03",
        "talk.mp4,,p04",
        "p02.mp4,,",
        header="file,interval,name",
    )
    talk = Source(str(tmp_path / "talk.mp4"), "talk", ((0, 10), (10, 20), (20, 30)), ("p00", "p01", None))
    assert sources == [Source(str(tmp_path / "p02.mp4"), "p02"), talk]
    assert [line.split(";")[0] for line in refused] == [
        "line 6: 10-20 s overlaps 10-20 s (p01) given before",
        "line 7: the whole video overlaps its intervals given before",
        f"line 5: the name p02 is taken by {tmp_path}/p02.mp4",
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_list_as_spreadsheets_write_it(tmp_path, encoding, delimiter):
    (tmp_path / "größe.mp4").touch()
    rows = [["file", "interval"], ["größe.mp4", "0:01-0:02"]]
    (tmp_path / "list.csv").write_bytes("\r\n".join(map(delimiter.join, rows)).encode(encoding))
    sources, refused = read_sources([tmp_path / "list.csv"])
    assert sources == [Source(str(tmp_path / "größe.mp4"), "größe", ((1, 2),))] and refused == []


@pytest.mark.parametrize("name", ["m" * 251, "声" * 83, "caf\udce9", ".hidden", "a\nb"])
def test_any_file_name_makes_a_name_that_stays_and_fits(tmp_path, name):
    (tmp_path / f"{name}.mp4").touch()
    (tmp_path / "other.mp4").touch()
    sources, _ = read_sources([tmp_path / f"{name}.mp4", tmp_path / "other.mp4"])
    made = next(source.name for source in sources if source.name != "other")
    assert len(made.encode()) <= 200 and made.isprintable() and not made.startswith(".")
    assert made == safe_name(name) == safe_name(made)
    assert safe_name(f"{name}1") != made


def test_addresses_get_a_hash_only_where_their_names_would_clash(tmp_path):
    (tmp_path / "file.mp4").touch()
    urls = [f"https://{host}/{name}.mp4" for host, name in (("a.org", "x"), ("b.org", "x"), ("a.org", "file"))]
    sources, refused = read_sources([tmp_path / "file.mp4", *urls, "https://a.org/alone.mp4"])
    names = {source.location: source.name for source in sources}
    assert refused == [] and len(set(names.values())) == 5
    assert names[str(tmp_path / "file.mp4")] == "file" and names["https://a.org/alone.mp4"] == "alone"
    assert [names[url].rsplit("-", 1)[0] for url in urls] == ["x", "x", "file"]
    assert [source.name for source in sources] == sorted(names.values())
    again, _ = read_sources(reversed([tmp_path / "file.mp4", *urls, "https://a.org/alone.mp4"]))
    assert again == sources


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"address,interval\nhttps://example.org/x,\n", "the header is address,interval; expected url,interval or"),
        (b"https://example.org/x,1:00-2:00\n", "the header is https://example.org/x,1:00-2:00"),
        (b"url,interval,name,name\nx,,,\n", "the header is url,interval,name,name"),
        (b"url,interval\n# nothing\n\n", "without a row"),
        (b"", "without a row"),
        (b"url,interval\n\xff\xfe,\n", "line 2: not in UTF-8; save the file as UTF-8"),
        (None, "cannot be read .No such file"),
    ],
)
def test_a_list_that_is_wrong_as_a_whole_is_refused(tmp_path, content, reason):
    path = tmp_path / "list.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=reason) as caught:
        read_sources([path])
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
