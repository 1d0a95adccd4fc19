"""Facts and measures: tolerances by hand, times in every spelling, no failed fact ever hidden."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from support.synthetic_run import NAMES, TICKS, Sizes, make_synthetic_run
from tidy_rules import ROOT
from undertow.case.facts import Fact
from undertow.case.load import load_case
from undertow.errors import CaseError, InputError
from undertow.lab.measures import measure_names, measured, query_faults
from undertow.lab.measures.registry import measurement, seconds_into
from undertow.lab.score import (
    Score,
    bounded,
    check_facts,
    in_words,
    not_owed,
    read_score,
    score_run,
    write_score,
)
from undertow.tape import Tape

SMALL = ROOT / "docs/how-to/small-crash.toml"
START = datetime(2025, 10, 10, 20, 40, tzinfo=UTC)


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Tape:
    return Tape(
        make_synthetic_run(tmp_path_factory.mktemp("runs") / "made-up", Sizes(accounts=400, fills=2000))
    )


def fact(**changes: Any) -> Fact:
    plain = {
        "id": "btc-low",
        "definition": "fall of the last price",
        "value": -12.0,
        "unit": "%",
        "tolerance": {"kind": "abs", "amount": 2},
        "source": "made up",
        "query": {"measure": "low_fall_percent", "instrument": "BTC-PERP"},
    }
    return Fact.model_validate({**plain, **changes})


@pytest.mark.parametrize(
    ("kind", "amount", "published", "simulated", "distance"),
    [
        ("abs", 2.0, -12.0, -15.0, 1.5),
        ("rel", 0.1, -12.0, -12.6, 0.5),
        ("rel", 0.25, 188e6, 235e6, 1.0),
        ("log", math.log(2), 100.0, 25.0, 2.0),
        ("log", math.log(2), 100.0, 200.0, 1.0),
        ("log", 0.5, -3.0, -3.0, 0.0),
    ],
)
def test_distance_by_hand(
    kind: str, amount: float, published: float, simulated: float, distance: float
) -> None:
    tolerance = fact(tolerance={"kind": kind, "amount": amount}).tolerance
    assert tolerance.distance(published, simulated) == pytest.approx(distance)


def test_a_logarithm_needs_one_sign() -> None:
    tolerance = fact(tolerance={"kind": "log", "amount": 0.5}).tolerance
    assert tolerance.distance(100.0, 0.0) == math.inf
    assert tolerance.distance(100.0, -3.0) == math.inf


def test_one_sided_facts_pass_on_their_side() -> None:
    assert fact(side="at-most").distance(-12.0, -40.0) == 0.0
    assert fact(side="at-least").distance(-12.0, -40.0) == 14.0
    assert fact().distance(-12.0, -40.0) == 14.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unit": "percent"}, "unknown unit 'percent'; one of %, ratio"),
        ({"value": "2025-10-10T21:20:00Z"}, "unit 'timestamp' is a UTC time"),
        ({"unit": "timestamp"}, "unit 'timestamp' is a UTC time"),
        ({"value": 0, "tolerance": {"kind": "rel", "amount": 0.1}}, "means nothing around zero; use 'abs'"),
        ({"value": float("nan")}, "finite"),
        ({"tolerance": {"kind": "abs", "amount": 0}}, "greater than 0"),
        ({"source": ""}, "at least 1 character"),
        ({"calibrated": True}, "Extra inputs are not permitted"),
    ],
)
def test_wrong_facts_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        fact(**changes)


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        ("20:40", 0),
        ("21:20", 2400),
        ("21:20:30", 2430),
        ("00:10", 12_600),  # the next day
        (90, 90),
        (1.5, 1.5),
        ("2025-10-10T21:20:00Z", 2400),
        (datetime(2025, 10, 10, 21, 20, tzinfo=UTC), 2400),
    ],
)
def test_times(tape: Tape, moment: Any, seconds: float) -> None:
    assert seconds_into(tape, moment) == seconds


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("low_fal_percent", {}, "no measure is called 'low_fal_percent'; did you mean 'low_fall_percent'?"),
        ("low_price", {}, "measure 'low_price' needs the argument 'instrument'"),
        (
            "low_price",
            {"instrument": "X", "since": 3},
            "measure 'low_price' has no argument 'since'; it takes instrument, from, to, field",
        ),
        (
            "low_price",
            {"instrument": "X", "from": "25:00"},
            "'from' must be a time such as '21:20' or seconds since the start, not '25:00'",
        ),
        (
            "low_price",
            {"instrument": "X"},
            "measure 'low_price' gives a usd, the fact's unit is for a percent",
        ),
    ],
)
def test_queries_are_checked_before_anything_runs(name: str, arguments: dict[str, Any], message: str) -> None:
    assert query_faults(
        name, arguments, "percent" if name == "low_price" and len(arguments) == 1 else None
    ) == [message]


def test_measures_agree_with_a_plain_reading(tape: Tape) -> None:
    """The fall, its time and the gap of one coin, recomputed from the columns."""
    rows = tape.fetch(
        "select time_ms, last_ticks, outside_ticks from series where instrument = 3 order by time_ms"
    )
    inside = rows["time_ms"] >= 600_000
    last, outside = rows["last_ticks"][inside], rows["outside_ticks"][inside]
    arguments = {"instrument": NAMES[3], "from": "20:50"}
    assert measured(tape, "low_fall_percent", arguments).value == pytest.approx(
        100 * (last.min() / last[0] - 1)
    )
    assert measured(tape, "time_of_low", arguments).value == rows["time_ms"][inside][last.argmin()] / 1000
    assert measured(tape, "worst_gap_percent", arguments).value == pytest.approx(
        100 * np.min(last / outside - 1)
    )
    assert measured(tape, "low_price", arguments).value == pytest.approx(last.min() * 2.45 / TICKS)


def test_trades_show_a_low_between_two_records(tape: Tape) -> None:
    """The fills know every price; the series only what stood at each record."""
    price, when = tape.rows(
        "select price, time_ms from fills where instrument = 0 order by price, time_ms limit 1"
    )[0]
    arguments = {"instrument": NAMES[0], "field": "trade"}
    assert measured(tape, "low_price", arguments).value == pytest.approx(price * 116_800.0 / TICKS)
    assert measured(tape, "time_of_low", arguments).value == when / 1000


def test_impact_is_the_fall_for_each_million_sold(tape: Tape) -> None:
    rows = tape.fetch(
        "select last_ticks, volume, sell_volume from series where instrument = 3 "
        "and time_ms between 2400000 and 2500000 order by time_ms"
    )
    sold = (2 * rows["sell_volume"] - rows["volume"]).sum() / 1e12
    fall = -100 * (rows["last_ticks"][-1] / rows["last_ticks"][0] - 1)
    found = measured(tape, "impact_percent_per_million", {"instrument": NAMES[3], "from": 2400, "to": 2500})
    assert found.value == pytest.approx(fall / sold)


def test_every_measure_answers_with_its_query(tape: Tape) -> None:
    words = {
        "instrument": NAMES[1],
        "at": 2400,
        "stage": "adl",
        "role": "fund",
        "price_usd": 4000,
        "share": 0.5,
        "percent": 1,
        "after": "takeover",
        "seconds": 60,
        "depth_percent": 50,
        "base_start": 600,
        "base_end": 1200,
    }
    other = {"forced_discount_usd": {"instruments": [NAMES[-1]]}, "impact_rise": {"start": 2000, "end": 2600}}
    for name in measure_names():
        given = {key: words[key] for key in measurement(name).defaults if key in words}
        taken = measured(tape, name, given | other.get(name, {}))
        assert taken.query.lstrip().startswith(("select", "with")), name
        assert taken.value is not None, name
        assert tape.value(taken.query) == pytest.approx(taken.value), name


def test_unknown_instrument_is_named_with_a_hint(tape: Tape) -> None:
    with pytest.raises(InputError, match=r"no instrument 'BTC-PREP'; did you mean 'BTC-PERP'\?"):
        measured(tape, "low_price", {"instrument": "BTC-PREP"})


def test_what_a_run_did_not_live_to_see_is_not_measured(tape: Tape) -> None:
    """The last price of a run is not the price of a later moment."""
    end_s = tape.record["steps_done"] * tape.record["step_seconds"]
    arguments = {"instrument": "BTC-PERP", "at": end_s}
    assert measured(tape, "price_at", arguments).value is not None
    with pytest.raises(InputError, match=r"the run ends at 2\d:\d\d:\d\d UTC, before at = 2\d:\d\d:\d\d"):
        measured(tape, "price_at", {**arguments, "at": end_s + 1})


def test_facts_of_the_whole_run_are_not_scored_on_a_part_of_it(tmp_path: Path) -> None:
    sizes = Sizes(accounts=400, fills=2000, status="partial")
    part = Tape(make_synthetic_run(tmp_path / "part", sizes))
    query = {"measure": "low_fall_percent", "instrument": "BTC-PERP"}
    early = fact(id="early", query={**query, "to": 60})
    share = fact(id="share", query={"measure": "liquidated_before_percent", "at": 60})
    rows = score_run([fact(), early, share], part).rows
    assert rows[0].problem == "the run was cut short, and this looks at all of it"
    assert not rows[0].passed and rows[1].problem == "" and rows[1].simulated is not None
    assert rows[2].problem == rows[0].problem  # it divides by what came until the end


def test_failed_and_unmeasurable_facts_stay_in_the_score(tape: Tape, tmp_path: Path) -> None:
    low = measured(tape, "low_fall_percent", {"instrument": "BTC-PERP"}).value
    facts = [
        fact(id="met", value=low, calibrate=True),
        fact(id="missed", value=low - 7.0, tolerance={"kind": "abs", "amount": 3.5}),
        fact(id="elsewhere", query={"measure": "low_fall_percent", "instrument": "PEPE-PERP"}),
        fact(
            id="never", value="2025-10-10T21:00:00Z", unit="timestamp",
            query={"measure": "time_below", "instrument": "BTC-PERP", "price_usd": 1},
        ),
    ]  # fmt: skip
    score = score_run(facts, tape)
    assert [row.id for row in score.rows] == ["met", "missed", "elsewhere", "never"]
    assert [row.passed for row in score.rows] == [True, False, False, False]
    assert score.rows[1].distance == pytest.approx(2.0)
    assert score.rows[2].problem.startswith("this run has no instrument 'PEPE-PERP'")
    assert score.rows[3].problem == "the tape has no such value"
    assert (score.count(calibrated=True), score.count(calibrated=False)) == ((1, 1), (0, 3))
    assert not score.passed
    write_score(tape.folder, score)
    assert read_score(tape.folder) == score
    assert Score.from_json(score.as_json()) == score


def test_faults_of_queries_come_all_at_once(tape: Tape) -> None:
    facts = [fact(query="nonsense"), fact(unit="USD"), fact(id="third", query={"measure": "low_price"})]
    assert len(check_facts(facts)) == 5
    with pytest.raises(CaseError) as caught:
        score_run(facts, tape)
    assert str(caught.value).splitlines()[1:3] == [
        "facts.1 (btc-low): id: used twice; give each fact its own",
        "facts.1 (btc-low): query: measure 'low_fall_percent' gives a percent, the fact's unit is for a usd",
    ]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (-12.34567, "%", "−12.346 %"),
        (101389.7, "USD", "101,390 USD"),
        (1.234e9, "USD", "1.234 billion USD"),
        (-4.5e7, "USD", "−45 million USD"),
        (1188.0, "s", "1,188 s"),
        (2400.0, "timestamp", "21:20:00 UTC"),
        (0.000_1, "ratio", "1.000e−04 ratio"),
        (0.0, "USD", "0 USD"),
    ],
)
def test_numbers_in_words(value: float, unit: str, text: str) -> None:
    assert in_words(value, unit, START) == text


def test_another_rulebook_owes_no_fact() -> None:
    """The facts are those of the venue that the case was written for, whoever names the other rulebook."""
    own = load_case(SMALL)
    assert not_owed(own, "binance-2025") == ""
    assert "tell of a venue under binance-2025, and a run under ftx-2022 owes" in not_owed(own, "ftx-2022")
    other = load_case(SMALL, {"rulebook": "ftx-2022"})
    assert "owes none of them" in not_owed(other, "ftx-2022")
    changed = load_case(SMALL, {"rulebook.mark.basis_window_seconds": 3})
    assert not_owed(changed, "binance-2025") == ""
    assert not_owed(other.model_copy(update={"facts": ()}), "ftx-2022") == ""


@pytest.mark.parametrize(
    ("side", "text"), [("both", "4 %"), ("at-least", "at least 4 %"), ("at-most", "at most 4 %")]
)
def test_a_bound_is_said(side: str, text: str) -> None:
    assert bounded("4 %", side) == text
