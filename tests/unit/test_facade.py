"""The facade: what people may write at the door, what they get back, and that both doors are one."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from support.vectors import funded, plain_venue, trade
from undertow.errors import InvariantError, Rejection, UndertowError
from undertow.rulebook.load import load_rulebook
from undertow.venue.answers import SENTENCES, code_name
from undertow.venue.facade import Venue
from undertow.venue.records import COMMAND

PERP = "BTC-PERP"


def small_venue(**options: Any) -> tuple[Venue, int, int]:
    """A contract at 100,000, an asset at 3,800, and two accounts with a million."""
    venue = plain_venue("binance-2025", **options)
    venue.list_perpetual(PERP, tick="0.1", lot="0.001", price="100000")
    venue.list_asset("ETH", tick="0.1", lot="0.01", price="3800")
    return venue, funded(venue, "1000000"), funded(venue, "1000000", profile="multi")


BadCall = Callable[[Venue], object]

BAD_CALLS: dict[str, tuple[BadCall, str]] = {
    "a float": (
        lambda venue: venue.deposit(8, "USDT", 0.1),  # type: ignore[arg-type]
        "USDT: amount is the float 0.1; write it as text, '0.1', so that it is exact",
    ),
    "not a number": (
        lambda venue: venue.place(8, PERP, side="buy", size="NaN"),
        "BTC-PERP: size is NaN; it must be a finite number",
    ),
    "infinite": (
        lambda venue: venue.place(8, PERP, side="buy", size="1", price="Infinity"),
        "BTC-PERP: price is Infinity; it must be a finite number",
    ),
    "no number at all": (
        lambda venue: venue.place(8, PERP, side="buy", size="ten"),
        "BTC-PERP: size is 'ten', which is no number; write it like '12.5'",
    ),
    "nothing": (
        lambda venue: venue.place(8, PERP, side="buy", size=None),  # type: ignore[arg-type]
        "BTC-PERP: size is None; give a number as text, such as '12.5', or as a Decimal",
    ),
    "true": (
        lambda venue: venue.set_index(PERP, True),
        "BTC-PERP: price is True; give a number as text, such as '12.5', or as a Decimal",
    ),
    "negative": (
        lambda venue: venue.withdraw(8, "USDT", "-1"),
        "USDT: amount is -1; it must be above 0",
    ),
    "zero": (
        lambda venue: venue.place(8, PERP, side="sell", size=0),
        "BTC-PERP: size is 0; it must be above 0",
    ),
    "a size off the grid": (
        lambda venue: venue.place(8, PERP, side="buy", size="0.0015"),
        "BTC-PERP: size is 0.0015, not a multiple of the lot, 0.001; the nearest is 0.001 or 0.002",
    ),
    "a size below the grid": (
        lambda venue: venue.place(8, PERP, side="buy", size="0.0005"),
        "BTC-PERP: size is 0.0005, not a multiple of the lot, 0.001; the nearest is 0.001",
    ),
    "a price off the grid": (
        lambda venue: venue.set_index(PERP, "100000.05"),
        "BTC-PERP: price is 100000.05, not a multiple of the tick, 0.1; the nearest is 100000.0 or 100000.1",
    ),
    "a price beyond the grid": (
        lambda venue: venue.place(8, PERP, side="buy", size="1", price="10000000"),
        "BTC-PERP: price is 10000000, beyond the highest this listing takes, 9999999.9",
    ),
    "a price that would fill the memory": (
        lambda venue: venue.set_index(PERP, "1e999999"),
        "BTC-PERP: price is 1E+999999, which is too large",
    ),
    "a size of a thousand digits": (
        lambda venue: venue.place(8, PERP, side="buy", size="1e-999999"),
        "BTC-PERP: size is 1E-999999, not a multiple of the lot, 0.001; the nearest is 0.001",
    ),
    "more than there can be": (
        lambda venue: venue.deposit(8, "USDT", "2000000000000"),
        "USDT: amount is 2000000000000, which is too large",
    ),
    "a smaller part than there is": (
        lambda venue: venue.deposit(8, "USDT", "1.0000001"),
        "USDT: amount is 1.0000001, not a multiple of the smallest unit of USDT, 0.000001; "
        "the nearest is 1.000000 or 1.000001",
    ),
    "an unknown instrument": (
        lambda venue: venue.place(8, "BTCPERP", side="buy", size="1"),
        "instrument 'BTCPERP' is unknown; did you mean 'BTC-PERP'?",
    ),
    "an unknown asset": (
        lambda venue: venue.deposit(8, "USD", "1"),
        "asset 'USD' is unknown; did you mean 'USDT'?",
    ),
    "an unknown account": (
        lambda venue: venue.account(99),
        "account 99 is unknown; accounts are the numbers 0 to 9",
    ),
    "an account by name": (
        lambda venue: venue.cancel_all("alice"),  # type: ignore[arg-type]
        "account 'alice' is unknown; accounts are the numbers 0 to 9",
    ),
    "an unknown side": (
        lambda venue: venue.place(8, PERP, side="long", size="1"),
        "side 'long' is unknown; known: buy, sell",
    ),
    "an unknown time in force": (
        lambda venue: venue.place(8, PERP, side="buy", size="1", price="1", time_in_force="fok"),
        "time_in_force 'fok' is unknown; "
        "known: fill-or-kill, good-till-cancelled, immediate-or-cancel, post-only",
    ),
    "an unknown profile": (
        lambda venue: venue.open_account("portfoli"),
        "profile 'portfoli' is unknown; did you mean 'portfolio'?",
    ),
    "an unknown settlement asset": (
        lambda venue: venue.open_account(settlement="EUR"),
        "settlement asset 'EUR' is unknown; known: USDT",
    ),
    "an unknown house account": (
        lambda venue: venue.house("funds"),
        "house account 'funds' is unknown; did you mean 'fund'?",
    ),
    "no leverage": (
        lambda venue: venue.set_leverage(8, "0.5"),
        "leverage is 0.5; give a number from 1 to 1000",
    ),
    "an order that is no number": (
        lambda venue: venue.cancel(8, None),  # type: ignore[arg-type]
        "order is None; give the number that `place` returned as `order`",
    ),
    "half a second": (
        lambda venue: venue.step(0.5),  # type: ignore[arg-type]
        "seconds is 0.5; give a whole number of seconds, at least 1",
    ),
    "a name taken": (
        lambda venue: venue.list_perpetual(PERP, "0.1", "0.001"),
        "'BTC-PERP' is listed already; choose another name",
    ),
    "one constituent too many": (
        lambda venue: venue.set_index(PERP, {"A": "1", "B": "2"}),
        "BTC-PERP: no room for constituent 'B' beside 'A'; open the venue with a larger constituents=N",
    ),
    "one constituent too many of a market that waits for its price": (
        lambda venue: venue.set_index("SOL-PERP", {"A": "1", "B": "2"}),
        "SOL-PERP: no room for constituent 'B' beside 'A'; open the venue with a larger constituents=N",
    ),
    "a weight of a market that waits for its price": (
        lambda venue: venue.set_index("SOL-PERP", {"A": "1"}, weights={"A": "2"}),
        "weight of 'A' is 2; a weight is a share of the whole, from '0.000001' to '1'",
    ),
    "a price off the grid of a market that waits for its price": (
        lambda venue: venue.set_index("SOL-PERP", "1.005"),
        "SOL-PERP: price is 1.005, not a multiple of the tick, 0.01; the nearest is 1.00 or 1.01",
    ),
    "no constituent": (
        lambda venue: venue.set_index(PERP, {}),
        "BTC-PERP: no constituent is given; give at least one price",
    ),
    "a credit limit below nothing": (
        lambda venue: venue.set_privileges(8, credit_limit="-5"),
        "credit_limit is -5; it must be above 0",
    ),
    "a backstop without means": (
        lambda venue: venue.open_backstop(),
        "capital is missing; the rulebook's backstop is 'fund', so say how much it has",
    ),
    "a margin that is not there": (
        lambda venue: venue.open_isolated(8, "2000000"),
        "2000000.000000 USDT cannot leave account 8: equity would not cover the initial margin",
    ),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_a_call_that_cannot_be_meant(name: str) -> None:
    """One sentence, nothing changed: no wallet, no market, no constituent, no price."""
    venue, _one, _two = small_venue()
    venue.list_perpetual("SOL-PERP", tick="0.01", lot="1")
    before = everything(venue)
    call, sentence = BAD_CALLS[name]
    with pytest.raises(UndertowError) as caught:
        call(venue)
    assert str(caught.value) == sentence
    assert everything(venue) == before


def everything(venue: Venue) -> tuple[Any, ...]:
    """What a call at the prompt could have changed."""
    board = venue._board
    outside = [array.tobytes() for array in board.snapshot()]
    return venue.state_hash(), outside, {**board.constituents}, {**board.instruments}, {**board.waiting}


def test_listing_needs_a_price_and_comes_before_the_first_step() -> None:
    venue = Venue("binance-2025", instruments=2)
    venue.list_perpetual(PERP, tick="0.1", lot="0.001")
    account = funded(venue, "1000")
    for call in (lambda: venue.step(), lambda: venue.place(account, PERP, side="buy", size="1")):
        with pytest.raises(UndertowError, match="'BTC-PERP' has no price yet; give one to `set_index`"):
            call()
    venue.set_index(PERP, "50000")
    venue.step()
    assert venue.market(PERP).mark == 50_000
    with pytest.raises(UndertowError, match="'X' comes too late: instruments are listed before the first"):
        venue.list_perpetual("X", tick="1", lot="1", price="1")


def test_the_room_for_instruments_is_said() -> None:
    venue = Venue("binance-2025", instruments=1)
    venue.list_perpetual(PERP, tick="0.1", lot="0.001")
    with pytest.raises(UndertowError, match="there is no room for 'ETH'; open the venue with a larger"):
        venue.list_asset("ETH", tick="0.1", lot="0.01", price="3800")


def test_a_tick_too_fine_for_the_settlement_asset_is_refused() -> None:
    venue = Venue("binance-2025")
    with pytest.raises(UndertowError) as caught:
        venue.list_perpetual(PERP, tick="0.0001", lot="0.001", price="1000")
    assert str(caught.value) == (
        "BTC-PERP: tick x lot in settlement units is 0.1, not a positive whole number; "
        "choose a coarser tick or lot"
    )


def test_every_rejection_has_a_sentence() -> None:
    assert set(SENTENCES) == set(Rejection)
    assert len(set(SENTENCES.values())) == len(SENTENCES)
    assert code_name(int(Rejection.FOK_NOT_FILLABLE)) == "fok-not-fillable"


def test_a_refused_command_is_a_result() -> None:
    venue, one, _two = small_venue()
    refused = venue.place(one, PERP, side="buy", size="1000", price="100000")
    assert not refused.accepted
    assert (refused.code, refused.order, refused.filled) == ("insufficient-margin", None, 0)
    assert refused.sentence == "equity would not cover the initial margin"
    assert venue.cancel(one, 5).code == "unknown-order"
    assert venue.amend(one, 5, size="1").code == "unknown-order"
    assert venue.withdraw(one, "ETH", "1").code == "insufficient-balance"


def test_orders_from_the_door_to_the_view() -> None:
    venue, one, two = small_venue()
    order = venue.place(one, PERP, side="buy", size="2", price="99000").order
    assert order is not None
    assert venue.amend(one, order, size="1.5").order == order  # less at the same price keeps its place
    moved = venue.amend(one, order, price="99500")
    assert (moved.accepted, moved.order, moved.resting) == (True, order, Decimal("1.5"))
    view = venue.account(one).orders
    assert [(row.side, row.size, row.price, row.reduce_only) for row in view] == [
        ("buy", Decimal("1.5"), 99500, False)
    ]
    sold = venue.place(two, PERP, side="sell", size="2", price="99400", time_in_force="immediate-or-cancel")
    assert (sold.accepted, sold.filled, sold.average_price, sold.resting) == (True, Decimal("1.5"), 99500, 0)
    (fill,) = venue.history().fills
    assert (fill.trade, fill.taker_order, fill.maker_order) == (1, sold.order, order)
    fees = [row.amount for row in venue.history().postings if row.cause == "fee"]
    assert fees == []  # read with the fills
    assert venue.place(two, PERP, side="buy", size="1", reduce_only=True).code == "no-liquidity"
    venue.place(one, PERP, side="buy", size="1", price="90000")
    venue.place(one, "ETH", side="buy", size="1", price="3000")
    assert venue.cancel_all(one, "ETH") == 1
    assert venue.cancel_all(one) == 1
    venue.audit()


def test_an_average_price_over_two_levels() -> None:
    venue, one, two = small_venue()
    venue.place(two, PERP, side="sell", size="1", price="100000")
    venue.place(two, PERP, side="sell", size="2", price="100000.1")
    bought = venue.place(one, PERP, side="buy", size="3", price="100001")
    assert bought.average_price == Decimal("100000.0666667")  # six digits below the tick
    row = venue.account(one).holding(PERP)
    assert row is not None and row.average_entry == bought.average_price
    assert row.value + row.unrealised == 2 * row.value - Decimal("300000.2")


def test_wallets_of_one_owner() -> None:
    venue, one, two = small_venue()
    isolated = venue.open_isolated(one, "1000", leverage="20")
    view = venue.account(isolated)
    assert (view.owner, view.profile, view.cash) == (one, "isolated", 1000)
    trade(venue, PERP, isolated, two, "0.1", "100000")
    assert venue.account(isolated).initial_margin == 500
    assert venue.transfer(isolated, one, "600").code == "insufficient-margin"
    assert venue.transfer(isolated, one, "500").accepted
    assert venue.transfer(isolated, two, "1").code == "not-owner"
    assert venue.account(one).cash == 999_500


def test_assets_come_and_go_under_their_own_name() -> None:
    venue, _one, two = small_venue()
    assert venue.deposit(two, "ETH", "10").accepted
    assert venue.account(two).collateral_value == 1_000_000 + 38_000 * Decimal("0.95")
    assert venue.withdraw(two, "ETH", "10.01").code == "insufficient-balance"
    assert venue.withdraw(two, "ETH", "10").accepted
    assert venue.account(two).holdings == ()


def test_history_is_what_happened_since_the_last_look() -> None:
    venue, one, two = small_venue()
    venue.history()
    venue.set_privileges(one, exempt=True)
    trade(venue, PERP, one, two, "1", "100000")
    history = venue.history()
    assert [(row.taker, row.maker, row.side, row.size, row.price) for row in history.fills] == [
        (one, two, "buy", 1, 100_000)
    ]
    venue.withdraw(one, "USDT", "5")
    gone = venue.history().postings[-1]
    assert (gone.cause, gone.source, gone.target, gone.asset) == ("withdrawal", one, None, "USDT")
    assert gone.amount == 5
    assert venue.history() == type(history)((), (), ())


def test_an_exempt_account_is_left_alone() -> None:
    venue, one, two = small_venue()
    trade(venue, PERP, one, two, "90", "100000")
    venue.set_privileges(one, exempt=True)
    venue.set_index(PERP, "80000")
    venue.step()
    assert venue.account(one).standing == "bankrupt" and not venue.account(one).liquidatable
    venue.set_privileges(one, exempt=False)
    venue.step()
    assert venue.account(one).holdings == ()


def test_an_empty_wallet_is_nobody_s_to_liquidate() -> None:
    """Equality with maintenance triggers under this rulebook, and nothing equals nothing."""
    venue, _one, _two = small_venue()
    view = venue.account(venue.open_account())
    assert (view.standing, view.liquidatable, view.margin_fraction) == ("free", False, None)


def test_numbers_do_not_depend_on_the_caller_s_decimal_context() -> None:
    rulebook = load_rulebook("binance-2025")

    def run() -> tuple[str, Any]:
        venue = Venue(rulebook)
        venue.list_perpetual(PERP, tick="0.1", lot="0.001", price="100000")
        one, two = funded(venue, "1000000"), funded(venue, "1000000")
        trade(venue, PERP, one, two, "1.234", "100000.1")
        venue.step()
        return venue.state_hash(), venue.account(one)

    expected = run()
    with decimal.localcontext() as context:
        context.prec = 3
        assert run() == expected


def test_the_audit_says_what_the_venue_holds() -> None:
    venue, one, _two = small_venue()
    assert venue.audit() == {"USDT": 2_000_000}
    venue.engine.state.accounts["cash"][one] += 1
    with pytest.raises(InvariantError, match="cash of settlement asset 0 is off by 1 units"):
        venue.audit()


def test_a_snapshot_goes_back_to_the_byte() -> None:
    venue, one, two = small_venue()
    trade(venue, PERP, one, two, "90", "100000")
    saved, before = venue.snapshot(), venue.state_hash()

    def crash() -> str:
        venue.set_index(PERP, "80000")
        venue.step(5)
        return venue.state_hash()

    first = crash()
    venue.restore(saved)
    assert (venue.state_hash(), venue.now) == (before, 0)
    assert crash() == first != before


def busy_day(venue: Venue, act: Callable[[str], None]) -> None:
    """Deposits, orders of every kind, refusals, a fall with liquidations; `act` is told when a step comes."""
    accounts = [funded(venue, "200000") for _ in range(4)]
    wallet = venue.open_account(profile="isolated", owner=accounts[0])
    venue.transfer(accounts[0], wallet, "5000")
    for level in range(10):
        price = Decimal(100_000) - 50 * level
        venue.place(accounts[0], PERP, side="buy", size="1", price=price)
        venue.place(accounts[1], PERP, side="sell", size="1", price=price + 600)
    act("step")
    venue.place(accounts[2], PERP, side="buy", size="9")
    venue.place(accounts[3], PERP, side="sell", size="9")
    order = venue.place(wallet, PERP, side="buy", size="0.1", price="100000").order
    if order is not None:
        venue.amend(wallet, order, size="0.05")
        venue.cancel(wallet, order)
        venue.cancel(wallet, order)  # refused
    venue.place(accounts[2], PERP, side="sell", size="1", price="100200", reduce_only=True)
    venue.cancel_all(accounts[1])
    venue.withdraw(accounts[3], "USDT", "150000")
    act("step")
    venue.set_index(PERP, "75000")
    act("step")
    act("step")


def test_both_doors_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same commands one by one in words, and as one array a step."""
    by_words, one, two = small_venue()
    engine = by_words.engine
    sent: list[NDArray[np.void]] = []
    batches: list[NDArray[np.void]] = []
    submit = engine.submit

    def record(commands: NDArray[np.void]) -> NDArray[np.void]:
        sent.append(commands.copy())
        return submit(commands)

    monkeypatch.setattr(engine, "submit", record)
    hashes: list[str] = []

    def step(_what: str) -> None:
        batches.append(np.concatenate([np.zeros(0, COMMAND), *sent]))
        sent.clear()
        by_words.step()
        hashes.append(by_words.state_hash())

    busy_day(by_words, step)

    by_arrays, _one, _two = small_venue()
    for _ in range(4):
        by_arrays.open_account()
    by_arrays.open_account(profile="isolated", owner=10)
    found = []
    for number, batch in enumerate(batches):
        by_arrays.engine.submit(batch)
        if number == 2:
            by_arrays.set_index(PERP, "75000")
        by_arrays.step()
        found.append(by_arrays.state_hash())
    assert found == hashes
    assert len(set(hashes)) == len(hashes)
    liquidated = {event.kind for event in by_arrays.history().events}
    assert "liquidation-start" in liquidated
    assert (one, two) == (8, 9)


def test_a_backstop_is_given_its_means() -> None:
    providers = Venue("ftx-2022")
    accounts = providers.open_backstop("500000", providers=3)
    assert [providers.account(account).role for account in accounts] == ["provider"] * 3
    assert {providers.account(account).cash for account in accounts} == {500_000}
    with pytest.raises(UndertowError, match="providers is 0; give a whole number from 1 to 1000"):
        providers.open_backstop("1", providers=0)
    vault = Venue("hyperliquid-2025")
    assert vault.open_backstop() == [vault.house("vault")]
    assert vault.account(vault.house("vault")).cash == 300_000_000
    fund = Venue("binance-2025")
    assert fund.open_backstop("1000") == [fund.house("fund")] and fund.fund() == 1000
    with pytest.raises(UndertowError, match="rulebook 'dydx-v4' has no backstop; choose another"):
        Venue("dydx-v4").open_backstop("1")


def test_daily_volume_caps_the_forced_orders_of_a_second() -> None:
    """A ten-thousandth of it: two coins against a position of thirty, and the jitter on top."""
    every_second = {"liquidation.probability_ppm": 1_000_000}
    venue = plain_venue("ftx-2022", every_second, paced=True)
    venue.list_perpetual(PERP, tick="0.1", lot="0.001", price="10000")
    venue.set_daily_volume(PERP, "20000")
    account, other = funded(venue, "20000"), funded(venue, "10000000")
    trade(venue, PERP, account, other, "30", "10000")
    venue.place(other, PERP, side="buy", size="100", price="9500")
    venue.set_index(PERP, "9600")
    venue.step()
    orders = [event.size for event in venue.history().events if event.kind == "liquidation-order"]
    assert len(orders) == 1 and 1 <= orders[0] <= 3


def test_a_rulebook_by_name_or_built() -> None:
    assert Venue("binance-2025").rulebook == load_rulebook("binance-2025")
    assert Venue(load_rulebook("bitmex-2020")).rulebook.name == "bitmex-2020"
