"""Files as editors save them: one case in every encoding that can be meant, a sentence for every other."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from tidy_rules import ROOT
from undertow.case.load import load_case
from undertow.errors import InputError
from undertow.feeds.manifest import load_manifest
from undertow.feeds.tables import read_index_minutes
from undertow.rulebook.faults import read_toml
from undertow.rulebook.load import load_rulebook

SMALL = (ROOT / "docs/how-to/small-crash.toml").read_text()
FEED = (ROOT / "src/undertow/feeds/library/oct-2025.toml").read_text()
RULES = (ROOT / "src/undertow/rulebook/presets/dydx-v4.toml").read_text()
CSV = "time_utc,last,low,high\n2025-10-10 20:49:00+00,100,99,101\n"
MEANT = {
    "as it is": lambda text: text.encode(),
    "byte order mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "CR LF": lambda text: text.replace("\n", "\r\n").encode(),
    "CR alone": lambda text: text.replace("\n", "\r").encode(),
    "mark and CR LF": lambda text: codecs.BOM_UTF8 + text.replace("\n", "\r\n").encode(),
}
SAVE = "save the file as UTF-8 text"
REFUSED = {
    "UTF-16": (lambda text: text.encode("utf-16"), f"is UTF-16 text; {SAVE}"),
    "UTF-16, other end first": (
        lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
        f"is UTF-16 text; {SAVE}",
    ),
    "UTF-32": (lambda text: text.encode("utf-32"), f"is UTF-32 text; {SAVE}"),
    "UTF-16 without a mark": (
        lambda text: text.encode("utf-16-le"),
        f"byte 1 is zero, as in UTF-16 text or a binary file; {SAVE}",
    ),
    "Latin-1": (lambda text: ("# é\n" + text).encode("latin-1", "replace"), f"byte 2 is not UTF-8; {SAVE}"),
}


@pytest.mark.parametrize("how", MEANT)
def test_the_same_in_every_encoding_that_can_be_meant(how: str, tmp_path: Path) -> None:
    path = tmp_path / "given.toml"
    path.write_bytes(MEANT[how](SMALL))
    assert load_case(path) == load_case(ROOT / "docs/how-to/small-crash.toml")
    path.write_bytes(MEANT[how](FEED))
    assert load_manifest(path) == load_manifest("oct-2025")
    path.write_bytes(MEANT[how](RULES))
    assert load_rulebook(str(path)) == load_rulebook("dydx-v4")
    path.write_bytes(MEANT[how](CSV))
    assert read_index_minutes(path).last.tolist() == [100.0]


@pytest.mark.parametrize("how", REFUSED)
def test_every_other_encoding_is_one_sentence(how: str, tmp_path: Path) -> None:
    encoded, sentence = REFUSED[how]
    path = tmp_path / "given.toml"
    for read, text in (
        (load_case, SMALL),
        (load_manifest, FEED),
        (lambda given: load_rulebook(str(given)), RULES),
        (read_index_minutes, CSV),
    ):
        path.write_bytes(encoded(text))
        with pytest.raises(InputError) as caught:
            read(path)
        assert str(caught.value) == f"{path}: {sentence}"


@pytest.mark.parametrize("content", [b"", b"\n \n", b"# a comment\n", codecs.BOM_UTF8])
def test_an_empty_file_is_said_to_be_empty(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "given.toml"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_toml(path, "given.toml")
    sentence = "holds nothing but comments; a case or a rulebook has at least a name"
    assert str(caught.value) == f"given.toml: {sentence}"
