"""Measures of gap, flow and lows against a plain reading of small tapes made by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from support.synthetic_run import NAMES, Sizes, make_synthetic_run
from undertow.errors import InputError
from undertow.lab.measures import measured, query_faults
from undertow.tape import RunFolder, Tape, TapeWriter
from undertow.tape.schema import TABLES
from undertow.venue.records import EVENT, FILL, EventKind, Origin

MICROS = 1_000_000
MINUTES = 6
# Last and outside price (ticks), turnover and what takers sold (dollars a second), by instrument and minute.
LAST = {"A-PERP": [100, 98, 90, 60, 80, 90], "B-PERP": [100, 99, 95, 80, 40, 60], "USDE": [100] * 6}
OUTSIDE = {"A-PERP": [100, 98, 95, 90, 92, 95], "B-PERP": [100, 100, 96, 90, 80, 85], "USDE": [100] * 6}
TURNOVER = {"A-PERP": [10, 40, 20, 4, 2, 2], "B-PERP": [10, 20, 60, 8, 4, 2], "USDE": [1] * 6}
SOLD = {"A-PERP": [6, 30, 13, 3, 1, 1], "B-PERP": [6, 15, 40, 5, 3, 1], "USDE": [0] * 6}


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Tape:
    """Six minutes, a sample a second: prices of a minute hold from its first to its last second."""
    run = RunFolder.create(
        tmp_path_factory.mktemp("runs") / "by-hand",
        {"start_utc": "2025-10-10T20:40:00Z", "step_seconds": 1, "settlement": {"decimals": 6}},
    )
    writer = TapeWriter(run)
    names = list(LAST)
    writer.instruments(
        {
            "instrument": [0, 1, 2],
            "name": names,
            "kind": ["linear", "linear", "spot"],
            "class": ["alt", "alt", "default"],
            "tick_usd": [0.01] * 3,
            "lot_coins": [1.0] * 3,
            "unit": [10_000] * 3,  # a tick on a lot is a cent
            "lots_per_coin": [1] * 3,
            "is_collateral": [False, False, True],
            "outside_start_ticks": [100] * 3,
            "maker_depth": [0] * 3,
        }
    )
    rows = []
    for second in range(1, 60 * MINUTES + 1):
        minute = (second - 1) // 60
        for place, name in enumerate(names):
            last, outside = LAST[name][minute], OUTSIDE[name][minute]
            volume, sold = (table[name][minute] * MICROS for table in (TURNOVER, SOLD))
            depth = (100 + second) * MICROS
            prices = (outside, outside, last, last, last - 1, last + 1)
            depths = (depth, 2 * depth, 3 * depth, 4 * depth)
            rows.append((second, second * 1000, place, *prices, *depths, volume, sold, 1000))
    writer.series(np.array(rows, np.int64))
    writer.table(
        "weather",
        {
            "step": range(1, 361),
            "time_ms": np.arange(1, 361) * 1000,
            "messages": [7] * 360,
            "failure": [0.0] * 180 + [0.5] * 180,
            "transfers": [1.0] * 360,
            "load": [1.0] * 360,
            "latency_s": [0.01] * 360,
        },
    )
    _force(writer)
    _close(writer)
    writer.finish()
    run.update(status="complete")
    return Tape(run)


def _force(writer: TapeWriter) -> None:
    """A long sold out of 30 lots, one taken over, a short bought in, and an asset that goes at 80 and 70."""
    fills, events = np.zeros(3, FILL), np.zeros(2, EVENT)
    fills["time"], fills["instrument"] = [100_000, 150_000, 200_000], [0, 0, 2]
    fills["price"], fills["size"], fills["side"] = [100, 100, 80], [30, 10, 50], [-1, 1, -1]
    fills["origin"] = [Origin.LIQUIDATION, Origin.LIQUIDATION, Origin.CONVERSION]
    events["time"], events["kind"], events["instrument"] = 250_000, EventKind.TAKEOVER, [1, 2]
    events["size"], events["price"], events["side"] = [40, 20], [100, 70], 1
    writer.fills(fills)
    writer.events(events)


def _close(writer: TapeWriter) -> None:
    """Winners closed for 20 lots at 100 and 80 at 90 ticks; two accounts end 5 and 7 dollars short."""
    events = np.zeros(4, EVENT)
    events["time"] = [280_000, 300_000, 300_000, 310_000]
    events["kind"] = [EventKind.ADL_CLOSE] * 2 + [EventKind.FUND_OUT, EventKind.BAD_DEBT]
    events["account"], events["instrument"] = [1, 1, 2, 3], [0, 0, -1, -1]
    events["size"], events["price"], events["side"] = [20, 80, 0, 0], [100, 90, 0, 0], [1, 1, 0, 0]
    events["amount"] = [0, 0, 5 * MICROS, 7 * MICROS]
    writer.events(events)
    columns = [name for name in TABLES["accounts"] if name not in ("account", "people")]
    rows = {"account": range(4), "people": [0, 4, 2, 3]}
    writer.accounts({**rows, **{name: [0] * 4 for name in columns}})


BOTH = ["A-PERP", "B-PERP"]
LOG = {name: np.log(np.array(LAST[name]) / np.array(OUTSIDE[name])) * 100 for name in BOTH}


@pytest.mark.parametrize(
    ("name", "arguments", "value"),
    [
        ("low_gap_percent", {"instruments": ["A-PERP"], "from": 180, "to": 240}, LOG["A-PERP"][3]),
        # From the third minute on each coin's lows are 60 against 90 and 40 against 80.
        (
            "low_gap_percent",
            {"instruments": BOTH, "from": 120},
            50 * (math.log(60 / 90) + math.log(40 / 80)),
        ),
        ("low_gap_percent", {"class": "alt", "to": 60}, 0.0),
        ("gap_opens", {"percent": 10, "instruments": ["A-PERP"]}, 180.0),
        ("gap_opens", {"percent": 5, "class": "alt"}, 180.0),
        ("gap_closes", {"percent": 15, "instruments": ["A-PERP"], "from": 180}, 240.0),
        ("worst_minute_excess_percent", {"instrument": "A-PERP"}, LOG["A-PERP"][3] - LOG["A-PERP"][2]),
        ("fallen_share_percent", {"depth_percent": 50, "class": "alt"}, 50.0),
        ("median_time_of_low", {"instruments": BOTH}, (181 + 241) / 2),
        ("low_lag_seconds", {"instrument": "A-PERP", "instruments": ["B-PERP"]}, 60.0),
        ("sold_before_percent", {"at": 180, "from": 60, "to": 300, "instruments": ["A-PERP"]}, 2600 / 28),
        (
            "fallen_after_percent",
            {"at": 180, "from": 60, "instruments": ["A-PERP"]},
            100 * (1 - math.log(90 / 98) / math.log(60 / 98)),
        ),
        ("turnover_before_low", {"instruments": ["A-PERP"], "span_s": 120}, (40 + 20) / (2 + 2)),
        ("turnover_lead_seconds", {"instruments": BOTH}, 120.0),
        ("mean_depth_usd", {"instrument": "A-PERP", "from": 1, "to": 3, "side": "ask", "band": 4}, 408.0),
        ("volume_usd", {"kind": "contracts", "to": 60}, 60 * 20.0),
        ("volume_usd", {"kind": "assets", "to": 60}, 60 * 1.0),
        ("volume_usd", {"to": 60}, 60 * 21.0),
        ("refused_percent", {"from": 171, "to": 190}, 25.0),
        ("long_liquidation_percent", {}, 100 * (30 + 40) / (30 + 40 + 10)),
        ("liquidated_before_percent", {"at": 160}, 50.0),
        ("forced_discount_usd", {"instruments": ["USDE"]}, (50 * 20 + 20 * 30) * 0.01),
        ("stage_reached", {"stage": "adl"}, 280.0),
        ("stage_reached", {"stage": "adl", "percent": 50}, 300.0),
        ("stage_delay_seconds", {"stage": "adl", "after": "takeover", "percent": 25}, 300.0 - 250.0),
        ("stage_within_percent", {"stage": "adl", "seconds": 10}, 100 * 20 * 100 / (20 * 100 + 80 * 90)),
        ("adl_mean_price", {"instrument": "A-PERP"}, (20 * 1.00 + 80 * 0.90) / 100),
        ("adl_people", {}, 4),
        ("shortfall_people", {}, 2 + 3),
        ("emptied_people", {"from": 255}, 2 + 3),
        ("shortfall_usd", {}, 12.0),
        ("shortfall_usd", {"from": 305}, 7.0),
    ],
)
def test_by_hand(tape: Tape, name: str, arguments: dict[str, object], value: float) -> None:
    assert measured(tape, name, arguments).value == pytest.approx(value, abs=1e-4)


def test_impact_is_what_prices_moved_over_what_was_sold_net(tape: Tape) -> None:
    moves = np.abs(np.diff(np.log(LAST["B-PERP"])))
    net = 2 * np.array(SOLD["B-PERP"]) - TURNOVER["B-PERP"]
    hot = moves[2:4].sum() / np.abs(net[3:5]).sum()
    calm = moves[:2].sum() / np.abs(net[1:3]).sum()
    arguments = {"base_from": 60, "base_to": 180, "from": 180, "to": 300, "instruments": ["B-PERP"]}
    assert measured(tape, "impact_rise", arguments).value == pytest.approx(hot / calm, rel=1e-4)


def test_windows_of_minutes_meet_without_sharing_a_sample(tape: Tape) -> None:
    """The sample at 20:43:00 tells of the second before, so it belongs to the minute that ends there."""
    whole = measured(tape, "gap_opens", {"percent": 10, "instruments": ["A-PERP"], "from": "20:43"}).value
    before = measured(tape, "low_gap_percent", {"instruments": ["A-PERP"], "from": "20:42", "to": "20:43"})
    assert whole == 180.0 and before.value == pytest.approx(LOG["A-PERP"][2])


@pytest.mark.parametrize("names", ["A-PERP", [], ["A-PERP", 7]])
def test_a_list_of_instruments_is_a_list_of_names(names: object) -> None:
    assert query_faults("low_gap_percent", {"instruments": names}) == [
        f"'instruments' must be a list of names such as ['BTC-PERP'], not {names!r}"
    ]


def test_every_name_of_a_list_must_be_listed(tape: Tape) -> None:
    with pytest.raises(InputError, match=r"no instrument 'C-PERP'; did you mean"):
        measured(tape, "low_gap_percent", {"instruments": ["A-PERP", "C-PERP"]})


def test_several_instruments_are_their_median(tmp_path: Path) -> None:
    with Tape(make_synthetic_run(tmp_path / "made-up", Sizes(accounts=100, fills=500))) as made_up:
        each = [measured(made_up, "low_gap_percent", {"instruments": [name]}).value for name in NAMES[:-1]]
        assert measured(made_up, "low_gap_percent").value == pytest.approx(np.median(np.array(each, float)))
