"""Every pair that a report shows can be pasted behind --set, and changes nothing by itself."""

from __future__ import annotations

import shlex
import tomllib

import pytest

from undertow.case.load import case_names, load_case, rulebook_of
from undertow.case.write import case_text, rulebook_text
from undertow.rulebook.load import preset_names
from undertow.rulebook.model import Rulebook
from undertow.views.cli import settings_from
from undertow.views.keys import NO_KEYS, Setting, settings_of


def pasted(found: list[Setting]) -> dict[str, str]:
    """The pairs as a shell and the command line read them."""
    return settings_from([word for one in found for word in shlex.split(one.pair)])


@pytest.mark.parametrize("name", case_names())
def test_a_case_stays_as_it_is(name: str) -> None:
    case = load_case(name)
    shown = settings_of(tomllib.loads(case_text(case)), skip=NO_KEYS["case"])
    assert len(shown) > 1000
    assert load_case(name, pasted(shown)) == case


def without_deductions(rulebook: Rulebook) -> Rulebook:
    """The rulebook as its figures make it: what follows from others, and who changed it, left out."""
    classes = {
        name: table.model_copy(
            update={
                "brackets": tuple(row.model_copy(update={"deduction_usd": None}) for row in table.brackets)
            }
            if table.brackets
            else {}
        )
        for name, table in rulebook.margin.classes.items()
    }
    margin = rulebook.margin.model_copy(update={"classes": classes})
    return rulebook.model_copy(update={"margin": margin, "overridden": ()})


@pytest.mark.parametrize("name", preset_names())
def test_a_rulebook_stays_as_it_is(name: str) -> None:
    case = load_case("oct-2025", {"rulebook": name})
    own = rulebook_of(case)
    shown = settings_of(tomllib.loads(rulebook_text(own)), "rulebook.", NO_KEYS["rulebook"])
    assert all(one.key.startswith("rulebook.") for one in shown) and len(shown) > 50
    again = rulebook_of(load_case("oct-2025", {"rulebook": name, **pasted(shown)}))
    assert without_deductions(again) == without_deductions(own)
    assert {name: kind.tiers() for name, kind in again.margin.classes.items()} == {
        name: kind.tiers() for name, kind in own.margin.classes.items()
    }


def test_a_row_that_holds_by_default_can_be_changed() -> None:
    """The file leaves the products of the loops out; their rows are the model's own."""
    plain = load_case("oct-2025")
    changed = load_case("oct-2025", {"crowd.loopers.products.loan.multiple": "2"})
    before, after = (case.crowd.loopers.products for case in (plain, changed))
    assert [row.name for row in before] == [row.name for row in after]
    assert {row.name for row, other in zip(before, after, strict=True) if row != other} == {"loan"}
