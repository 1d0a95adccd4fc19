"""The mark price: worked numbers of each formula, with their source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from undertow.venue import marks
from undertow.venue.fixed_point import decay_ppb

MAXIMUM = 1_000_000_000


@pytest.fixture
def vectors(shared: Path) -> dict[str, dict[str, Any]]:
    """The published and recomputed examples, by id."""
    listed = json.loads((shared / "spec" / "mechanism_vectors.json").read_text())
    return {vector["id"]: vector for vector in listed}


def rules_of(**rule: int) -> Any:
    """One MARK_RULE row."""
    rules = np.zeros(1, marks.MARK_RULE)
    rules["period_seconds"] = 28_800
    rules["window_seconds"] = 30
    for name, value in rule.items():
        rules[name] = value
    return rules


def inputs_of(**given: int) -> marks.MarkInputs:
    """One row of inputs; what is not given is 0, the book's ceiling aside."""
    values = dict.fromkeys(marks.MarkInputs._fields, 0) | {"maximum_ticks": MAXIMUM} | given
    return marks.MarkInputs(**{name: np.array([value], np.int64) for name, value in values.items()})


def mark_of(state: marks.MarkState, rules: Any, now: int = 0, **given: int) -> int:
    """The mark after one update."""
    marks.update_marks(rules, inputs_of(**given), state, now)
    return int(state.mark_ticks[0])


def test_median_of_bid_ask_and_last(vectors: dict[str, dict[str, Any]]) -> None:
    """ftx-mark: 19990 / 20010 / 20050 gives 20010 (help 360027659172, 360027668712)."""
    vector = vectors["ftx-mark"]
    given = {f"{name}_ticks": value for name, value in vector["inputs"].items()}
    rules = rules_of(method=marks.MEDIAN_BID_ASK_LAST)
    assert mark_of(marks.allocate_marks(1, 1), rules, **given) == vector["expected"]["mark"]


@pytest.mark.parametrize(
    ("bid", "ask", "last", "expected"),
    [
        (99, 0, 97, 99),  # no ask: it is infinitely high, so the last price is held at the bid
        (99, MAXIMUM, 103, 103),
        (0, 105, 110, 105),
        (0, 105, 103, 103),
        (0, 0, 103, 103),  # empty book: the last price
        (98, 105, 0, 102),  # never traded: the middle, half to even
        (98, 0, 0, 98),
        (0, 105, 0, 105),
        (0, 0, 0, 100),  # nothing known: the index
    ],
)
def test_empty_sides_are_infinitely_far_away(bid: int, ask: int, last: int, expected: int) -> None:
    rules = rules_of(method=marks.MEDIAN_BID_ASK_LAST)
    state = marks.allocate_marks(1, 1)
    assert mark_of(state, rules, bid_ticks=bid, ask_ticks=ask, last_ticks=last, index_ticks=100) == expected


def test_paused_mark_is_the_index_with_the_last_premium(vectors: dict[str, dict[str, Any]]) -> None:
    """ftx-mark-paused: 19000 with -45 gives 18955, whatever the book says (help 360027659172)."""
    vector = vectors["ftx-mark-paused"]
    rules = rules_of(method=marks.MEDIAN_BID_ASK_LAST)
    state = marks.allocate_marks(1, 1)
    premium = vector["inputs"]["last_premium"]
    assert mark_of(state, rules, last_ticks=20_000 + premium, index_ticks=20_000) == 20_000 + premium
    paused = mark_of(state, rules, 1, last_ticks=1, index_ticks=vector["inputs"]["index"], paused=1)
    assert paused == vector["expected"]["mark"]


def test_median_of_funding_basis_average_basis_and_last(vectors: dict[str, dict[str, Any]]) -> None:
    """bin-mark: 100005 / 99980 / 99950 gives 99980 (FAQ 360033525071, notice of 16 Sep 2025)."""
    vector = vectors["bin-mark"]
    given = vector["inputs"]
    rate_ppb = round(given["last_funding"] * 1e9)
    basis = marks.basis_ticks(given["index"], rate_ppb, given["hours_to_funding"] * 3_600, 28_800)
    assert basis == vector["expected"]["price1"]
    rules = rules_of(method=marks.MEDIAN_OF_THREE)
    state = marks.allocate_marks(1, 30)
    middle = given["index"] + given["ma_basis_30s"]
    for second in range(40):
        mark = mark_of(
            state,
            rules,
            second,
            bid_ticks=middle - 5,
            ask_ticks=middle + 5,
            last_ticks=given["contract_price"],
            index_ticks=given["index"],
            rate_ppb=rate_ppb,
            seconds_to_funding=given["hours_to_funding"] * 3_600,
        )
    assert mark == vector["expected"]["mark"]
    assert state.window_count[0] == 30


def test_average_basis_forgets_after_its_window() -> None:
    """Thirty one-second samples (mechanisms 2.1): a spike counts a thirtieth for thirty seconds."""
    rules = rules_of(method=marks.MEDIAN_OF_THREE)
    state = marks.allocate_marks(1, 60)
    book = {"index_ticks": 1_000, "last_ticks": 1_200}
    averages = []
    for second in range(60):
        middle = 1_300 if second == 29 else 1_000
        averages.append(mark_of(state, rules, second, bid_ticks=middle - 1, ask_ticks=middle + 1, **book))
    assert averages[28:31] == [1_000, 1_010, 1_010]
    assert averages[58:] == [1_010, 1_000]


def test_seconds_without_a_step_hold_no_samples() -> None:
    """Steps of ten seconds leave three samples in a window of thirty."""
    rules = rules_of(method=marks.MEDIAN_OF_THREE)
    state = marks.allocate_marks(1, 30)
    for second in range(0, 100, 10):
        mark_of(state, rules, second, bid_ticks=99 + second, ask_ticks=101 + second, index_ticks=100)
    assert state.window_count[0] == 3
    assert state.window_sum[0] == 2 * (70 + 80 + 90)


def test_fair_price_carries_the_funding_basis() -> None:
    """Mechanisms 3: 10,000 at 0.05 % with 4 of 8 hours left gives 10,002.5 (ticks of 0.5)."""
    rules = rules_of(method=marks.FAIR_BASIS)
    state = marks.allocate_marks(1, 1)
    given = {"index_ticks": 20_000, "rate_ppb": 500_000, "seconds_to_funding": 14_400}
    assert mark_of(state, rules, **given) == 20_005


def test_median_of_oracle_book_and_perpetuals_elsewhere(vectors: dict[str, dict[str, Any]]) -> None:
    """hl-mark: 10020 / 10010 / 10018 gives 10018 (robust price indices)."""
    vector = vectors["hl-mark"]
    given = vector["inputs"]
    state = marks.allocate_marks(1, 1)
    state.premium_microticks[0] = given["ema150"] * 1_000_000
    state.smoothing[0] = 1
    mark = mark_of(
        state,
        rules_of(method=marks.ORACLE_EMA_MEDIAN),
        bid_ticks=given["bid"],
        ask_ticks=given["ask"],
        last_ticks=given["last"],
        external_ticks=given["external_perp"],
        index_ticks=given["oracle"],
    )
    assert mark == vector["expected"]["mark"]


def test_with_two_inputs_the_smoothed_contract_price_joins() -> None:
    """Mechanisms 4: a 30 s EMA of the book price joins when only two inputs are known."""
    assert marks.oracle_ema_ticks(10_020, 10_010, 0, 10_013) == 10_013
    assert marks.oracle_ema_ticks(10_020, 0, 10_018, 10_019) == 10_019
    assert marks.oracle_ema_ticks(10_020, 10_010, 0, 0) == 10_015
    assert marks.oracle_ema_ticks(10_020, 0, 0, 10_013) == 10_020


def test_smoothed_premium_closes_its_gap_by_the_exponential() -> None:
    """After 150 s of one-second steps a 150 s average has closed 1 - 1/e of the gap: 100 -> 63.212 ticks."""
    rules = rules_of(method=marks.ORACLE_EMA_MEDIAN)
    rules["alpha_ppb"] = decay_ppb(1_000, 150_000)
    state = marks.allocate_marks(1, 1)
    for second in range(151):
        middle = 10_000 if second == 0 else 10_100
        mark_of(state, rules, second, bid_ticks=middle - 1, ask_ticks=middle + 1, index_ticks=10_000)
    assert int(state.premium_microticks[0]) == pytest.approx(63_212_056, abs=100)


def test_oracle_mark_is_the_index() -> None:
    state = marks.allocate_marks(1, 1)
    assert mark_of(state, rules_of(method=marks.ORACLE), index_ticks=123, bid_ticks=5, last_ticks=7) == 123


def test_a_mark_moves_only_when_it_is_due() -> None:
    """Mechanisms 4: every 3 s."""
    rules = rules_of(method=marks.ORACLE, update_seconds=3)
    state = marks.allocate_marks(1, 1)
    path = [mark_of(state, rules, second, index_ticks=100 + second) for second in range(7)]
    assert path == [100, 100, 100, 103, 103, 103, 106]


def test_without_an_index_the_mark_stands() -> None:
    rules = rules_of(method=marks.FAIR_BASIS)
    state = marks.allocate_marks(1, 1)
    assert mark_of(state, rules, 0, index_ticks=0) == 0
    assert mark_of(state, rules, 1, index_ticks=500) == 500
    assert mark_of(state, rules, 2, index_ticks=0) == 500
