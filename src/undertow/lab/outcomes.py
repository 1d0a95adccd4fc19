"""The key outcomes of a run: the dozen numbers that a report opens with and two runs are compared by.

Holds the choice of numbers; how each is measured stands in `undertow.lab.measures`. `summary.json` keeps
them beside the tape, each with the query that gives it, and which code measured them: other code measures
them again from the tape.

Units: those of facts (`undertow.case.facts.UNITS`). Falls and gaps are negative.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from undertow.case.facts import UNITS
from undertow.errors import DataError
from undertow.lab.code import code_hash
from undertow.lab.measures import measured
from undertow.tape import RunFolder, Tape
from undertow.tape.query import DROPPED

SUMMARY_FILE = "summary.json"


@dataclass(frozen=True)
class Outcome:
    """One number of a run; `instrument` is empty for the whole venue, `value` None where nothing is known."""

    name: str
    label: str
    unit: str
    value: float | None
    instrument: str
    query: str


@dataclass(frozen=True)
class _Wanted:
    name: str
    label: str
    unit: str
    measure: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


_VENUE = (
    _Wanted(
        "effective_leverage", "Leverage through every layer, at the start", "times", "effective_leverage"
    ),
    _Wanted("shown_leverage", "Leverage that contracts show, at the start", "times", "shown_leverage"),
    _Wanted("hidden", "Exposure that contracts do not show, at the start", "USD", "hidden_usd"),
    _Wanted(
        "liquidated_traders",
        "Accounts of traders liquidated",
        "accounts",
        "liquidated_accounts",
        {"group": "trader"},
    ),
    _Wanted(
        "liquidated_people",
        "People whom these accounts stand for",
        "accounts",
        "liquidated_people",
        {"group": "trader"},
    ),
    _Wanted("liquidated_accounts", "Accounts liquidated, of every kind", "accounts", "liquidated_accounts"),
    _Wanted("liquidated_loss", "Lost by liquidated accounts", "USD", "liquidated_loss_usd"),
    _Wanted("orders", "Liquidation orders filled", "USD", "stage_notional_usd", {"stage": "orders"}),
    _Wanted("takeovers", "Taken over by the backstop", "USD", "stage_notional_usd", {"stage": "takeover"}),
    _Wanted("adl", "Closed by ADL", "USD", "stage_notional_usd", {"stage": "adl"}),
    _Wanted("adl_accounts", "Winners closed by ADL", "accounts", "adl_accounts"),
    _Wanted("adl_forgone", "Profit forgone by winners", "USD", "adl_forgone_usd"),
    _Wanted("fund_draw", "Deepest draw on the insurance fund", "USD", "fund_draw_usd"),
    _Wanted("fund_change", "Insurance fund, end less start", "USD", "fund_change_usd"),
    _Wanted("vault_result", "Result of the liquidator vault", "USD", "role_result_usd", {"role": "vault"}),
    _Wanted(
        "provider_result", "Result of backstop providers", "USD", "role_result_usd", {"role": "provider"}
    ),
    _Wanted("bad_debt", "Bad debt", "USD", "bad_debt_usd"),
    _Wanted("socialised", "Losses spread over customers", "USD", "socialised_usd"),
    _Wanted("negative_accounts", "Accounts left below zero", "accounts", "negative_accounts"),
    _Wanted("open_interest", "Open interest, end against start", "%", "open_interest_change_percent"),
    _Wanted("volume", "Turnover", "USD", "volume_usd"),
    _Wanted("withdrawals_closed", "Withdrawals closed", "min", "withdrawals_closed_seconds"),
)
_INSTRUMENT = (
    _Wanted("fall", "Deepest fall", "%", "low_fall_percent"),
    _Wanted("low_time", "Time of the low", "s", "time_of_low"),
    _Wanted("gap", "Deepest discount to the outside", "%", "worst_gap_percent"),
)


def outcomes(tape: Tape) -> list[Outcome]:
    """The key outcomes of a run: those of the venue, then each instrument's."""
    found = [_take(tape, wanted, "") for wanted in _VENUE]
    for (name,) in tape.rows("select name from instruments order by instrument"):
        found += [_take(tape, wanted, name) for wanted in _INSTRUMENT]
    return found


def write_summary(folder: RunFolder, found: list[Outcome]) -> None:
    """Write summary.json beside the tape."""
    folder.write_json(
        SUMMARY_FILE, {"code_hash": code_hash(), "outcomes": [asdict(outcome) for outcome in found]}
    )


def read_summary(folder: RunFolder) -> list[Outcome] | None:
    """The outcomes kept beside the tape, None when there are none or other code measured them.

    Raises DataError when the file is damaged.
    """
    if not (folder.path / SUMMARY_FILE).is_file():
        return None
    return _kept(folder) if folder.read_json(SUMMARY_FILE).get("code_hash") == code_hash() else None


def read_outcomes(folder: RunFolder) -> list[Outcome]:
    """The outcomes of a run: kept beside the tape, measured where other code kept them or nothing did.

    Where the tape was dropped, what was kept stands, whichever code measured it: nothing else can be had.
    Raises DataError when there is neither.
    """
    found = read_summary(folder)
    if found is None and folder.read().get("tape") == DROPPED:
        found = _kept(folder)
    if found is None:
        with Tape(folder) as tape:
            found = outcomes(tape)
    return found


def measured_elsewhere(folder: RunFolder) -> bool:
    """Whether a run's outcomes are those that other code measured, as its tape was dropped."""
    return folder.read().get("tape") == DROPPED and read_summary(folder) is None


def _kept(folder: RunFolder) -> list[Outcome] | None:
    """The outcomes that summary.json holds, None where there is none; DataError when it is damaged."""
    if not (folder.path / SUMMARY_FILE).is_file():
        return None
    try:
        return [Outcome(**outcome) for outcome in folder.read_json(SUMMARY_FILE)["outcomes"]]
    except (KeyError, TypeError):
        path = folder.path / SUMMARY_FILE
        raise DataError(f"{path}: outcomes: not as a run writes them; delete it to measure anew") from None


def _take(tape: Tape, wanted: _Wanted, instrument: str) -> Outcome:
    arguments = {**wanted.arguments, **({"instrument": instrument} if instrument else {})}
    taken = measured(tape, wanted.measure, arguments)
    value = None if taken.value is None else taken.value / UNITS[wanted.unit][1]
    return Outcome(wanted.name, wanted.label, wanted.unit, value, instrument, taken.query)
