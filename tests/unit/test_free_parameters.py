"""Rows of [[calibration]]: what may be free, how many, and what is said where it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidy_rules import ROOT
from undertow.case.calibration import MOST_PARAMETERS, figure_of
from undertow.case.load import check_case, load_case
from undertow.errors import InputError

FITTED = (ROOT / "docs/how-to/small-crash.toml").read_text()
FITTED = FITTED.replace("query = { measure =", "calibrate = true\nquery = { measure =", 1)


def row(key: str = "crowd.makers.capital_usd", **changes: str) -> str:
    plain = {"low": "1e6", "high": "1e8", "identified_by": '["btc-low"]'}
    lines = [f"{name} = {value}" for name, value in {**plain, **changes}.items()]
    return "\n".join(["[[calibration]]", f'key = "{key}"', 'meaning = "m"', 'source = "made up"', *lines, ""])


def faults(tmp_path: Path, *rows: str, text: str = FITTED) -> list[str]:
    file = tmp_path / "fit.toml"
    file.write_text("\n".join([text, *rows]))
    return [fault.removeprefix(f"{file}: ") for fault in check_case(file)[1]]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (row("crowd.makers.capital_us"), "key: is 'crowd.makers.capital_us', which no case has"),
        (row("crowd.makers.active"), "key: is 'crowd.makers.active', which is no number; free a figure"),
        (row("crowd.makers"), "key: is 'crowd.makers', which is no number; free a figure"),
        (
            row("instruments.BTC-PERP.turnover_usd"),
            "key: is 'instruments.BTC-PERP.turnover_usd'; a free parameter is a figure of crowd. or weather.",
        ),
        (
            row("house.fund_usd"),
            "key: is 'house.fund_usd'; a free parameter is a figure of crowd. or weather.",
        ),
        (row(low="1e9"), "high: is 1E+8, not above low 1E+9; give a range"),
        (row(low="0", high="0.5"), "low: is 0, which has no logarithm"),
        (row(low="-1", scale='"linear"'), "low: is -1; must be a number of dollars above 0"),
        (row("crowd.makers.firms", low="2", high="100"), "high: is 100; must be a whole number from 1 to 64"),
        (row(scale='"logarithmic"'), "scale: is 'logarithmic'; must be 'log' or 'linear'"),
        (
            row(identified_by='["btc-lo"]'),
            "identified_by: names 'btc-lo', which [[facts]] does not have; did",
        ),
        (row(identified_by='["btc-low-time"]'), "identified_by: names 'btc-low-time', which is not marked"),
        (row(identified_by="[]"), "identified_by: is empty"),
        (
            row("crowd.patient.resting_bids.7.notional_usd"),
            "key: is 'crowd.patient.resting_bids.7.notional_usd'",
        ),
    ],
)
def test_a_wrong_row_is_named(wrong: str, said: str, tmp_path: Path) -> None:
    found = faults(tmp_path, wrong)
    assert any(fault.startswith(f"calibration.0.{said}") for fault in found), found


def test_rows_that_are_right(tmp_path: Path) -> None:
    assert faults(tmp_path, row()) == []
    assert faults(tmp_path, row("weather.capacity", low="6", high="30")) == []
    assert faults(tmp_path, row("crowd.patient.resting_bids.0.notional_usd")) == []


def test_a_figure_of_one_contract_is_never_free(tmp_path: Path) -> None:
    bid = 'instrument = "USDe", price_usd'
    assert bid in FITTED
    text = FITTED.replace(bid, 'instrument = "BTC-PERP", price_usd')
    found = faults(tmp_path, row("crowd.patient.resting_bids.0.notional_usd"), text=text)
    assert found == [
        "calibration.0.key: is 'crowd.patient.resting_bids.0.notional_usd', a figure of 'BTC-PERP' alone; "
        "a free parameter is the same for all coins"
    ]


def test_no_more_parameters_than_facts_and_never_more_than_twelve(tmp_path: Path) -> None:
    keys = ("trip_loss", "trip_move", "trip_gap", "refill_per_s", "skew_sigmas", "leverage", "depth_share")
    keys += ("width_sigmas", "size_elasticity", "knee", "refresh_s", "cool_off_s", "quote_life_s")
    rows = [row(f"crowd.makers.{key}", low="0.01", high="0.05") for key in keys]
    assert len(rows) == MOST_PARAMETERS + 1
    found = faults(tmp_path, *rows)
    assert found[0] == ("calibration: has 13 free parameters; free at most 12, with more a fit says nothing")
    assert faults(tmp_path, *rows[:2]) == [
        "calibration: has 2 free parameters, and facts marked calibrate: 1; "
        "free fewer parameters or mark more facts"
    ]
    assert faults(tmp_path, row(), row())[-1].endswith("again; give every parameter one row")


def test_figures_are_read_by_their_key() -> None:
    case = load_case(ROOT / "docs/how-to/small-crash.toml")
    assert figure_of(case, "crowd.makers.firms") == 3
    assert figure_of(case, "crowd.patient.resting_bids.0.price_usd") == 0.9
    for key in ("crowd.makers.firm", "crowd.makers", "crowd.patient.resting_bids.1.price_usd", "title"):
        with pytest.raises(InputError, match=key):
            figure_of(case, key)
