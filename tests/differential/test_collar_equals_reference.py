"""Orders of leavers: the compiled loop writes the commands that array operations write."""

from __future__ import annotations

import numpy as np
import pytest

from support.crowd_market import make_market, make_view
from undertow.crowd.collar import Door, Held, collared, collared_reference
from undertow.venue.records import OrderFlag

COINS = 3


@pytest.mark.parametrize("seed", range(40))
def test_collared_equals_reference(seed: int) -> None:
    """Many rows in few books, so that budgets run out; some books have an empty side."""
    draw = np.random.default_rng(seed)
    rows = int(draw.integers(0, 50))
    view = make_view(1)._replace(
        bid_ticks=draw.integers(0, 3, COINS) * draw.integers(1, 90_000, COINS),
        ask_ticks=draw.integers(0, 3, COINS) * draw.integers(1, 90_000, COINS),
    )
    market = make_market()
    depth = draw.integers(0, 10**13, (COINS, 2))
    held = Held(
        draw.integers(0, 1_000, rows),
        draw.integers(0, COINS, rows),
        draw.integers(-(10 ** int(draw.integers(1, 9))), 10 ** int(draw.integers(1, 9)), rows),
    )
    door = Door(0.003 * (1 + seed), 0.02)
    for flags in (OrderFlag.NONE, OrderFlag.REDUCE_ONLY):
        found = collared(view, market, depth, door, held, flags)
        expected = collared_reference(view, market, depth, door, held, flags)
        assert found.dtype == expected.dtype
        assert found.tobytes() == expected.tobytes()
