"""Orders do what their words say, whatever else rests: seen from outside, over any commands.

What an order would fill is asked of the book beforehand (`reach.walk`) and compared with what it did; every
fill is checked against the numbers that its two orders were given and the fees that were posted.
"""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from support.desk import FEES, INVERSE, LINEAR, SPOT, START, Desk
from undertow.errors import Rejection
from undertow.venue.matching import taker_of
from undertow.venue.reach import walk
from undertow.venue.records import Cause, CommandKind, OrderFlag, SelfTrade, TimeInForce
from undertow.venue.state import COUNT_FILLS, COUNT_POSTINGS, REDUCE_EACH, REDUCE_ONLY_RULE, REDUCE_UNOFFERED

CUSTOMERS = 3
REDUCE_ONLY = int(OrderFlag.REDUCE_ONLY)

Step = tuple[int, ...]

STEPS = st.lists(
    st.tuples(
        st.sampled_from([CommandKind.NEW] * 5 + [CommandKind.AMEND, CommandKind.CANCEL]),
        st.integers(0, CUSTOMERS - 1),
        st.sampled_from([LINEAR, LINEAR, LINEAR, SPOT, INVERSE]),
        st.sampled_from([-1, 1]),
        st.integers(-3, 3),  # ticks from the start price
        st.integers(1, 9),
        st.sampled_from([0, 0, REDUCE_ONLY, OrderFlag.MARKET, OrderFlag.MARKET | REDUCE_ONLY]),
        st.sampled_from([0, 0, *TimeInForce]),
        st.integers(0, 30),
    ),
    max_size=40,
)


class Watch:
    """A desk and what was asked of it: which numbers were given to whom."""

    def __init__(self, rule: int, reduce_only: int, fees: tuple[int, int]) -> None:
        self.desk = Desk(CUSTOMERS, taker_fee_ppm=fees[0], maker_fee_ppm=fees[1])
        self.rule = rule
        self.desk.state.counters[REDUCE_ONLY_RULE] = reduce_only
        for wallet in self.desk.wallets:
            self.desk.do(CommandKind.DEPOSIT_ASSET, account=wallet, instrument=SPOT, size=20)
        self.owner: dict[int, int] = {}  # of every number ever given
        self.newest = [0]
        self.post_only: set[int] = set()

    def expected(self, fields: dict[str, int]) -> tuple[int, int, int]:
        """(lots, value, fees) that the book would give a new order without the reduce-only flag."""
        side, market = fields["side"], fields["flags"] & OrderFlag.MARKET
        limit = (999 if side > 0 else 1) if market else fields["price"]
        who = (fields["account"], fields["instrument"], side, limit, fields["size"])
        taken: tuple[int, int, int] = walk(self.desk.state, taker_of(*who, self.rule, 0, 0))
        return taken

    def send(self, kind: int, fields: dict[str, int]) -> None:
        """One command, and everything that its words promise."""
        state = self.desk.state
        counts = state.counters[[COUNT_FILLS, COUNT_POSTINGS]].copy()
        before = self.desk.row(fields["account"], fields["instrument"])[0]
        told = self.expected(fields) if kind == CommandKind.NEW else (0, 0, 0)
        answer = self.desk.do(kind, self_trade=self.rule, **fields)
        fills = state.fills[counts[0] : state.counters[COUNT_FILLS]]
        postings = state.postings[counts[1] : state.counters[COUNT_POSTINGS]]
        if kind == CommandKind.AMEND and answer.order >= 0:
            assert answer.order == fields["order"], "an amended order changed its number"
        elif answer.order >= 0:
            assert answer.order not in self.owner, "a number was given twice"
            self.owner[answer.order] = fields["account"]
            self.newest.append(answer.order)
        self.check_fills(answer.order, fills, postings)
        if kind == CommandKind.NEW:
            self.check_new(fields, answer, told, before)
        elif kind == CommandKind.AMEND and fields["order"] in self.post_only:
            assert answer.filled == 0, "a post-only order took"

    def check_fills(self, order: int, fills: Any, postings: Any) -> None:
        """Every fill names two orders, is numbered, and its fees are the postings' fees."""
        paid = 0
        for fill in fills:
            assert fill["taker_order"] == order and self.owner[order] == fill["taker"]
            assert self.owner[int(fill["maker_order"])] == fill["maker"]
            paid += int(fill["taker_fee"]) + int(fill["maker_fee"])
        numbers = [int(number) for number in fills["trade"]]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True
        fees = postings[postings["cause"] == Cause.FEE]
        house = [FEES, FEES + 8]
        posted = [int(row["amount"]) * (1 if row["target"] in house else -1) for row in fees]
        assert sum(posted) == paid

    def check_new(self, fields: dict[str, int], answer: Any, told: tuple[int, int, int], before: int) -> None:
        """Time in force, post-only and reduce-only of a new order."""
        force, size, side = fields["time_in_force"], fields["size"], fields["side"]
        market = bool(fields["flags"] & OrderFlag.MARKET)
        reducing = bool(fields["flags"] & REDUCE_ONLY)
        if force == TimeInForce.POST_ONLY:
            assert answer.filled == 0, "a post-only order took"
            self.post_only.add(answer.order)
        if market or force in (TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL):
            assert answer.resting == 0, "an immediate order rests"
        closes = min(size, max(-side * before, 0)) if reducing else size
        if force == TimeInForce.FILL_OR_KILL:
            offered = {0, closes} if self.desk.state.counters[REDUCE_ONLY_RULE] != REDUCE_UNOFFERED else None
            assert offered is None or answer.filled in offered, "a fill-or-kill order was filled in part"
        if reducing:
            assert answer.filled <= closes, "a reduce-only order went past the position"
        elif answer.code in (Rejection.NONE, Rejection.SELF_TRADE, Rejection.NO_LIQUIDITY):
            assert (answer.filled, answer.value) == told[:2], "the book gave something else than it held"
            assert answer.filled + answer.resting <= size


@given(
    steps=STEPS,
    rule=st.sampled_from(list(SelfTrade)),
    reduce_only=st.integers(REDUCE_EACH, REDUCE_UNOFFERED),
    fees=st.sampled_from([(0, 0), (501, -149), (1_001, 99)]),
)
@example(steps=[], rule=SelfTrade.ALLOW, reduce_only=REDUCE_EACH, fees=(0, 0))
def test_an_order_does_what_its_words_say(
    steps: list[Step], rule: SelfTrade, reduce_only: int, fees: tuple[int, int]
) -> None:
    watch = Watch(rule, reduce_only, fees)
    for kind, person, instrument, side, offset, size, flags, force, pick in steps:
        wallets = watch.desk.coins if instrument == INVERSE else watch.desk.wallets
        order = watch.newest[-1 - pick % len(watch.newest)]
        fields = {
            "account": watch.owner.get(order, 0) if kind != CommandKind.NEW else wallets[person],
            "instrument": instrument,
            "side": side,
            "price": START + offset,
            "size": size,
            "flags": int(flags),
            "time_in_force": int(force),
            "order": order,
        }
        watch.send(kind, fields)
