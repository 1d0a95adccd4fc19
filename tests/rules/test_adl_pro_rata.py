"""Pro-rata allocations: contracts by size, profit at one rate, by equal burden, by leverage and by risk.

Formulas: section 6 of the mechanism notes (auto-deleveraging analysis, corrected version).
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from support.winners import DOLLAR, column, holders, winners
from undertow.venue.allocation import MoneyPolicy, Need, allocate, policy, report, share, water_fill
from undertow.venue.allocation.policy import equally
from undertow.venue.allocation.prorata import risk_weights
from undertow.venue.allocation.reference import Row


def profits(amounts: list[int], leverages: list[int] | None = None) -> list[Row]:
    """One-lot winners with these profits in dollars and notionals of `leverage` times an equity of 100."""
    ratios = leverages or [1] * len(amounts)
    return [
        Row(account, 1, ratio * 100 * DOLLAR, 1, amount * DOLLAR, 0, 100 * DOLLAR, 0)
        for account, (amount, ratio) in enumerate(zip(amounts, ratios, strict=True), start=1)
    ]


def money_only(deficit: int) -> Need:
    """A need for money alone, in dollars."""
    return Need(0, deficit * DOLLAR, 100)


def taken(name: str, rows: list[Row], deficit: int) -> list[float]:
    """Dollars taken per row."""
    result = allocate(policy(name), winners(rows), money_only(deficit))
    return [amount / DOLLAR for amount in result.take_micros.tolist()]


def test_contracts_by_largest_remainder() -> None:
    # Ideal 10 * (7, 5, 3)/15 = 4.667, 3.333, 2.0: floors 4 3 2, the missing lot to the largest remainder.
    result = allocate(policy("contract-pro-rata"), holders([7, 5, 3]), Need(10, 0, 100))
    assert result.close_lots.tolist() == [5, 3, 2]
    assert result.order.tolist() == [0, 1, 2]


def test_equal_remainders_go_to_the_lower_accounts() -> None:
    result = allocate(policy("contract-pro-rata"), holders([4, 4, 4, 4]), Need(6, 0, 100))
    assert result.close_lots.tolist() == [2, 2, 1, 1]


def test_products_beyond_64_bits_are_exact() -> None:
    # need * size is about 2**97 here; the answer is that of whole numbers.
    sizes = [2**50 - 1, 2**49 + 7, 3]
    amount = 2**49 + 11
    exact = [amount * size // sum(sizes) for size in sizes]
    got = share(amount, column(sizes)).tolist()
    assert sum(got) == amount
    assert all(0 <= part - whole <= 1 for part, whole in zip(got, exact, strict=True))


def test_amounts_beyond_the_compiled_range_are_shared_all_the_same() -> None:
    got = share(2**59, column([2**57, 2**57, 2**57])).tolist()
    assert sum(got) == 2**59
    assert max(got) - min(got) <= 1
    assert water_fill(2**58, column([2**57, 2**58]), column([1, 1])).tolist() == [2**57, 2**57]


def test_wealth_pro_rata_is_one_rate_on_profit() -> None:
    # h = B/U = 100/500 = 20 %; principal is never the base, a loser pays nothing.
    assert taken("wealth-pro-rata", profits([50, 150, 300, -80]), 100) == [10, 30, 60, 0]


def test_wealth_pro_rata_stops_at_all_profit() -> None:
    # Solvency of the whole venue does not guarantee D <= U: the rest is reported as a shortfall.
    rows, need = winners(profits([50, 150])), money_only(300)
    result = allocate(policy("wealth-pro-rata"), rows, need)
    assert result.take_micros.tolist() == [50 * DOLLAR, 150 * DOLLAR]
    measured = report("wealth-pro-rata", rows, need, result)
    assert (measured.solvent, measured.shortfall_micros) == (False, 100 * DOLLAR)


def test_water_filling_burdens_equally_up_to_each_profit() -> None:
    # 130 over caps 10, 40, 500, 600: 10 and 40 give all, the other two 40 each.
    assert taken("water-filling", profits([10, 40, 500, 600]), 130) == [10, 40, 40, 40]


def test_water_filling_under_a_cap_on_the_rate() -> None:
    half = MoneyPolicy("half", equally, cap_ppm=500_000)
    result = allocate(half, winners(profits([10, 40, 500])), money_only(100))
    assert result.take_micros.tolist() == [5 * DOLLAR, 20 * DOLLAR, 75 * DOLLAR]


def test_leverage_pro_rata_charges_rate_by_leverage() -> None:
    # Rates stand as 1 : 3, B = 100 over w = (100, 100): 25 and 75.
    assert taken("leverage-pro-rata", profits([100, 100], [1, 3]), 100) == [25, 75]


def test_risk_aware_pro_rata_charges_rate_by_leverage_squared() -> None:
    # h = tau * L * g(L), g linear: rates 1 : 9, so 10 and 90 of 100.
    assert taken("risk-aware-pro-rata", profits([100, 100], [1, 3]), 100) == [10, 90]
    # At B = 150 the second row's cap binds and the first pays the rest.
    assert taken("risk-aware-pro-rata", profits([100, 100], [1, 3]), 150) == [50, 100]


def test_risk_weights_spare_leverage_below_the_threshold() -> None:
    rows = winners(profits([100, 100, 100], [1, 3, 5]))
    caps = column([100] * 3)
    assert risk_weights(rows, caps, threshold_ppm=2_000_000, exponent=1).tolist() == [0, 300, 1500]
    assert risk_weights(rows, caps, threshold_ppm=0, exponent=2).tolist() == [100, 2700, 12_500]


def test_huge_risk_weights_keep_their_proportion() -> None:
    rows = winners([Row(1, 1, 2**55, 1, 2**50, 0, 1, 0), Row(2, 1, 2**55, 1, 2**49, 0, 2**55, 0)])
    weights = risk_weights(rows, column([2**50, 1]), threshold_ppm=0, exponent=1)
    assert weights[0] > weights[1] >= 1
    assert int(weights.sum()) < 2**58


def test_money_policies_close_the_lots_first_and_take_only_the_rest() -> None:
    # Ten lots closed 5 below the mark pay 50 of a deficit of 80; 30 are taken at one rate.
    rows = holders([10, 30])  # profit 20 a lot: 200 and 600 dollars
    need = Need(need_lots=10, deficit_micros=80 * DOLLAR, price_ticks=95)
    result = allocate(policy("wealth-pro-rata"), rows, need)
    assert result.close_lots.tolist() == [3, 7]  # ideal 2.5 and 7.5: a tie, to the lower account
    assert result.take_micros.sum() == 30 * DOLLAR
    measured = report("wealth-pro-rata", rows, need, result)
    assert (measured.forgone_micros, measured.taken_micros) == (50 * DOLLAR, 30 * DOLLAR)
    assert (measured.solvent, measured.overshoot_micros) == (True, 0)
    assert measured.haircut_ppm == 100_000  # 80 of 800 dollars


def test_shorts_forgo_profit_when_closed_above_the_mark() -> None:
    rows = holders([10], side=-1, mark_ticks=100, entry_ticks=120)
    need = Need(10, 50 * DOLLAR, 106)
    measured = report("x", rows, need, allocate(policy("contract-pro-rata"), rows, need))
    assert (measured.forgone_micros, measured.overshoot_micros) == (60 * DOLLAR, 10 * DOLLAR)
    assert measured.largest_burden_ppm == 300_000


@pytest.mark.parametrize("cap_ppm", [0, 1, 333_333, 1_000_000])
def test_nobody_is_taken_beyond_the_cap(cap_ppm: int) -> None:
    greedy = replace(MoneyPolicy("capped", equally), cap_ppm=cap_ppm)
    result = allocate(greedy, winners(profits([10, 7, 3])), money_only(1000))
    assert result.take_micros.tolist() == [amount * DOLLAR * cap_ppm // 1_000_000 for amount in (10, 7, 3)]
