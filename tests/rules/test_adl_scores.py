"""Rank keys of auto-deleveraging, with the published worked numbers. Keys are parts per billion, floored."""

from __future__ import annotations

import pytest

from support.winners import DOLLAR, winners
from undertow.venue.allocation.reference import Row
from undertow.venue.allocation.scores import (
    SCORE_LIMIT,
    SCORE_SCALE,
    opposing_size,
    price_ratio_leverage,
    profit_leverage,
    profit_margin_ratio,
    ratio_floor,
    start_row,
)


def dollars(amount: float) -> int:
    """A decimal number of dollars in micro-dollars."""
    return round(amount * DOLLAR)


def margin_row(profit: float, wallet: float, maintenance: float, account: int = 1) -> Row:
    """A cross account whose equity is wallet plus profit."""
    equity = dollars(wallet) + dollars(profit)
    return Row(account, 1, 0, 0, dollars(profit), dollars(wallet), equity, dollars(maintenance))


def value_row(mark: float, entry: float, equity: float, side: int = 1) -> Row:
    """A position by its absolute values; the bankrupt value is mark value less side times equity."""
    profit = side * (dollars(mark) - dollars(entry))
    return Row(1, 1, dollars(mark), dollars(entry), profit, 0, dollars(equity), 0)


def test_profit_times_margin_ratio_published_example() -> None:
    # Vector bin-adl-score (Binance developer forum 17801): profit 40.2, wallet 4.27, margin ratio 13.42 %
    # print 9.41 and 1.26; exactly 1.26342857...
    keys = profit_margin_ratio(winners([margin_row(40.2, 4.27, 0.1342 * 44.47)]))
    assert keys[0] / SCORE_SCALE == pytest.approx(1.2634285714, abs=1e-7)


def test_profit_times_margin_ratio_guards() -> None:
    # Vector bin-adl-score-guards (Binance FAQ 360033525471): a loss scores 0; a wallet below a dollar counts
    # as a dollar, 5/1 * 2/5.5 = 1.81818...; no equity scores 0.
    cases = [margin_row(-5, 100, 2), margin_row(5, 0.5, 2), margin_row(-120, 100, 2)]
    keys = profit_margin_ratio(winners(cases)).tolist()
    assert keys == [0, 5 * (2 * SCORE_SCALE * 10 // 55), 0]
    assert keys[1] == pytest.approx(1.8181818181818183 * SCORE_SCALE, abs=5)


def test_profit_times_margin_ratio_without_wallet() -> None:
    # Profit was paid out: a wallet at or below zero counts as one dollar, not as a sign change.
    assert profit_margin_ratio(winners([margin_row(50, -10, 4)])).tolist() == [50 * SCORE_SCALE // 10]


@pytest.mark.parametrize(
    ("mark", "entry", "equity", "side", "expected"),
    [
        # Vector bmx-adl-long-win: values 110/100/90, 0.10 * 5.5.
        (110, 100, 20, 1, 550_000_000),
        # Vector bmx-adl-long-lose: 95/100/90, -0.05 / 19 = -0.00263157894...
        (95, 100, 5, 1, -2_631_578),
        # mechanisms.md section 3: short -90/-100/-110, 0.10 * 4.5.
        (90, 100, 20, -1, 450_000_000),
    ],
)
def test_profit_times_leverage(mark: int, entry: int, equity: int, side: int, expected: int) -> None:
    assert profit_leverage(winners([value_row(mark, entry, equity, side)], side=side)).tolist() == [expected]


def test_profit_times_leverage_ranks_losers_by_least_leverage_last() -> None:
    # Losers divide by leverage, so among equal losses the more leveraged is nearer to zero, hence higher.
    calm, bold = value_row(95, 100, 50), value_row(95, 100, 5)
    low, high = profit_leverage(winners([calm, bold])).tolist()
    assert low < high < 0


def test_price_ratio_times_leverage() -> None:
    # Vector hl-adl-index: mark 120, entry 100, notional 120,000 over 40,000: 1.2 * 3 = 3.6.
    row = value_row(120_000, 100_000, 40_000)
    assert price_ratio_leverage(winners([row])).tolist() == [3_600_000_000]


def test_price_ratio_is_inverted_for_shorts() -> None:
    # Inferred (mechanisms.md section 4): the literal ratio would fall as a short gains.
    row = value_row(80_000, 100_000, 40_000, side=-1)
    assert price_ratio_leverage(winners([row], side=-1)).tolist() == [2_500_000_000]  # 1.25 * 2


def test_bankrupt_rows_rank_last() -> None:
    rows = [value_row(110, 100, 0), value_row(1, 100, 50)]
    assert profit_leverage(winners(rows))[0] == -SCORE_LIMIT < profit_leverage(winners(rows))[1]
    assert price_ratio_leverage(winners(rows))[0] == -SCORE_LIMIT < price_ratio_leverage(winners(rows))[1]


def test_opposing_size_is_the_lots() -> None:
    rows = [Row(1, 7, 0, 0, 0, 0, 0, 0), Row(2, 9, 0, 0, 0, 0, 0, 0)]
    assert opposing_size(winners(rows)).tolist() == [7, 9]


def test_scores_are_held_at_the_limit() -> None:
    # 2**56 micros over a wallet of nothing is beyond the scale: it ties at the limit instead of wrapping.
    rows = [Row(1, 1, 0, 0, 2**56, 0, 2**56, 2**56), Row(2, 1, 0, 0, 2**57, 0, 2**57, 2**57)]
    assert profit_margin_ratio(winners(rows)).tolist() == [SCORE_LIMIT, SCORE_LIMIT]


@pytest.mark.parametrize("offset", [-2, -1, 0, 1, 2])
def test_ratio_is_exact_at_the_limit(offset: int) -> None:
    value = SCORE_LIMIT + offset
    assert ratio_floor(value, 2**59, 2**59) == min(value, SCORE_LIMIT)
    assert ratio_floor(value * 3 + 2, 2**50, 3 * 2**50) == min(value, SCORE_LIMIT)


def test_random_start_is_a_function_of_seed_and_step() -> None:
    starts = [start_row(7, step, 1000) for step in range(200)]
    assert starts == [start_row(7, step, 1000) for step in range(200)]
    assert len(set(starts)) > 150
    assert 0 <= min(starts) < 100 < 900 < max(starts) < 1000
    assert starts != [start_row(8, step, 1000) for step in range(200)]
    assert start_row(7, 1, 0) == 0
