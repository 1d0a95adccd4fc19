"""Who is below maintenance margin before the first step: nobody by a case's own rulebook, some by another."""

from __future__ import annotations

from typing import Any

import pytest

from tidy_rules import ROOT
from undertow.case.load import load_case
from undertow.case.model import Case
from undertow.lab.at_start import below_at_start
from undertow.lab.build import Built
from undertow.lab.venues import build_venues
from undertow.rulebook.load import load_rulebook

SMALL = ROOT / "docs/how-to/small-crash.toml"
OTHER = {"rulebook": "hyperliquid-2025", "accounts": "300"}


def built(case: Case, beside: bool = False) -> tuple[Built, ...]:
    return build_venues(case, None, 1, beside).built


@pytest.mark.parametrize(("name", "changes"), [(SMALL, {}), ("oct-2025", {"accounts": "2000"})])
def test_nobody_is_by_the_case_s_own_rulebook(name: Any, changes: dict[str, str]) -> None:
    for venue in built(load_case(name, changes), beside=True):
        found = below_at_start(venue)
        assert (found["accounts"], found["groups"], found["not_taken"]) == (0, {}, [])


def test_loopers_are_by_one_that_takes_no_collateral() -> None:
    case = load_case("oct-2025", OTHER)
    (venue,) = built(case)
    before = venue.engine.state_hash()
    found = below_at_start(venue)
    assert venue.engine.state_hash() == before  # a look changes nothing
    assert found["accounts"] == venue.engine.find_danger() == sum(
        row["accounts"] for row in found["groups"].values()
    )  # fmt: skip
    assert found["groups"]["looper"]["accounts"] > 1000
    assert found["groups"]["looper"]["owed_micros"] > 10**14
    known = load_rulebook("hyperliquid-2025").collateral
    assert {"USDe", "WBETH", "BNSOL"} <= set(found["not_taken"])
    assert not known.keys() & set(found["not_taken"])
