"""The rulebooks that ship: all load, all tables cite their sources, every figure stands in the file."""

from __future__ import annotations

from datetime import date

import pytest

from undertow.rulebook.base import Part, Table
from undertow.rulebook.load import check_rulebook, load_rulebook, preset_names
from undertow.rulebook.model import Rulebook

PRESETS = ("binance-2025", "bitmex-2020", "dydx-v4", "ftx-2022", "hyperliquid-2025")


@pytest.fixture(params=PRESETS)
def rulebook(request: pytest.FixtureRequest) -> Rulebook:
    return load_rulebook(str(request.param))


def test_presets_are_these() -> None:
    assert preset_names() == PRESETS


def test_preset_is_without_fault(rulebook: Rulebook) -> None:
    assert check_rulebook(rulebook.name) == []
    assert rulebook.as_of <= date(2026, 12, 31)
    assert len(rulebook.summary) > 100


def test_every_table_has_a_declared_source(rulebook: Rulebook) -> None:
    tables = dict(rulebook.tables())
    assert {"fees", "orders", "index", "mark", "funding", "liquidation", "gates"} <= tables.keys()
    assert any(name.startswith("margin.classes.") for name in tables)
    for name, table in tables.items():
        assert rulebook.cited(table), name
        assert set(table.source) <= rulebook.sources.keys(), name


def test_inferred_keys_stand_in_their_table(rulebook: Rulebook) -> None:
    marked = 0
    for name, table in rulebook.tables():
        for key in table.inferred:
            part: Part = table
            for step in key.split("."):
                assert step in part.model_fields_set, f"{name}: {key}"
                part = getattr(part, step)
            marked += 1
    assert marked > 5  # nobody publishes everything


def test_a_table_without_a_real_source_is_all_inference(rulebook: Rulebook) -> None:
    for name, table in rulebook.tables():
        if all(source.standing == "inference" for source in rulebook.cited(table)):
            figures = table.model_fields_set - {"source", "inferred", "classes"}
            assert figures == set(table.inferred), name


def test_no_figure_is_taken_by_default(rulebook: Rulebook) -> None:
    """A figure that the chosen kind uses stands in the file; a default can only mean `no such rule`."""
    for name, table in rulebook.tables():
        for selector, kinds in table.NEEDS.items():
            needed = set(kinds[getattr(table, selector)])
            assert needed <= table.model_fields_set, f"{name}: {selector}"


def test_the_same_file_gives_the_same_fingerprint(rulebook: Rulebook) -> None:
    assert load_rulebook(rulebook.name).fingerprint() == rulebook.fingerprint()
    assert len({load_rulebook(name).fingerprint() for name in PRESETS}) == len(PRESETS)


def test_usual_margin_classes_are_known(rulebook: Rulebook) -> None:
    assert rulebook.margin_class("BTC") is rulebook.margin.classes["BTC"]
    assert rulebook.margin_class("no such coin") is rulebook.margin.classes[rulebook.margin.default]


def test_a_profile_of_another_venue_finds_a_seat() -> None:
    assert load_rulebook("binance-2025").profile_name("portfolio") == "portfolio"
    assert load_rulebook("hyperliquid-2025").profile_name("portfolio") == "single"


@pytest.mark.parametrize(
    ("name", "mark", "pacing", "backstop", "policy", "price"),
    [
        ("ftx-2022", "median-bid-ask-last", "random-slices", "providers", "queue", "zero-mix"),
        ("binance-2025", "median-of-three", "one-shot", "fund", "queue", "bankruptcy"),
        ("bitmex-2020", "fair-basis", "one-shot", "fund", "queue", "bankruptcy"),
        ("hyperliquid-2025", "oracle-ema-median", "staged", "vault", "queue", "previous-mark"),
        ("dydx-v4", "oracle", "fillable-price", "none", "random-start", "bankruptcy"),
    ],
)
def test_mechanisms_are_those_of_the_parameter_sheet(
    name: str, mark: str, pacing: str, backstop: str, policy: str, price: str
) -> None:
    """Source: mechanisms 0.1, the parameter sheet."""
    rulebook = load_rulebook(name)
    assert rulebook.mark.method == mark
    assert rulebook.liquidation.pacing == pacing
    assert rulebook.backstop.kind == backstop
    assert (rulebook.allocation.policy, rulebook.allocation.price) == (policy, price)


def test_tables_come_in_the_order_of_the_file() -> None:
    names = [name for name, _ in load_rulebook("dydx-v4").tables()]
    assert names[:5] == ["fees", "orders", "index", "mark", "funding"]
    assert names[-1] == "gates"
    assert all(isinstance(table, Table) for _, table in load_rulebook("dydx-v4").tables())


def test_class_figures_replace_only_what_they_set() -> None:
    """Source: mechanisms 2.1 (bands), 2.4 (fees), exchangeInfo fixtures."""
    rulebook = load_rulebook("binance-2025")
    assert rulebook.fees.of("BTC") == (500, 200, 12_500)
    assert rulebook.fees.of("alt") == (500, 200, 15_000)
    assert rulebook.orders.bands("BTC") == (50_000, 50_000)
    assert rulebook.orders.bands("small") == (150_000, 300_000)
    assert rulebook.funding.impact_notional("BTC") == 30_000
    assert rulebook.funding.cap("small") == 20_000


def test_wrapped_tokens_are_valued_on_the_own_books() -> None:
    """Source: notices. Recipes of 20 % and 30 % direct pair were announced on 6 October, due on the 14th."""
    collateral = load_rulebook("binance-2025").collateral
    recipes = {name: collateral[name].price for name in ("USDe", "WBETH", "BNSOL")}
    assert {price.kind for price in recipes.values()} == {"own-book"}
