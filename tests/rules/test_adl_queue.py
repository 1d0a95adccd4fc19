"""Auto-deleveraging queues: who is closed, in which order, and how far."""

from __future__ import annotations

import numpy as np
import pytest

from support.winners import column, holders
from undertow.errors import InputError, InvariantError
from undertow.venue.allocation import (
    Allocation,
    Need,
    RankedQueue,
    Winners,
    allocate,
    policies,
    policy,
    register,
    report,
    scope_of,
)
from undertow.venue.allocation.queue import rank_order, select_cut


def ranked(scores: list[int]) -> RankedQueue:
    """A queue whose scores are given."""
    return RankedQueue("given-scores", lambda winners: column(scores))


def test_six_longs_and_a_short_of_twenty() -> None:
    # BitMEX autoDeleveragingExamples: six longs, scores 3 6 1 4 5 2; a short of 20, bankruptcy price 650, is
    # liquidated. Account 2 closes its 10, account 5 closes 10 of 20, at 650.
    winners = holders([10, 10, 20, 30, 20, 10], mark_ticks=700, entry_ticks=600)
    need = Need(need_lots=20, deficit_micros=20 * 50_000_000, price_ticks=650)
    result = allocate(ranked([3, 6, 1, 4, 5, 2]), winners, need)
    assert result.close_lots.tolist() == [0, 10, 0, 0, 10, 0]
    assert winners.account[result.order].tolist() == [2, 5]
    measured = report("given-scores", winners, need, result)
    assert measured.forgone_micros == 1_000_000_000
    assert (measured.solvent, measured.overshoot_micros, measured.touched) == (True, 0, 2)
    assert measured.largest_burden_ppm == 500_000  # 50 of 100 dollars of profit per lot


def test_ties_go_to_the_lower_account() -> None:
    winners = holders([5, 5, 5, 5])
    result = allocate(ranked([1, 2, 2, 2]), winners, Need(7, 0, 100))
    assert result.close_lots.tolist() == [0, 5, 2, 0]
    assert result.order.tolist() == [1, 2]


def test_ties_follow_the_account_not_the_row() -> None:
    straight = holders([5, 5, 5])
    turned = Winners(*[field[::-1].copy() for field in straight[:8]], *straight[8:])
    result = allocate(ranked([1, 1, 1]), turned, Need(7, 0, 100))
    assert result.close_lots.tolist() == [0, 2, 5]
    assert turned.account[result.order].tolist() == [1, 2]


def test_a_need_beyond_everybody_closes_everybody() -> None:
    winners = holders([5, 0, 3])
    need = Need(100, 0, 100)
    result = allocate(policy("opposing-size"), winners, need)
    assert result.close_lots.tolist() == [5, 0, 3]
    assert result.order.tolist() == [0, 2]
    assert report("opposing-size", winners, need, result).unclosed_lots == 92


@pytest.mark.parametrize("name", policies())
def test_no_winners_and_no_need_close_nobody(name: str) -> None:
    nobody = allocate(policy(name), holders([]), Need(5, 7, 90))
    assert [len(part) for part in nobody] == [0, 0, 0]
    idle = allocate(policy(name), holders([3, 4]), Need(0, 0, 100))
    assert (idle.close_lots.sum(), idle.take_micros.sum(), len(idle.order)) == (0, 0, 0)


def test_random_start_walks_in_account_order_from_a_drawn_row() -> None:
    # dYdX v4: offset against opposite accounts starting at a random index, no profit ranking.
    winners = holders([4] * 10)
    starts = set()
    for step in range(60):
        result = allocate(policy("random-start"), winners._replace(step=step), Need(10, 0, 100))
        first = int(result.order[0])
        starts.add(first)
        assert result.order.tolist() == [(first + place) % 10 for place in range(3)]
        assert result.close_lots[result.order].tolist() == [4, 4, 2]
    assert len(starts) == 10


def test_largest_positions_share_in_proportion() -> None:
    # FTX help 360027937831, overflow of the back-stop: of 600k the providers take 400k, the two largest
    # opposing users (say 500k and 300k) 125k and 75k. The eleventh holder is not asked.
    winners = holders([500_000, 300_000])
    result = allocate(policy("largest-positions"), winners, Need(200_000, 0, 100))
    assert result.close_lots.tolist() == [125_000, 75_000]
    eleven = allocate(policy("largest-positions"), holders([10] * 10 + [9]), Need(50, 0, 100))
    assert eleven.close_lots.tolist() == [5] * 10 + [0]


def test_largest_positions_widen_when_ten_are_not_enough() -> None:
    winners = holders([10] * 12)
    result = allocate(policy("largest-positions"), winners, Need(105, 0, 100))
    assert result.close_lots.tolist() == [10] * 6 + [9] * 5 + [0]


def test_the_cut_is_found_in_narrow_and_in_wide_ranges() -> None:
    # Narrow: all keys in one logarithmic bucket. Wide: the whole int64 range, which needs unsigned spans.
    narrow = column([2**40 + value for value in (5, 3, 3, 8, 1)])
    assert select_cut(narrow, column([1] * 5), 3) == (2**40 + 3, 1)
    wide = column([-(2**63), 2**63 - 1, 0, -1, 1])
    for need, expected in enumerate([2**63 - 1, 1, 0, -1, -(2**63)], start=1):
        assert select_cut(wide, column([1] * 5), need) == (expected, 1)
    rows = column(range(5))
    assert rank_order(wide, rows).tolist() == [1, 4, 2, 3, 0]


def test_an_unknown_policy_is_named_with_a_suggestion() -> None:
    with pytest.raises(InputError, match="did you mean 'profit-leverage'"):
        policy("profit-levrage")
    with pytest.raises(InputError, match="known: profit-margin-ratio"):
        policy("zzz")
    with pytest.raises(InputError, match="registered already"):
        register(RankedQueue("profit-leverage", lambda winners: winners.account))


def test_scopes_say_which_rows_a_policy_wants() -> None:
    assert scope_of(policy("profit-leverage")) == "opposing"
    assert scope_of(policy("socialised")) == "both"
    assert scope_of(policy("clawback")) == "session"


class Careless:
    """A policy that hands back whatever it is told to."""

    name = "careless"

    def __init__(self, close: list[int], take: list[int]) -> None:
        self.result = Allocation(column(close), column(take), column([]))

    def allocate(self, winners: Winners, need: Need) -> Allocation:
        """The prepared result."""
        return self.result


@pytest.mark.parametrize(
    ("close", "take", "message"),
    [
        ([4, 0], [0, 0], "closed 4 lots, the need was 5"),
        ([6, -1], [0, 0], "exceeds its position"),
        ([5, 0], [0, -1], "exceeds its position"),
        ([5], [0, 0], "close_lots must be an int64 array of 2 rows"),
    ],
)
def test_a_policy_is_held_to_its_promise(close: list[int], take: list[int], message: str) -> None:
    with pytest.raises(InvariantError, match=message):
        allocate(Careless(close, take), holders([5, 5]), Need(5, 0, 100))


def test_malformed_winners_are_refused() -> None:
    good = holders([5, 5])
    with pytest.raises(InvariantError, match=r"winners\.size_lots must be"):
        allocate(policy("opposing-size"), good._replace(size_lots=np.ones(3, np.int64)), Need(1, 0, 1))
    with pytest.raises(InvariantError, match="1 rows hold a negative or oversized position"):
        allocate(policy("opposing-size"), good._replace(size_lots=column([-1, 1])), Need(1, 0, 1))
    with pytest.raises(InvariantError, match="must not be negative"):
        allocate(policy("opposing-size"), good, Need(-1, 0, 1))
    with pytest.raises(InvariantError, match="lots together"):
        allocate(policy("opposing-size"), good._replace(size_lots=column([2**60 - 1, 1])), Need(1, 0, 1))
