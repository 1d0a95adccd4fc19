"""Clawback: the uncovered loss of a session over its net profits."""

from __future__ import annotations

from support.winners import DOLLAR, column, winners
from undertow.venue.allocation import Need, allocate, clawback, cover_from_fund, policy
from undertow.venue.allocation.reference import Row


def test_rate_is_uncovered_loss_over_net_profits() -> None:
    # Vector clawback (Dcoin full-liquidation page): loss 100, fund 40, profits 50, 550: rate 0.1, 5 and 55.
    uncovered = cover_from_fund(100 * DOLLAR, 40 * DOLLAR).uncovered_micros
    result = clawback(uncovered, column([50 * DOLLAR, 550 * DOLLAR]))
    assert result.take_micros.tolist() == [5 * DOLLAR, 55 * DOLLAR]
    assert (result.rate_ppm, result.uncovered_micros) == (100_000, 0)


def test_losers_of_the_session_pay_nothing() -> None:
    assert clawback(60, column([100, -500, 0, 200])).take_micros.tolist() == [20, 0, 0, 40]


def test_no_more_than_all_profit_is_clawed_back() -> None:
    result = clawback(1000, column([30, 20, -5]))
    assert (result.take_micros.tolist(), result.rate_ppm, result.uncovered_micros) == (
        [30, 20, 0],
        1_000_000,
        950,
    )
    assert clawback(1000, column([-5])).uncovered_micros == 1000


def test_the_policy_takes_the_same() -> None:
    session = winners([Row(1, 0, 0, 0, 50 * DOLLAR, 0, 1, 0), Row(2, 0, 0, 0, 550 * DOLLAR, 0, 1, 0)])
    result = allocate(policy("clawback"), session, Need(0, 60 * DOLLAR, 100))
    assert result.take_micros.tolist() == [5 * DOLLAR, 55 * DOLLAR]
    assert result.order.tolist() == [0, 1]
