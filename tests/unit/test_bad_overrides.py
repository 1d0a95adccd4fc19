"""Overrides that cannot be: the sentence names what was written and what was likely meant."""

from __future__ import annotations

from typing import Any

import pytest

from tidy_rules import ROOT
from undertow.case.load import load_case
from undertow.errors import CaseError

SMALL = ROOT / "docs/how-to/small-crash.toml"

OVERRIDES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "key with a slip": (
        {"crowd.makers.trip_los": "1"},
        ["crowd.makers.trip_los: is not a key here; did you mean 'trip_loss'?"],
    ),
    "table with a slip": (
        {"crowd.maker.trip_loss": "1"},
        ["crowd.maker: is not a key here; did you mean 'crowd.makers.trip_loss'?"],
    ),
    "key without its tables": (
        {"trip_loss": "1"},
        ["trip_loss: is not a key here; did you mean 'crowd.makers.trip_loss'?"],
    ),
    "key of a rulebook": (
        {"collateral.USDe.price.kind": "index"},
        ["collateral: is not a key here; did you mean 'rulebook.collateral.USDe.price.kind'?"],
    ),
    "key of a single value": (
        {"accounts.x": "5"},
        ["accounts.x: accounts is a single value; leave out 'x'"],
    ),
    "key with a hole": (
        {"crowd..trip_loss": "1"},
        ["crowd..trip_loss: has an empty part; write for example crowd.makers.trip_loss"],
    ),
    "row that is not there": (
        {"instruments.BTC-PREP.lot": "1"},
        ["instruments.BTC-PREP.lot: there is no row 'BTC-PREP'; did you mean 'BTC-PERP'?"],
    ),
    "number of a row that is not there": (
        {"weather.incidents.1.failing": "1"},
        ["weather.incidents.1.failing: there is no row '1'; rows are numbered from 0 to 0"],
    ),
    "row without a key": (
        {"instruments.BTC-PERP": "1"},
        ["instruments.BTC-PERP: names a whole row; name a key of it, as in instruments.BTC-PERP.tick_usd"],
    ),
    "row of a list that the file leaves out": (
        {"crowd.population.leverage_limits.1": "5"},
        [
            "crowd.population.leverage_limits.1: crowd.population.leverage_limits is not in the file, "
            "so it has no rows; give the whole list"
        ],
    ),
    "key of a row": (
        {"instruments.BTC-PERP.lott": "1"},
        ["instruments.BTC-PERP.lott: is not a key here; did you mean 'lot'?"],
    ),
    "word for a number": (
        {"accounts": "many"},
        ["accounts: is 'many'; must be a whole number from 100 to 50000000"],
    ),
    "list that does not close": (
        {"crowd.traders.top_up_size": "[0.3"},
        ["crowd.traders.top_up_size: is '[0.3'; must be a list of 2 numbers"],
    ),
    "value inside a list": (
        {"crowd.patient.resting_bids": '[{ instrument = "BTC", price_usd = 1, notional_usd = 1 }]'},
        [
            "crowd.patient.resting_bids.0.instrument: is 'BTC', which [[instruments]] does not have; "
            "known: BTC-PERP, DOGE-PERP, USDe"
        ],
    ),
    "rule with a slip": (
        {"rulebook.mark.basis_windw_seconds": "60"},
        [
            "rulebook.mark.basis_windw_seconds: 'basis_windw_seconds' is not a key here; "
            "did you mean 'basis_window_seconds'?"
        ],
    ),
    "rule out of range": (
        {"rulebook.fees.taker_ppm": "0.5"},
        [
            "rulebook.fees.taker_ppm: is 0.5; must be a whole number of parts per million "
            "from -1000000 to 1000000"
        ],
    ),
    "mechanism without its figures": (
        {"rulebook.mark.method": "oracle-ema-median"},
        [
            "rulebook.mark.ema_seconds: is missing; method 'oracle-ema-median' needs it",
            "rulebook.mark.short_ema_seconds: is missing; method 'oracle-ema-median' needs it",
        ],
    ),
    "choice that there is not": (
        {"rulebook.allocation.trigger": "never"},
        ["rulebook.allocation.trigger: is 'never'; must be 'fund-exhausted' or 'negative-equity'"],
    ),
    "rulebook that is no preset": (
        {"rulebook": "ftx-2023"},
        ["rulebook: is 'ftx-2023', which is no preset; did you mean 'ftx-2022'?"],
    ),
    "rulebook that is no file": (
        {"rulebook": "nowhere.toml"},
        [
            "rulebook: is 'nowhere.toml', but there is no file nowhere.toml; "
            "a path in a case file starts at that file"
        ],
    ),
    "second venue": (
        {"beside.crowd.makers.trip_los": "1", "beside.rulebook_overrides.backstop.capital": "1"},
        [
            "beside.rulebook_overrides.backstop.capital: 'capital' is not a key here; "
            "did you mean 'capital_usd'?",
            "beside.crowd.makers.trip_los: is not a key here; did you mean 'trip_loss'?",
        ],
    ),
    "value in place of a table": (
        {"crowd": 1, "crowd.makers": "x", "house": True},
        [
            "crowd: is 1; must be a table, so name a key of it",
            "crowd.makers: is 'x'; must be a table, so name a key of it",
            "house: is true; must be a table, so name a key of it",
        ],
    ),
    "word of absurd length": (
        {"instruments.BTC-PERP.kind": "x" * 5000},
        [f"instruments.BTC-PERP.kind: is '{'x' * 60}...'; must be 'linear', 'inverse' or 'spot'"],
    ),
    "several at once": (
        {"crowd.makers.trip_los": "1", "accounts.x": "5", "rulebook.mark.update_seconds": "-3"},
        [
            "accounts.x: accounts is a single value; leave out 'x'",
            "rulebook.mark.update_seconds: is -3; must be a whole number of seconds from 0 to 31536000",
            "crowd.makers.trip_los: is not a key here; did you mean 'trip_loss'?",
        ],
    ),
}


@pytest.mark.parametrize("name", OVERRIDES)
def test_bad_override(name: str) -> None:
    overrides, messages = OVERRIDES[name]
    with pytest.raises(CaseError) as error:
        load_case(SMALL, overrides)
    assert str(error.value).splitlines() == [f"override: {message}" for message in messages]


def test_an_override_may_break_what_stands_in_the_file() -> None:
    with pytest.raises(CaseError) as error:
        load_case(SMALL, {"world.coin.BTC.coin": "XBT"})
    assert str(error.value).splitlines() == [
        f"{SMALL}: world.coin.1.shape: follows 'BTC' by its shape 'follower', which [[world.coin]] does not "
        "have; did you mean 'XBT'?",
        f"{SMALL}: instruments.0.coin: is 'BTC', which [[world.coin]] does not have; did you mean 'XBT'?",
        f"{SMALL}: beside.instruments.0.coin: is 'BTC', which [[world.coin]] does not have; "
        "did you mean 'XBT'?",
    ]
