"""The crowd as a whole: the order of arrival, common random numbers, and a small venue that stays calm.

The order is drawn because sells first, buys first and random order give different lows (modelling notes 7.3).
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from support.crowd_venue import VOLATILITY, Venue, make_venue, play, view_of
from undertow import streams
from undertow.crowd.arrivals import blocks_of, in_random_order
from undertow.crowd.rules_actors import NoiseRules
from undertow.crowd.view import Commands, cancel_all, new_orders, nothing, together

STEPS = 120


def outside_path(venue: Venue, fall: float = 0.0) -> NDArray[np.float64]:
    """A calm random walk outside, with a straight fall over the whole of it."""
    start = venue.crowd.gauges.start_ticks
    steps = np.arange(STEPS, dtype=np.int64)
    walk = [np.cumsum(streams.normal(3, f"walk {coin}", 0, steps)) for coin in range(2)]
    logs = np.stack(walk, axis=1) * VOLATILITY / 60**0.5 + np.log1p(-fall) * (steps[:, None] + 1) / STEPS
    return np.asarray(start * np.exp(logs))


def batch(accounts: list[int], size: int) -> Commands:
    """A cancellation and two orders for each account in instrument 0."""
    parts = []
    for account in accounts:
        one, two = np.array([account]), np.array([account, account])
        orders = new_orders(two, np.zeros(2, np.int64), np.array([1, -1]), np.array([9, 11]), two * 0 + size)
        parts += [cancel_all(one, np.zeros(1, np.int64)), orders]
    return together(parts)


def test_no_command_is_lost_or_parted_from_its_block() -> None:
    spoken = [batch([1, 2, 3, 4], 5), nothing(), batch([11, 12], 7)]
    mixed = in_random_order([("a", 1), ("b", 0), ("c", 11)], spoken, 1, 9)
    assert sorted(map(bytes, mixed)) == sorted(map(bytes, together(spoken)))
    starts, _ids = blocks_of(mixed)
    assert starts.tolist() == [0, 3, 6, 9, 12, 15]
    assert mixed["kind"].reshape(6, 3).tolist() == [[3, 0, 0]] * 6
    assert mixed["account"].tolist() != together(spoken)["account"].tolist()


def test_the_order_is_new_every_step_and_the_same_when_repeated() -> None:
    spoken = [batch(list(range(1, 30)), 5)]
    orders = [in_random_order([("a", 1)], spoken, 1, step)["account"].tolist() for step in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


def test_without_one_actor_the_others_keep_their_order() -> None:
    first, second = batch(list(range(1, 20)), 5), batch(list(range(50, 90)), 7)
    both = in_random_order([("a", 1), ("b", 50)], [first, second], 1, 4)
    alone = in_random_order([("a", 1), ("b", 50)], [first, nothing()], 1, 4)
    assert both[both["account"] < 50].tobytes() == alone.tobytes()


def test_more_wallets_of_one_actor_leave_the_order_of_the_others() -> None:
    """An actor's wallets may begin elsewhere; its blocks are drawn by their place in it."""
    here, there = batch(list(range(50, 90)), 7), batch(list(range(250, 290)), 7)
    before = in_random_order([("b", 50)], [here], 1, 4)
    after = in_random_order([("b", 250)], [there], 1, 4)
    assert (before["account"] + 200).tolist() == after["account"].tolist()


def test_nobody_speaking_is_no_command() -> None:
    assert len(in_random_order([("a", 1), ("b", 50)], [nothing(), nothing()], 1, 1)) == 0


def test_joined_commands_equal_numpys_own_joining() -> None:
    parts = [batch([3], 1), nothing(), batch([4, 5], 2)]
    assert together(parts).tobytes() == np.concatenate(parts).tobytes()


def test_an_actor_that_is_off_changes_no_draw_of_the_others() -> None:
    """In the first step nothing has traded yet, so what the others say must not change at all."""
    full, quiet = make_venue(), make_venue(noise=NoiseRules(active=False))
    said = []
    for venue in (full, quiet):
        start = venue.crowd.gauges.start_ticks
        commands = venue.crowd.act(view_of(venue.engine, 1, start))
        books = venue.crowd.noise.accounts
        said.append(commands[~np.isin(commands["account"], books)])
    assert len(said[1]) > 500
    assert said[0].tobytes() == said[1].tobytes()


@pytest.fixture(scope="module")
def calm() -> tuple[Venue, NDArray[np.float64], NDArray[np.float64]]:
    venue = make_venue()
    outside = outside_path(venue)
    return venue, outside, play(venue, outside)


def test_a_calm_venue_follows_the_outside(
    calm: tuple[Venue, NDArray[np.float64], NDArray[np.float64]],
) -> None:
    venue, outside, own = calm
    assert np.abs(own[5:] / outside[5:] - 1.0).max() < 0.005
    assert (venue.engine.state.markets["volume_lots"][:2] > 0).all()
    venue.engine.audit()


def test_a_calm_venue_refuses_few_commands() -> None:
    venue = make_venue()
    outside = outside_path(venue)
    play(venue, outside[:20])
    commands = venue.crowd.act(view_of(venue.engine, 21, outside[20]))
    codes = venue.engine.submit(commands)["code"][: len(commands)]
    assert len(commands) > 50 and np.count_nonzero(codes) < 0.05 * len(commands)


def test_in_a_calm_venue_makers_stay_and_few_leave(
    calm: tuple[Venue, NDArray[np.float64], NDArray[np.float64]],
) -> None:
    venue = calm[0]
    assert (venue.crowd.makers._alive(float(STEPS)) == 1.0).all()
    assert venue.crowd.makers.capital.sum() > 0.99e8
    assert venue.crowd.traders.exits.queued.mean() < 0.02


def test_the_same_crowd_twice_is_the_same_to_the_byte(
    calm: tuple[Venue, NDArray[np.float64], NDArray[np.float64]],
) -> None:
    again = make_venue()
    play(again, calm[1])
    assert again.engine.state_hash() == calm[0].engine.state_hash()
    for name, array in again.crowd.memory().items():
        assert array.tobytes() == calm[0].crowd.memory()[name].tobytes(), name


def test_memory_restores_the_crowd() -> None:
    venue = make_venue()
    outside = outside_path(venue, fall=0.05)
    play(venue, outside[:40])
    saved = {name: array.copy() for name, array in venue.crowd.memory().items()}
    snapshot = venue.engine.snapshot()
    said = []
    for _ in range(2):
        for name, array in venue.crowd.memory().items():
            array[...] = saved[name]
        venue.engine.restore(snapshot)
        view = view_of(venue.engine, 41, outside[40])
        said.append(venue.crowd.act(view).tobytes())
    assert said[0] == said[1] and len(said[0]) > 0


def test_a_fast_fall_is_followed_and_makers_thin_out() -> None:
    venue = make_venue()
    outside = outside_path(venue, fall=0.08)
    own = play(venue, outside)
    venue.engine.audit()
    assert own[-1, 0] / own[0, 0] < 0.95
    assert venue.crowd.depth_removed().sum() > 0
    assert (venue.crowd.makers._alive(float(STEPS)) < 1.0).any()
