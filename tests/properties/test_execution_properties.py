"""Whatever commands arrive: money and contracts are conserved, and reservations return to zero when drained.

The desk proves sums, reservations, own-order lists and free lists from scratch after every command.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from support.desk import INVERSE, LINEAR, SPOT, START, Desk
from undertow.venue.records import CommandKind, OrderFlag, SelfTrade, TimeInForce
from undertow.venue.state import LIVE_ORDERS

CUSTOMERS = 3

STEPS = st.lists(
    st.tuples(
        st.sampled_from([CommandKind.NEW] * 8 + list(CommandKind)),
        st.integers(0, CUSTOMERS - 1),
        st.sampled_from([LINEAR, INVERSE, SPOT]),
        st.sampled_from([-1, 1]),
        st.integers(-6, 6),  # ticks from the start price
        st.integers(1, 2_000),
        st.sampled_from([0, 0, 0, OrderFlag.REDUCE_ONLY, OrderFlag.REDUCE_ONLY, OrderFlag.MARKET]),
        st.sampled_from(list(TimeInForce)),
        st.integers(0, 30),
    ),
    max_size=40,
)


@given(steps=STEPS, rule=st.sampled_from(list(SelfTrade)), fees=st.sampled_from([(0, 0), (501, -149)]))
def test_the_books_balance_and_reservations_drain(
    steps: list[tuple[int, ...]], rule: SelfTrade, fees: tuple[int, int]
) -> None:
    desk = Desk(CUSTOMERS, taker_fee_ppm=fees[0], maker_fee_ppm=fees[1])
    orders: list[int] = [0]
    for kind, person, instrument, side, offset, size, flags, force, pick in steps:
        wallets = desk.coins if instrument == INVERSE else desk.wallets
        answer = desk.do(
            kind,
            account=wallets[person],
            counterparty=wallets[pick % CUSTOMERS],
            instrument=instrument,
            side=side,
            price=START + offset,
            size=size,
            flags=flags,
            time_in_force=force,
            self_trade=rule,
            order=orders[-1 - pick % len(orders)],
        )
        if answer.order >= 0:
            orders.append(answer.order)
    for account in (*desk.wallets, *desk.coins):
        desk.do(CommandKind.CANCEL_ALL, account=account, instrument=-1)
    assert desk.state.counters[LIVE_ORDERS] == 0
    for account in range(int(desk.state.counters[0])):
        for instrument in (LINEAR, INVERSE, SPOT):
            assert desk.row(account, instrument)[2:] == (0, 0)
