"""Facts over draws and the loss, by hand."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from undertow.case.facts import Fact
from undertow.lab.difference import differences
from undertow.lab.score import FactRow, Score
from undertow.lab.spread import WORST, Spread, loss_of, spread_of
from undertow.views.draw_tables import spread_table

START = datetime(2025, 10, 10, 20, 40, tzinfo=UTC)


def fact(name: str = "fall", **changes: Any) -> Fact:
    plain = {
        "id": name,
        "definition": "a fall",
        "value": -10.0,
        "unit": "%",
        "tolerance": {"kind": "abs", "amount": 2},
        "source": "made up",
        "query": {"measure": "low_fall_percent", "instrument": "BTC-PERP"},
    }
    return Fact.model_validate({**plain, **changes})


def score(*values: float | None) -> Score:
    """A score of which only the values matter."""
    blank: dict[str, Any] = {name: "" for name in FactRow.__dataclass_fields__}
    rows = [
        FactRow(**{**blank, "simulated": value, "problem": "no such value" if value is None else ""})
        for value in values
    ]
    return Score(tuple(rows))


def over(single: Fact, *values: float | None) -> Spread:
    return spread_of([single], [score(value) for value in values], START)


def test_a_mean_of_plain_numbers() -> None:
    (row,) = over(fact(), -9.0, -13.0).rows
    assert (row.centre, row.distance, row.deviation) == (-11.0, 0.5, 1.0)
    assert (row.passed, row.share_passed, row.problem) == (True, 0.5, "")
    assert (row.least_text, row.largest_text) == ("−13 %", "−9 %")


def test_dollars_and_shares_are_averaged_as_logarithms() -> None:
    tolerance = {"kind": "log", "amount": math.log(2)}
    (row,) = over(fact(value=100.0, unit="USD", tolerance=tolerance), 50.0, 800.0).rows
    assert row.centre == pytest.approx(200.0)
    assert row.distance == pytest.approx(1.0)
    assert row.deviation == pytest.approx(2.0)
    (row,) = over(fact(value=-10.0, tolerance={"kind": "rel", "amount": 0.5}), -5.0, -20.0).rows
    assert row.centre == pytest.approx(-10.0)
    assert row.deviation == pytest.approx(2 * math.log(2))


def test_a_draw_without_a_value_gives_a_median_that_never_passes() -> None:
    (row,) = over(fact(), -10.0, None, -12.0, -10.5).rows
    assert row.centre == -10.5
    assert not row.passed
    assert row.problem == "1 of 4 draws have no value: no such value"
    assert row.distances == (0.0, None, 1.0, 0.25)
    (row,) = over(fact(), None, None).rows
    assert (row.centre, row.distance, row.deviation, row.passed) == (None, None, None, False)


def test_a_run_that_gave_no_score_fails_every_fact() -> None:
    found = spread_of([fact(), fact("second")], [score(-10.0, -10.0), None], START)
    assert [row.problem for row in found.rows] == ["1 of 2 draws have no value: the run was not scored"] * 2


def test_a_value_across_zero_has_no_logarithm() -> None:
    (row,) = over(fact(tolerance={"kind": "log", "amount": 0.5}), -10.0, 3.0).rows
    assert not row.passed
    assert row.problem.startswith("1 of 2 draws have no value: is on the other side of zero")


def test_the_loss_weighs_blocks_alike_caps_a_fact_and_adds_half_the_spread() -> None:
    facts = [fact("a"), fact("b"), fact("c")]
    scores = [score(-10.0, -12.0, -14.0), score(-10.0, -30.0, None)]
    rows = spread_of(facts, scores, START).rows
    blocks = dict(zip("abc", ("first", "first", "second"), strict=True))
    found = loss_of([_in_block(row, blocks[row.id]) for row in rows])
    assert found.draws == ((0.0 + 1.0) / 4 + 4.0 / 2, (0.0 + WORST) / 4 + WORST / 2)
    assert found.blocks == {"first": (0.5 + 4.5) / 2, "second": (4.0 + 9.0) / 2}
    mean = sum(found.draws) / 2
    half_range = (found.draws[1] - found.draws[0]) / 2
    assert (found.mean, found.deviation) == (mean, pytest.approx(half_range))
    assert found.total == pytest.approx(mean + 0.5 * half_range)


def test_calibrated_facts_are_apart() -> None:
    facts = [fact("a", calibrate=True), fact("b")]
    found = spread_of(facts, [score(-10.0, -20.0)], START)
    assert (found.count(True), found.count(False)) == ((1, 1), (0, 1))
    fitted, predicted = found.loss(True), found.loss(False)
    assert fitted is not None and predicted is not None
    assert (fitted.total, predicted.total) == (0.0, WORST)
    assert Spread((), 2).loss() is None


def test_no_facts_make_no_loss() -> None:
    with pytest.raises(ValueError, match="no facts"):
        loss_of([])


def test_a_difference_is_in_tolerances_and_against_the_spread() -> None:
    (row,) = differences([fact()], over(fact(), -9.0, -11.0), over(fact(), -12.0, -14.0))
    assert (row.difference, row.spread, row.beyond) == (-1.5, 0.5, True)
    assert (row.first_passed, row.second_passed) == (True, False)
    ratio = fact(tolerance={"kind": "log", "amount": math.log(2)})
    (row,) = differences([ratio], over(ratio, -5.0, -20.0), over(ratio, -20.0, -20.0))
    assert row.difference == pytest.approx(1.0)
    assert not row.beyond  # the draws lie a factor of two to either side


def test_one_draw_has_no_spread_and_no_value_no_difference() -> None:
    (row,) = differences([fact()], over(fact(), -9.0), over(fact(), -14.0))
    assert (row.difference, row.spread, row.beyond) == (-2.5, None, False)
    (row,) = differences([fact()], over(fact(), -9.0), over(fact(), None))
    assert (row.difference, row.beyond) == (None, True)


def _in_block(row: Any, block: str) -> Any:
    return type(row)(**{**row.__dict__, "block": block})


def test_a_table_of_draws_keeps_units_and_names_whole() -> None:
    """Where no terminal sets the width, every fact is one line."""
    dollars = {"unit": "million USD", "value": 283.0, "tolerance": {"kind": "rel", "amount": 0.5}}
    facts = [fact("beside-shortfall-people-of-all", **dollars), fact("compensation", **dollars)]
    draws = [score(4.10561, 0.0541244), score(311.4302, 140.1255)]
    written = StringIO()
    console = Console(file=written, width=120)
    spread_table(console, spread_of(facts, draws, START))
    lines = written.getvalue().splitlines()
    (first,) = [line for line in lines if line.startswith("beside-shortfall-people-of-all ")]
    (second,) = [line for line in lines if line.startswith("compensation ")]
    for line, least, largest in (
        (first, "4.1056 million USD", "311.43 million USD"),
        (second, "0.054124 million USD", "140.13 million USD"),
    ):
        assert line.index("283 million USD") < line.index(least) < line.index(largest)
