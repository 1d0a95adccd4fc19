"""The register of published records: everything cited is in it, and it says what the facts say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tidy_rules import PACKAGE, ROOT
from undertow.case.load import case_names, load_case
from undertow.case.sources import cited, ids_in, register

CITED = re.compile(r"\b[a-z]+\d{4}-\d{3}\b")


def test_every_record_that_is_cited_is_in_the_register() -> None:
    texts = [path.read_text() for path in (PACKAGE / "case" / "library").glob("*.toml")]
    texts += [path.read_text() for path in (PACKAGE / "rulebook" / "presets").glob("*.toml")]
    texts += [path.read_text() for path in (ROOT / "docs").rglob("*.md")]
    found = {number for text in texts for number in CITED.findall(text)}
    assert len(found) > 80
    assert found <= set(register())


def test_the_register_says_what_the_facts_say(shared: Path) -> None:
    rows = {
        row["id"]: row for path in (shared / "facts").glob("*.json") for row in json.loads(path.read_text())
    }
    for number, record in register().items():
        row = rows[number]
        assert (record.quantity, record.value, record.unit) == (row["quantity"], row["value"], row["unit"])
        assert record.reliability == row["reliability"]
        assert (record.venue, record.symbol) == (row["venue"] or "", row["symbol"] or "")
        link = re.search(r"https?://[^\s,;)]+", row["source"])
        assert link is None or record.source.url == link[0]


@pytest.mark.parametrize("name", case_names())
def test_a_fact_that_cites_a_record_leads_to_who_published_it(name: str) -> None:
    for fact in load_case(name).facts:
        numbers = CITED.findall(fact.source)
        found = cited(fact.source)
        assert {record.id for one in found for record in one.records} >= set(numbers), fact.id
        assert all(one.source.publisher and one.source.title for one in found)


def test_rows_of_records_are_said_as_rows() -> None:
    text = "oct2025-342 to 346, and oct2025-163"
    assert ids_in(text) == [f"oct2025-{number}" for number in (342, 343, 344, 345, 346, 163)]
    assert ids_in("minute 21:19 of 2025-10-10") == []
    (bars,) = cited("computed: minute lows (oct2025-021 to 041 are its bars)")
    assert bars.ids == "oct2025-021 to 041"
    assert bars.source.url == "https://github.com/aaronwu2017/TheGlory"
    assert cited("oct2025-999") == ()
