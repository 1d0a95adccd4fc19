"""Figures changed by dotted key: what is set, what goes with it, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from undertow.errors import RulebookError
from undertow.rulebook.load import load_rulebook, parse_override, with_overrides
from undertow.rulebook.model import Rulebook


@pytest.fixture(scope="module")
def bracketed() -> Rulebook:
    return load_rulebook("binance-2025")


def test_one_figure_changes_and_nothing_else(bracketed: Rulebook) -> None:
    changed = with_overrides(bracketed, {"mark.basis_window_seconds": 5})
    assert changed.mark.basis_window_seconds == 5
    assert changed.overridden == ("mark.basis_window_seconds",)
    assert changed.fingerprint() != bracketed.fingerprint()
    back = with_overrides(changed, {"mark.basis_window_seconds": 30})
    assert back.fingerprint() == bracketed.fingerprint()
    assert bracketed.mark.basis_window_seconds == 30


def test_overrides_add_up(bracketed: Rulebook) -> None:
    first = with_overrides(bracketed, {"fees.taker_ppm": 1})
    second = with_overrides(first, {"fees.maker_ppm": -1})
    assert second.fees.of("alt")[:2] == (1, -1)
    assert second.overridden == ("fees.maker_ppm", "fees.taker_ppm")


def test_a_row_of_a_list_by_number(bracketed: Rulebook) -> None:
    """The published deductions go with it: they follow from the rates again."""
    changed = with_overrides(bracketed, {"margin.classes.BTC.brackets.0.maintenance_ppm": 4500})
    tiers = changed.margin_class("BTC").tiers()
    assert tiers[0].maintenance_ppm == 4500
    assert tiers[1].deduction_micros == 300_000 * 500
    assert changed.margin_class("ETH") == bracketed.margin_class("ETH")


def test_another_mechanism_drops_the_figures_of_the_former(bracketed: Rulebook) -> None:
    changed = with_overrides(bracketed, {"mark.method": "oracle"})
    assert (changed.mark.method, changed.mark.basis_window_seconds) == ("oracle", 0)
    bare = with_overrides(bracketed, {"backstop.kind": "none"})
    assert bare.backstop.disposal.rate_ppm_per_second == 0
    assert bare.backstop.inferred == ()


def test_dropping_a_selector_drops_what_it_selected() -> None:
    staged = load_rulebook("hyperliquid-2025")
    changed = with_overrides(staged, {"backstop.kind": "none"})
    assert changed.backstop.maintenance_share_ppm == 0


def test_another_mechanism_brings_its_figures(bracketed: Rulebook) -> None:
    changes = {
        "liquidation.pacing": "staged",
        "liquidation.threshold_usd": 100_000,
        "liquidation.first_ppm": 200_000,
        "liquidation.cooldown_seconds": 30,
    }
    assert with_overrides(bracketed, changes).liquidation.first_ppm == 200_000


def test_redemption_instead_of_the_own_book(bracketed: Rulebook) -> None:
    changes = {
        "collateral.WBETH.price.kind": "redemption",
        "collateral.WBETH.price.conversion_ppm": 1_080_000,
        "collateral.WBETH.price.of": "ETH",
    }
    price = with_overrides(bracketed, changes).collateral["WBETH"].price
    assert (price.kind, price.of, price.conversion_ppm, price.own_weight_ppm) == (
        "redemption",
        "ETH",
        1_080_000,
        0,
    )


def test_a_whole_table_at_once(bracketed: Rulebook) -> None:
    asset = {
        "source": "choice",
        "inferred": ["kind", "weight_total_ppm", "weight_initial_ppm", "price"],
        "kind": "flat",
        "weight_total_ppm": 900_000,
        "weight_initial_ppm": 900_000,
        "price": {"kind": "index"},
    }
    assert (
        with_overrides(bracketed, {"collateral.FDUSD": asset}).collateral["FDUSD"].weight_total_ppm == 900_000
    )


def test_a_class_table_is_begun_with_the_sources_around_it(bracketed: Rulebook) -> None:
    changed = with_overrides(bracketed, {"orders.classes.alt.price_band_ppm": 20_000})
    assert changed.orders.bands("alt") == (20_000, 300_000)
    assert changed.orders.classes["alt"].source == bracketed.orders.source


def test_a_halt_can_be_added(bracketed: Rulebook) -> None:
    halt = {
        "scope": "matching",
        "start": {"kind": "move", "ppm": 100_000, "seconds": 60},
        "end": {"kind": "elapsed", "seconds": 300},
    }
    assert with_overrides(bracketed, {"gates.halts": [halt]}).gates.halts[0].start.ppm == 100_000


def test_sources_that_are_no_longer_cited_go(bracketed: Rulebook) -> None:
    changed = with_overrides(bracketed, {"auto_conversion.source": "choice", "auto_conversion.kind": "none"})
    assert changed.sources.keys() <= bracketed.sources.keys()


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("mark.update_seconds=3", ("mark.update_seconds", 3)),
        ("mark.method = oracle", ("mark.method", "oracle")),
        ("orders.min_notional_usd=0.5", ("orders.min_notional_usd", Decimal("0.5"))),
        ("profiles.multi.borrowing=false", ("profiles.multi.borrowing", False)),
        ('settlement="USD"', ("settlement", "USD")),
        ("insurance.isolated_funds=['BTC']", ("insurance.isolated_funds", ["BTC"])),
        ("a=b=c", ("a", "b=c")),
    ],
)
def test_overrides_are_read_as_toml_or_text(text: str, pair: tuple[str, Any]) -> None:
    assert parse_override(text) == pair


@pytest.mark.parametrize("text", ["mark.update_seconds", "=3", "mark.update_seconds="])
def test_an_override_needs_both_sides(text: str) -> None:
    with pytest.raises(RulebookError) as caught:
        parse_override(text)
    assert str(caught.value) == f"--set {text!r}: is not KEY=VALUE; write for example mark.update_seconds=3"


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        (
            {"marks.method": "oracle"},
            ["marks.method: 'marks' is not a key here; did you mean 'mark'?"],
        ),
        (
            {"mark.basis_window_secnds": 5},
            [
                "mark.basis_window_secnds: 'basis_window_secnds' is not a key here; "
                "did you mean 'basis_window_seconds'?"
            ],
        ),
        (
            {"profiles.sngle.borrowing": True},
            ["profiles.sngle.borrowing: 'sngle' is not here; did you mean 'single'?"],
        ),
        (
            {"margin.classes.BTC.brackets.99.cap_usd": 1},
            [
                "margin.classes.BTC.brackets.99.cap_usd: '99' is no row of this list; "
                "give a number from 0 to 11"
            ],
        ),
        (
            {"funding.interval_seconds.hours": 2},
            ["funding.interval_seconds.hours: funding.interval_seconds is a single value; leave out 'hours'"],
        ),
        (
            {"name": "other"},
            ["name: cannot be overridden; change a figure, or write a rulebook file"],
        ),
        (
            {"mark.method": "oracle-ema-median", "mark.ema_seconds": 150},
            ["mark.short_ema_seconds: is missing; method 'oracle-ema-median' needs it"],
        ),
        (
            {"mark.method": "orcale"},
            [
                "mark.method: is 'orcale', must be 'median-bid-ask-last', 'median-of-three', 'fair-basis', "
                "'oracle-ema-median' or 'oracle'; did you mean 'oracle'?"
            ],
        ),
        (
            {"index.minimum_constituents": Decimal("2.5"), "fees.taker_ppm": -2_000_000},
            [
                "fees.taker_ppm: is -2000000; must be a whole number of parts per million "
                "from -1000000 to 1000000",
                "index.minimum_constituents: is 2.5; must be a whole number from 0 to 1000000",
            ],
        ),
        (
            {"margin.classes.BTC.brackets.1.max_leverage": 250},
            [
                "margin.classes.BTC.brackets.1.maintenance_ppm: is 5000, above the initial margin; "
                "at 250x it may be at most 4000",
                "margin.classes.BTC.brackets.1.max_leverage: is 250, above the bracket before; "
                "leverage may not rise, so at most 150",
            ],
        ),
    ],
)
def test_bad_overrides(bracketed: Rulebook, changes: dict[str, Any], messages: list[str]) -> None:
    with pytest.raises(RulebookError) as caught:
        with_overrides(bracketed, changes)
    assert str(caught.value).splitlines() == [f"binance-2025: {message}" for message in messages]
