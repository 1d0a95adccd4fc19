"""The loss that resting orders hold back: the sum over an account is that of its orders, one by one."""

from __future__ import annotations

import pytest

from support.desk import ACCEPTED, INVERSE, LINEAR, Desk
from undertow.venue.open_loss import open_loss, order_loss
from undertow.venue.records import CommandKind


@pytest.mark.parametrize("instrument", [LINEAR, INVERSE])
@pytest.mark.parametrize("side", [1, -1])
def test_an_order_adds_to_the_sum_what_it_loses_itself(instrument: int, side: int) -> None:
    """A batch remembers the sum and adds each order that comes to rest; both are 0 short of the mark.

    An inverse value is rounded down and a requirement up, so at the mark, 97, where neither divides, an order
    is an atom short by rounding alone. Were it counted in one of the two, a batch would refuse an order that
    is admitted when it is sent alone.
    """
    for price in range(90, 106):
        desk = Desk(1)
        desk.state.instruments["unit"][INVERSE] = 1_000_003
        desk.state.markets["mark"][:] = 97
        account = desk.coins[0] if instrument == INVERSE else desk.wallets[0]
        answer = desk.do(
            CommandKind.NEW, account=account, instrument=instrument, side=side, size=7, price=price
        )
        assert answer.code == ACCEPTED
        loss = int(order_loss(desk.state, answer.order & 0xFFFFFFFF))
        assert loss == open_loss(desk.state, account)
        assert (loss > 0) == (side * (price - 97) > 0)
