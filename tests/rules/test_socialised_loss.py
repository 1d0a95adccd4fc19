"""Losses spread over everybody: per lot over both sides, over depositors, and what is left as bad debt."""

from __future__ import annotations

from support.winners import DOLLAR, column, holders
from undertow.venue.allocation import (
    Need,
    allocate,
    bad_debt,
    cover_from_fund,
    lending_haircut,
    loss_per_lot_ppm,
    policy,
    socialise,
)


def test_loss_per_base_unit_over_both_sides() -> None:
    # Vector drift-social (drift-labs/protocol-v2): 1,000 over 600 long and 400 short is 1.0 a unit.
    assert loss_per_lot_ppm(1000 * DOLLAR, 600, 400) == 1_000_000 * DOLLAR
    takes = socialise(1000 * DOLLAR, column([600, 400]))
    assert takes.tolist() == [600 * DOLLAR, 400 * DOLLAR]


def test_the_policy_charges_both_sides_whatever_their_profit() -> None:
    everybody = holders([600, 400], entry_ticks=140)._replace(side=0)  # both at a loss
    result = allocate(policy("socialised"), everybody, Need(0, 1000 * DOLLAR, 0))
    assert result.take_micros.tolist() == [600 * DOLLAR, 400 * DOLLAR]
    assert result.close_lots.tolist() == [0, 0]


def test_a_loss_that_does_not_divide_loses_no_micro() -> None:
    takes = socialise(100, column([1, 1, 1]))
    assert takes.tolist() == [34, 33, 33]
    assert loss_per_lot_ppm(100, 2, -1) == 33_333_333
    assert loss_per_lot_ppm(100, 0, 0) == 0


def test_unbacked_borrow_is_written_down_over_depositors() -> None:
    # Vector drift-lendloss (drift-labs/protocol-v2): 100,000 of 10,000,000 is a haircut of 1 %.
    loss = lending_haircut(100_000, column([9_000_000, 1_000_000]))
    assert loss.take_atoms.tolist() == [90_000, 10_000]
    assert (loss.haircut_ppm, loss.index_ppb, loss.uncovered_atoms) == (10_000, 990_000_000, 0)


def test_haircuts_compound_in_the_index() -> None:
    once = lending_haircut(100, column([1000]))
    twice = lending_haircut(100, column([900]), once.index_ppb)
    assert (once.index_ppb, twice.index_ppb) == (900_000_000, 800_000_000)


def test_a_pool_cannot_lose_more_than_it_holds() -> None:
    loss = lending_haircut(500, column([100, 200]))
    assert (loss.take_atoms.tolist(), loss.index_ppb, loss.uncovered_atoms) == ([100, 200], 0, 200)
    empty = lending_haircut(500, column([]))
    assert (empty.index_ppb, empty.uncovered_atoms) == (1_000_000_000, 500)


def test_bad_debt_counts_the_negative_only() -> None:
    assert bad_debt(column([5, -3, 0, -4])) == 7
    assert bad_debt(column([-(2**62)] * 4)) == 2**64  # beyond int64, and still exact


def test_the_fund_pays_first_and_never_more_than_it_has() -> None:
    assert cover_from_fund(100, 40) == (40, 60)
    assert cover_from_fund(100, 400) == (100, 0)
    assert cover_from_fund(100, -5) == (0, 100)
