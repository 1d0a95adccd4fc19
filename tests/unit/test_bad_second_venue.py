"""Broken tables of a second venue: the same sentences as for the first, at their own places."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidy_rules import ROOT
from undertow.case.load import check_case
from undertow.lab.score import check_facts

GOOD, _, BESIDE = (ROOT / "docs/how-to/small-crash.toml").read_text().partition("[beside]")


def beside(*changes: tuple[str, str]) -> str:
    """The whole file, changed in its second venue."""
    text = BESIDE
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return f"{GOOD}[beside]{text}"


FILES: dict[str, tuple[str, list[str]]] = {
    "unknown keys": (
        beside(
            ("fund_usd", "fund_us"), ("makers.capital_usd", "maker.capital_usd"), ("first_usd", "firs_usd")
        ),
        [
            "beside.house.fund_usd: is missing; give a number of dollars, 0 or more",
            "beside.house.fund_us: is not a key here; did you mean 'fund_usd'?",
            "beside.crowd.maker: is not a key here; did you mean 'makers'?",
            "beside.between.firs_usd: is not a key here; did you mean 'first_usd'?",
        ],
    ),
    "figures out of range": (
        beside(("capital_usd = 1e6", "capital_usd = -1"), ("accounts_share = 0.5", "accounts_share = 0")),
        [
            "beside.accounts_share: is 0; must be a number above 0",
            "beside.crowd.makers.capital_usd: is -1; must be a number of dollars above 0",
        ],
    ),
    "against its rulebook": (
        beside(
            ('margin_class = "BTC"', 'margin_class = "BTCS"'),
            ("accounts_share", 'crowd.arbitrage.profile = "portfolio"\naccounts_share'),
            ("accounts_share", "rulebook_overrides.backstop.capital = 1\naccounts_share"),
        ),
        [
            "beside.rulebook_overrides.backstop.capital: 'capital' is not a key here; "
            "did you mean 'capital_usd'?",
            "beside.instruments.0.margin_class: is 'BTCS', which rulebook 'hyperliquid-2025' does not have; "
            "did you mean 'BTC'?",
            "beside.crowd.arbitrage.profile: is 'portfolio', "
            "which rulebook 'hyperliquid-2025' does not have; known: single, isolated",
        ],
    ),
    "no such rulebook, coin, instrument, measure": (
        beside(
            ('rulebook = "hyperliquid-2025"', 'rulebook = "hyperliquid"'),
            ('coin = "BTC"', 'coin = "BTV"'),
            ('instrument = "BTC-PERP"', 'instrument = "ETH-PERP"'),
            ('"low_price"', '"low_prices"'),
        ),
        [
            "beside.rulebook: is 'hyperliquid', which is no preset; did you mean 'hyperliquid-2025'?",
            "beside.instruments.0.coin: is 'BTV', which [[world.coin]] does not have; did you mean 'BTC'?",
            "beside.facts.0.query.instrument: is 'ETH-PERP', which [[instruments]] does not have; "
            "did you mean 'BTC-PERP'?",
            "beside.facts.0 (beside-btc-low): query: no measure is called 'low_prices'; "
            "did you mean 'low_price'?",
        ],
    ),
    "an asset it does not list": (
        beside(("crowd.patient.resting_bids = []\n", "")),
        [
            "beside.crowd.patient.resting_bids.0.instrument: is 'USDe', which [[instruments]] does not have; "
            "known: BTC-PERP"
        ],
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_bad_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    text, messages = FILES[name]
    path.write_text(text)
    assert check_case(path, check_facts)[1] == [f"{path}: {message}" for message in messages]


def test_the_good_file_is_good() -> None:
    case, faults = check_case(ROOT / "docs/how-to/small-crash.toml", check_facts)
    assert faults == []
    assert case is not None and case.beside is not None


def test_one_fault_is_said_once_however_many_mechanisms_there_are(tmp_path: Path) -> None:
    text = (ROOT / "src/undertow/case/library/oct-2025.toml").read_text()
    broken = text.replace("depth_share = 0.005\n", 'depth_share = "0.005"\n', 1)
    (tmp_path / "broken.toml").write_text(broken)
    faults = check_case(tmp_path / "broken.toml")[1]
    assert broken != text and len(faults) == 1
    assert faults[0].endswith("crowd.makers.depth_share: is '0.005'; must be a number above 0")
