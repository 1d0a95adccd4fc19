"""Margin tables against the worked numbers of the venues' own pages, in exact integers."""

from __future__ import annotations

import json
import math
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertow.rulebook.load import load_rulebook
from undertow.rulebook.margin import MarginClass, maintenance_deductions
from undertow.units import MICROS, sqrt_rate_ppm

DOLLARS = MICROS


@cache
def bracket_class(name: str) -> MarginClass:
    return load_rulebook("binance-2025").margin_class(name)


def test_deduction_of_the_quote_margined_page() -> None:
    """bin-cum-doc: 250,000 x (1 % - 0.5 %) + 50 = 1,300. Source: FAQ b3c689c1f50a44cabb3a84e663b81d93."""
    # The row before: 50,000 x (0.5 % - 0.4 %) = 50.
    floors = [0, 50_000 * DOLLARS, 250_000 * DOLLARS]
    assert maintenance_deductions(floors, [4000, 5000, 10_000]) == [0, 50 * DOLLARS, 1300 * DOLLARS]


def test_deduction_of_the_coin_margined_page() -> None:
    """bin-cum-doc-coinm: 50 x 2.5 % + 0.56 = 1.81 coins. Source: FAQ ceccfcfb4e3a45e3b48b0b1bb1a8ae46."""
    before = 560_000  # 0.56 coins
    step = maintenance_deductions([0, 50 * MICROS], [25_000, 50_000])[1]
    assert step + before == 1_810_000


def test_deductions_are_exact_or_refused() -> None:
    with pytest.raises(ValueError, match=r"^1$"):
        maintenance_deductions([0, 333_333], [4000, 5000])


@pytest.mark.parametrize(
    ("notional", "maintenance"),
    [
        (250_000, 1_000),
        (1_000_000, 5_000),
        (10_000_000, 88_000),
        (50_000_000, 868_000),
        (100_000_000, 2_018_000),
        (300_000_000, 15_518_000),
    ],
)
def test_bracket_maintenance(notional: int, maintenance: int) -> None:
    """bin-mm-*: the BTC table of early 2026. Source: mechanisms 2.3 (public repository)."""
    rule = load_rulebook("binance-2025").margin_class("BTC")
    assert rule.maintenance_micros(notional * DOLLARS) == maintenance * DOLLARS


@pytest.mark.parametrize(
    ("coin", "notional", "maintenance_micros"),
    [
        ("BTC", 1_000_000, 12_500 * DOLLARS),
        ("BTC", 200_000_000, 3_125_000 * DOLLARS),
        ("SOL", 100_000_000, 3_250_000 * DOLLARS),
        # The page says 3,666,666.67: a thirtieth stands as 33333 ppm, 5 ppm low.
        ("ETH", 150_000_000, 3_666_650 * DOLLARS),
    ],
)
def test_tier_maintenance(coin: str, notional: int, maintenance_micros: int) -> None:
    """hl-mm-*: half the initial rate of each tier. Source: docs, trading/margin-tiers (mechanisms 4)."""
    rule = load_rulebook("hyperliquid-2025").margin_class(coin)
    assert rule.maintenance_micros(notional * DOLLARS) == maintenance_micros


@pytest.mark.parametrize(("prefix", "preset"), [("bin-mm-", "binance-2025"), ("hl-mm-", "hyperliquid-2025")])
def test_recorded_vectors(shared: Path, prefix: str, preset: str) -> None:
    listed = json.loads((shared / "spec" / "mechanism_vectors.json").read_text())
    rows = [row for row in listed if row["id"].startswith(prefix)]
    assert rows
    for row in rows:
        coin = row["id"].split("-")[2].upper() if preset == "hyperliquid-2025" else "BTC"
        rule = load_rulebook(preset).margin_class(coin)
        expected = round(row["expected"]["maintenance_margin"] * DOLLARS)
        assert rule.maintenance_micros(round(row["inputs"]["notional"]) * DOLLARS) == expected, row["id"]


@pytest.mark.parametrize("coin", ["BTC", "ETH", "SOL", "major", "small"])
def test_published_deductions_follow_from_the_rates(coin: str) -> None:
    """Source: mechanisms 2.3; the published column is in the file and was checked when it was read."""
    rule = load_rulebook("binance-2025").margin_class(coin)
    published = [int(row.deduction_usd * MICROS) for row in rule.brackets if row.deduction_usd is not None]
    assert len(published) == len(rule.brackets)
    assert rule.maintenance_deductions() == published


@given(st.sampled_from(["BTC", "ETH", "SOL", "alt", "small"]), st.integers(1, 10**9), st.integers(0, 10**9))
def test_maintenance_never_falls_as_the_position_grows(coin: str, notional: int, more: int) -> None:
    rule = bracket_class(coin)
    assert rule.maintenance_micros(notional) <= rule.maintenance_micros(notional + more)


@given(st.sampled_from(["BTC", "ETH", "SOL", "alt", "small"]))
def test_brackets_join_without_a_step(coin: str) -> None:
    tiers = bracket_class(coin).tiers()
    for before, after in pairwise(tiers):
        floor = after.floor_micros
        below = floor * before.maintenance_ppm - before.deduction_micros * MICROS
        assert below == floor * after.maintenance_ppm - after.deduction_micros * MICROS


def test_initial_rates_are_rounded_up() -> None:
    tiers = bracket_class("BTC").tiers()
    assert [tier.initial_ppm for tier in tiers[:3]] == [6667, 10_000, 13_334]


def test_largest_notional() -> None:
    assert bracket_class("small").largest_notional_micros() == 12_500_000 * DOLLARS
    assert load_rulebook("hyperliquid-2025").margin_class("BTC").largest_notional_micros() == 0
    assert load_rulebook("ftx-2022").margin_class("BTC").tiers() == []


@pytest.mark.parametrize(
    ("coins", "initial_ppm", "maintenance_ppm"),
    [(20, 50_000, 30_000), (625, 50_000, 30_000), (2500, 100_000, 60_000)],
)
def test_square_root_margin(coins: int, initial_ppm: int, maintenance_ppm: int) -> None:
    """ftx-imf-btc-20, ftx-imf-btc-2500, and the break-even size of 625. Source: help 360027946371."""
    rule = load_rulebook("ftx-2022").margin_class("BTC")
    slope = rule.factor_ppb * rule.maintenance_share_ppm // 1_000_000
    assert max(rule.initial_floor_ppm, sqrt_rate_ppm(rule.factor_ppb, coins, 1, 1)) == initial_ppm
    assert max(rule.maintenance_floor_ppm, sqrt_rate_ppm(slope, coins, 1, 1)) == maintenance_ppm


@pytest.mark.parametrize(
    ("value", "initial_ppm", "maintenance_ppm"),
    [(180, 10_000, 5_000), (230, 15_000, 10_000), (450, 25_000, 20_000)],
)
def test_stepped_risk_limits(value: int, initial_ppm: int, maintenance_ppm: int) -> None:
    """bmx-risk-2020-*: each started step adds base maintenance. Source: riskLimitsExamples (mechanisms 3)."""
    rule = load_rulebook("bitmex-2020").margin_class("BTC")
    over = max(0, value - int(rule.base_coin))
    steps = -(-over // int(rule.step_coin))
    assert rule.initial_ppm + steps * rule.maintenance_ppm == initial_ppm
    assert rule.maintenance_ppm + steps * rule.maintenance_ppm == maintenance_ppm


@pytest.mark.parametrize(
    ("asset", "coins", "initial_ppm", "maintenance_ppm"),
    [
        ("BTC", 100, 157_895, 56_411),  # 0.1578947..., 0.0564102... rounded up
        ("BTC", 10_000, 200_000, 120_000),
        ("ETH", 1_000_000, 400_000, 240_000),
    ],
)
def test_borrow_margin(asset: str, coins: int, initial_ppm: int, maintenance_ppm: int) -> None:
    """ftx-spotshort-*: max(1.1/w - 1, f sqrt) and max(1.03/w - 1, 0.6 f sqrt). Source: help 360053007671."""
    rule = load_rulebook("ftx-2022").collateral[asset]
    floors, factors = rule.borrow_floors_ppm(), rule.borrow_factors_ppb()
    roots = [factor * math.isqrt(coins) // 1000 for factor in factors]
    assert max(floors[0], roots[0]) == initial_ppm
    assert max(floors[1], roots[1]) == maintenance_ppm


def test_borrow_margin_of_the_other_kinds() -> None:
    collateral = load_rulebook("binance-2025").collateral
    assert collateral["BTC"].borrow_floors_ppm() == (250_000, 100_000)
    assert collateral["BTC"].borrow_factors_ppb() == (0, 0)
    assert collateral["WBETH"].borrow_floors_ppm() == (0, 0)
