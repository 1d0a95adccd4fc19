"""A crowd goes by the size of its venue: ten times the venue trades and loses ten times as much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tidy_rules import ROOT
from undertow.case.load import load_case
from undertow.lab.run import run_case
from undertow.tape import RunFolder, Tape

SMALL = ROOT / "docs/how-to/small-crash.toml"
SIZES = (0.1, 1.0, 10.0)
MINUTES_A_DAY = 1_440


def scaled(factor: float) -> dict[str, Any]:
    """Every amount that the example states, times a factor; the others follow by themselves."""
    case = load_case(SMALL)
    found: dict[str, Any] = {
        "house.fund_usd": factor * case.house.fund_usd,
        "crowd.makers.capital_usd": factor * (case.crowd.makers.capital_usd or 0.0),
        "crowd.patient.resting_bids.0.notional_usd": factor * case.crowd.patient.resting_bids[0].notional_usd,
    }
    for row in case.instruments:
        found[f"instruments.{row.name}.turnover_usd"] = factor * row.turnover_usd
        if row.kind != "spot":
            found[f"instruments.{row.name}.open_interest_usd"] = factor * row.open_interest_usd
    return found


def came_to(settings: dict[str, Any], folder: Path) -> tuple[float, int]:
    """Turnover in contracts, million dollars, and people liquidated."""
    run = run_case(SMALL, settings, out=folder).folder
    with Tape(RunFolder.open(run)) as tape:
        traded = tape.value(
            "select sum(volume) / 1e12 from series join instruments using (instrument) where kind != 'spot'"
        )
        people = tape.value("select coalesce(sum(people), 0) from accounts where liquidated > 0")
    return float(traded), int(people)


def test_turnover_and_liquidations_go_by_the_size_of_the_venue(tmp_path: Path) -> None:
    """Three venues in the same fall of a fifth; the smallest has fewer people than the case has accounts."""
    found = {factor: came_to(scaled(factor), tmp_path) for factor in SIZES}
    traded = {factor: usd / factor for factor, (usd, _) in found.items()}
    people = {factor: count / factor for factor, (_, count) in found.items()}
    for factor in SIZES:
        assert traded[factor] == pytest.approx(traded[1.0], rel=0.35), traded
        assert people[factor] == pytest.approx(people[1.0], rel=0.6), people
    assert 300 < people[1.0] < 1_500  # of 2,429


@pytest.mark.parametrize("factor", SIZES)
def test_a_quiet_market_trades_about_its_ordinary_turnover(factor: float, tmp_path: Path) -> None:
    quiet = scaled(factor)
    for coin, price in (("BTC", "50_000"), ("DOGE", "0.2")):
        quiet[f"world.coin.{coin}.anchors"] = (
            f'[{{ time = 2025-01-01T12:00:00Z, price = {price}, source = "made up" }}]'
        )
    quiet["world.shapes.follower.falls"] = "[]"
    usd, people = came_to(quiet, tmp_path)
    ordinary = factor * 250.0 * 3 / MINUTES_A_DAY
    assert ordinary / 2.5 < usd < ordinary * 2.5
    assert people <= 0.01 * factor * 2_429
