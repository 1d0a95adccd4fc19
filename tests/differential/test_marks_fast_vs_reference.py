"""Compiled index, mark and funding equal their plain references, step by step, whatever is thrown at them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from undertow.venue import fixed_point, funding, index, marks
from undertow.venue.funding_reference import FundingReference, amount_reference
from undertow.venue.marks_reference import MarkReference

INSTRUMENTS = 3
CONSTITUENTS = 4
LIMIT = fixed_point.PRICE_LIMIT_TICKS

# Small prices collide and round; prices close together stay inside tolerances; large ones test the width.
prices = st.one_of(st.integers(0, 12), st.integers(90, 130), st.integers(0, LIMIT - 1))
near_prices = st.one_of(st.just(0), st.integers(940, 1_060), st.integers(1, 50_000))


def rows(record: np.dtype[np.void], ruled: list[dict[str, int]]) -> Any:
    """Records of the given rules."""
    table = np.zeros(len(ruled), record)
    for row, rule in enumerate(ruled):
        for name, value in rule.items():
            table[name][row] = value
    return table


def columns(kind: Any, given_rows: list[dict[str, int]]) -> Any:
    """One array per field of a NamedTuple of inputs."""
    return kind(*(np.array([row[name] for row in given_rows], np.int64) for name in kind._fields))


index_rules = st.fixed_dictionaries(
    {
        "method": st.sampled_from(sorted(index.INDEX_METHODS.values())),
        "stale_seconds": st.sampled_from([0, 5]),
        "outlier_ppm": st.sampled_from([0, 20_000, 250_000, 1_000_000]),
        "minimum_constituents": st.integers(0, 3),
        "band_ppm": st.sampled_from([0, 1, 200_000]),
        "alpha_ppb": st.integers(0, 1_000_000_000),
    }
)
constituent_table = st.lists(
    st.tuples(prices, st.integers(0, 1_000_000), st.integers(0, 10)),
    min_size=CONSTITUENTS,
    max_size=CONSTITUENTS,
)


@given(
    ruled=st.lists(index_rules, min_size=INSTRUMENTS, max_size=INSTRUMENTS),
    steps=st.lists(
        st.lists(constituent_table, min_size=INSTRUMENTS, max_size=INSTRUMENTS), min_size=1, max_size=4
    ),
)
def test_index(ruled: list[dict[str, int]], steps: list[Any]) -> None:
    table = rows(index.INDEX_RULE, ruled)
    state = index.allocate_index(INSTRUMENTS, CONSTITUENTS)
    last = [0] * INSTRUMENTS
    level = [0] * INSTRUMENTS
    for step in steps:
        given_values = np.array(step, np.int64)
        constituents = index.Constituents(*(given_values[:, :, part].copy() for part in range(3)))
        index.update_indices(table, constituents, state)
        for row, rule in enumerate(ruled):
            listed = [[int(value) for value in part] for part in zip(*step[row], strict=True)]
            raw, used = index.combine(*listed, rule, last[row])
            if rule["band_ppm"] > 0 and raw > 0:
                _, raw, level[row] = index.bound(raw, level[row], rule["band_ppm"], rule["alpha_ppb"])
            last[row] = raw
            assert state.index_ticks[row] == raw
            assert state.used[row] == len(used)
            assert state.ewma_microticks[row] == level[row]
            if used:
                assert np.flatnonzero(state.kept[row]).tolist() == used


mark_rules = st.fixed_dictionaries(
    {
        "method": st.sampled_from(sorted(marks.MARK_METHODS.values())),
        "window_seconds": st.integers(1, 8),
        "period_seconds": st.sampled_from([3_600, 28_800]),
        "update_seconds": st.sampled_from([0, 1, 3]),
        "alpha_ppb": st.integers(0, 1_000_000_000),
        "short_alpha_ppb": st.integers(0, 1_000_000_000),
    }
)
mark_inputs = st.fixed_dictionaries(
    {
        "bid_ticks": near_prices,
        "ask_ticks": near_prices,
        "last_ticks": near_prices,
        "maximum_ticks": st.sampled_from([1_000, 100_000]),
        "index_ticks": near_prices,
        "external_ticks": near_prices,
        "rate_ppb": st.integers(-1_000_000_000, 1_000_000_000),
        "seconds_to_funding": st.integers(0, 28_800),
        "paused": st.sampled_from([0, 0, 0, 1]),
    }
)


@given(
    ruled=st.lists(mark_rules, min_size=INSTRUMENTS, max_size=INSTRUMENTS),
    steps=st.lists(
        st.tuples(st.integers(0, 4), st.lists(mark_inputs, min_size=INSTRUMENTS, max_size=INSTRUMENTS)),
        min_size=1,
        max_size=12,
    ),
)
def test_mark(ruled: list[dict[str, int]], steps: list[Any]) -> None:
    table = rows(marks.MARK_RULE, ruled)
    state = marks.allocate_marks(INSTRUMENTS, 8)
    references = [MarkReference(rule) for rule in ruled]
    now = 0
    for elapsed, step in steps:
        now += elapsed
        marks.update_marks(table, columns(marks.MarkInputs, step), state, now)
        expected = [reference.update(row, now) for reference, row in zip(references, step, strict=True)]
        assert state.mark_ticks.tolist() == expected
        assert state.premium_ticks.tolist() == [reference.premium for reference in references]
        assert state.premium_microticks.tolist() == [
            (reference.smoothed_premium or 0) if rule["method"] == marks.ORACLE_EMA_MEDIAN else 0
            for reference, rule in zip(references, ruled, strict=True)
        ]


funding_rules = st.fixed_dictionaries(
    {
        "premium": st.sampled_from(sorted(funding.PREMIUM_KINDS.values())),
        "reference_is_mark": st.integers(0, 1),
        "charge_on_mark": st.integers(0, 1),
        "sample_seconds": st.integers(1, 3),
        "interval_seconds": st.sampled_from([4, 3_600]),
        "period_seconds": st.sampled_from([3_600, 28_800]),
        "interest_ppb": st.integers(-200_000, 200_000),
        "clamp_ppb": st.sampled_from([0, 500_000]),
        "cap_ppb": st.sampled_from([0, 3_750_000]),
        "change_cap_ppb": st.sampled_from([0, 1_000_000]),
    }
)
funding_inputs = st.fixed_dictionaries(
    {
        "index_ticks": near_prices,
        "mark_ticks": near_prices,
        "bid_ticks": near_prices,
        "ask_ticks": near_prices,
        "last_ticks": near_prices,
        "maximum_ticks": st.sampled_from([1_000, 100_000]),
    }
)


@given(
    ruled=st.lists(funding_rules, min_size=INSTRUMENTS, max_size=INSTRUMENTS),
    first_due=st.integers(0, 6),
    steps=st.lists(
        st.tuples(st.integers(0, 5), st.lists(funding_inputs, min_size=INSTRUMENTS, max_size=INSTRUMENTS)),
        min_size=1,
        max_size=12,
    ),
)
def test_funding_rate(ruled: list[dict[str, int]], first_due: int, steps: list[Any]) -> None:
    table = rows(funding.FUNDING_RULE, ruled)
    state = funding.allocate_funding(np.full(INSTRUMENTS, first_due, np.int64))
    references = [FundingReference(rule, first_due) for rule in ruled]
    now = 0
    for elapsed, step in steps:
        now += elapsed
        count = funding.update_funding(table, columns(funding.FundingInputs, step), state, now)
        charges = [reference.update(row, now) for reference, row in zip(references, step, strict=True)]
        assert count == sum(charge is not None for charge in charges)
        for row, charge in enumerate(charges):
            assert state.due[row] == (charge is not None)
            assert state.rate_ppb[row] == references[row].rate_ppb
            assert state.next_due[row] == references[row].next_due
            if charge is not None:
                assert (state.charge_ticks[row], state.charge_ppb[row]) == charge


@given(
    sizes=st.lists(st.one_of(st.integers(-100, 100), st.integers(-(10**9), 10**9)), min_size=9, max_size=30),
    units=st.tuples(st.integers(1, 200), st.integers(1, 10**9)),
    charge_ticks=st.one_of(st.integers(1, 100), st.integers(1, 2_000_000)),
    charge_ppb=st.one_of(
        st.integers(-1_000_000_000, 1_000_000_000), st.integers(1, 1_000).map(lambda rate: -rate * 1_000_000)
    ),
)
def test_amounts(sizes: list[int], units: tuple[int, int], charge_ticks: int, charge_ppb: int) -> None:
    """Instrument 0 is linear, 1 inverse, 2 not due."""
    charges = funding.Charges(
        kinds=np.array([1, 2, 1], np.int64),
        units=np.array([*units, 1], np.int64),
        due=np.array([1, 1, 0], np.int64),
        charge_ticks=np.full(3, charge_ticks, np.int64),
        charge_ppb=np.full(3, charge_ppb, np.int64),
    )
    instruments = np.arange(len(sizes), dtype=np.int64) % 3
    amounts = np.zeros(len(sizes), np.int64)
    remainders = np.zeros(3, np.int64)
    funding.charge_positions(instruments, np.array(sizes, np.int64), charges, amounts, remainders)
    expected = [
        0 if row % 3 == 2 else amount_reference(row % 3 == 1, units[row % 3], size, charge_ticks, charge_ppb)
        for row, size in enumerate(sizes)
    ]
    assert amounts.tolist() == expected
    assert remainders.tolist() == [-sum(expected[row::3]) for row in range(3)]
