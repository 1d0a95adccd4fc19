"""What holds for every allocation: sums, bounds, order, and equality with the plain integers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.winners import column, rows, winners
from undertow.venue.allocation import (
    Need,
    Policy,
    RankedQueue,
    Winners,
    allocate,
    policies,
    policy,
    reference,
    report,
)
from undertow.venue.allocation.policy import share, water_fill
from undertow.venue.allocation.queue import rank_order, select_cut
from undertow.venue.allocation.reference import Row
from undertow.venue.allocation.scores import ratio_floor

QUEUES = ["profit-margin-ratio", "profit-leverage", "price-ratio-leverage", "opposing-size"]
CONTRACTS = [*QUEUES, "random-start", "largest-positions", "contract-pro-rata"]
SCORES: dict[str, Callable[[Row], int]] = {
    "profit-margin-ratio": reference.profit_margin_ratio,
    "profit-leverage": reference.profit_leverage,
    "price-ratio-leverage": reference.price_ratio_leverage,
    "opposing-size": reference.opposing_size,
}
needs = st.builds(Need, st.integers(0, 10**10), st.integers(0, 2**57), st.integers(90, 110))
int64 = st.one_of(st.integers(-5, 5), st.integers(-(2**63), 2**63 - 1))


def queue(name: str) -> RankedQueue:
    """A ranked policy, known to have a score."""
    found = policy(name)
    assert isinstance(found, RankedQueue)
    return found


@pytest.mark.parametrize("name", policies())
@given(drawn=rows(), need=needs, side=st.sampled_from([1, -1]))
def test_closes_sum_to_the_need_and_stay_within_positions(
    name: str, drawn: list[Row], need: Need, side: int
) -> None:
    given_winners = winners(drawn, side=side)
    close, take, order = allocate(policy(name), given_winners, need)
    size = given_winners.size_lots
    assert close.sum() == min(need.need_lots, size.sum())
    assert ((close >= 0) & (close <= size)).all()
    assert (take >= 0).all()
    if name in CONTRACTS:
        assert not take.any()
    elif name != "socialised":
        assert (take <= np.maximum(given_winners.profit_micros, 0) + 10 * 1_000_000 * close).all()
    assert sorted(order.tolist()) == np.flatnonzero(close | take).tolist()
    measured = report(name, given_winners, need, allocate(policy(name), given_winners, need))
    paid = measured.forgone_micros + measured.taken_micros
    assert paid == measured.minimum_micros + measured.overshoot_micros - measured.shortfall_micros


@pytest.mark.parametrize("name", QUEUES)
@given(drawn=rows(), need=needs)
def test_queues_equal_the_plain_integers(name: str, drawn: list[Row], need: Need) -> None:
    given_winners = winners(drawn)
    keys = [SCORES[name](row) for row in drawn]
    assert queue(name).score(given_winners).tolist() == keys
    order = reference.ranking(keys)
    closes = reference.close_in_order(order, [row.size_lots for row in drawn], need.need_lots)
    result = allocate(policy(name), given_winners, need)
    assert result.close_lots.tolist() == closes
    assert result.order.tolist() == [row for row in order if closes[row]]


@pytest.mark.parametrize("name", QUEUES)
@given(drawn=rows(), need=needs)
def test_queues_are_monotone_in_the_score(name: str, drawn: list[Row], need: Need) -> None:
    """Whoever is touched has nobody above him left standing; equal scores go to the lower account."""
    given_winners = winners(drawn)
    keys = queue(name).score(given_winners)
    close = allocate(policy(name), given_winners, need).close_lots
    places = sorted(range(len(drawn)), key=lambda row: (-keys[row], given_winners.account[row]))
    standing = [close[row] < given_winners.size_lots[row] for row in places]
    after = places[standing.index(True) + 1 :] if True in standing else []
    assert not close[after].any()


@pytest.mark.parametrize("name", policies())
@given(drawn=rows(most=15), need=needs, data=st.data())
def test_the_order_of_the_rows_does_not_matter(
    name: str, drawn: list[Row], need: Need, data: st.DataObject
) -> None:
    places = data.draw(st.permutations(range(len(drawn))))
    straight = allocate(policy(name), winners(drawn), need)
    mixed_winners = winners([drawn[place] for place in places])
    mixed = allocate(policy(name), mixed_winners, need)
    assert mixed.close_lots.tolist() == straight.close_lots[places].tolist()
    assert mixed.take_micros.tolist() == straight.take_micros[places].tolist()
    accounts = winners(drawn).account[straight.order].tolist()
    assert mixed_winners.account[mixed.order].tolist() == accounts


@given(amount=st.integers(0, 2**59), weights=st.lists(st.integers(0, 2**52), max_size=30))
def test_shares_equal_the_plain_integers(amount: int, weights: list[int]) -> None:
    got = share(amount, column(weights)).tolist()
    assert got == reference.share(amount, weights)
    assert sum(got) == (amount if any(weights) else 0)


@given(
    amount=st.integers(0, 2**56),
    pairs=st.lists(
        st.tuples(
            st.one_of(st.integers(0, 9), st.integers(0, 2**50)),
            st.one_of(st.integers(0, 3), st.integers(0, 2**50)),
        ),
        max_size=30,
    ),
)
def test_water_filling_equals_the_plain_integers(amount: int, pairs: list[tuple[int, int]]) -> None:
    caps, weights = [cap for cap, _ in pairs], [weight for _, weight in pairs]
    got = water_fill(amount, column(caps), column(weights)).tolist()
    assert got == reference.water_fill(amount, caps, weights)
    assert sum(got) == min(amount, sum(cap for cap, weight in pairs if weight))
    assert all(take <= cap for take, cap in zip(got, caps, strict=True))


@given(seed=st.integers(0, 2**32 - 1), percent=st.integers(0, 110), spread=st.sampled_from([0.1, 1.0, 3.0]))
def test_water_filling_from_a_sampled_level_equals_the_plain_integers(
    seed: int, percent: int, spread: float
) -> None:
    # Above 8,192 rows a sample starts the level; the takes must not notice.
    random = np.random.default_rng(seed)
    caps = np.exp(random.normal(9.0, spread, 9_000)).astype(np.int64)
    weights = np.exp(random.normal(3.0, spread, 9_000)).astype(np.int64)
    amount = int(caps.sum()) * percent // 100
    got = water_fill(amount, caps, weights)
    few = min(amount, int(caps[weights > 0].sum()))
    assert int(got.sum()) == few
    assert got.tolist() == reference.water_fill(amount, caps.tolist(), weights.tolist())


@given(pairs=st.lists(st.tuples(int64, st.integers(1, 9)), min_size=1, max_size=60), data=st.data())
def test_the_cut_equals_that_of_a_sort(pairs: list[tuple[int, int]], data: st.DataObject) -> None:
    keys, weights = [key for key, _ in pairs], [weight for _, weight in pairs]
    need = data.draw(st.integers(1, sum(weights)))
    left = need
    for row in reference.ranking(keys):
        cut = keys[row]
        above = sum(weight for key, weight in pairs if key > cut)
        left = need - above
        if above + sum(weight for key, weight in pairs if key == cut) >= need:
            break
    assert select_cut(column(keys), column(weights), need) == (cut, left)
    assert rank_order(column(keys), np.arange(len(keys))).tolist() == reference.ranking(keys)


@given(st.integers(0, 2**60 - 1), st.integers(0, 2**60 - 1), st.integers(1, 2**60 - 1))
def test_ratios_are_exact_and_held(left: int, right: int, divisor: int) -> None:
    assert ratio_floor(left, right, divisor) == reference.held(left * right // divisor)


@given(st.integers(0, 2**51), st.integers(1, 2**60 - 1), st.integers(-2, 2))
def test_ratios_are_exact_beside_whole_quotients(quotient: int, divisor: int, offset: int) -> None:
    left = min(max(quotient + offset, 0), 2**60 - 1)
    assert ratio_floor(left, divisor, divisor) == reference.held(left)
    assert ratio_floor(divisor, left, divisor) == reference.held(left)


@given(drawn=rows(most=10), need=needs)
def test_a_policy_of_ones_own_needs_no_registration(drawn: list[Row], need: Need) -> None:
    def youngest_first(given_winners: Winners) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return given_winners.account

    own: Policy = RankedQueue("youngest-first", youngest_first)
    close = allocate(own, winners(drawn), need).close_lots
    backwards = list(reversed(range(len(drawn))))
    sizes = [row.size_lots for row in drawn]
    assert close.tolist() == reference.close_in_order(backwards, sizes, need.need_lots)
