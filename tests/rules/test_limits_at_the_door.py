"""What the door refuses because it would be too large: one unit below a limit passes, one above does not.

Sums count as single amounts do: of a wallet, of an account's positions, of an asset in the whole venue.
"""

from __future__ import annotations

import numpy as np
import pytest

from support.desk import ACCEPTED, INVERSE, LINEAR, SPOT, Desk
from undertow.errors import CapacityError, InputError, InvariantError, Rejection
from undertow.units import AMOUNT_LIMIT
from undertow.venue.facade import Venue
from undertow.venue.inject import Holders, place_population
from undertow.venue.ledger import deposit
from undertow.venue.limits import ASSET_SHARE, MAXIMUM_CONSTITUENTS, POSITION_LIMIT
from undertow.venue.records import CommandKind
from undertow.venue.setup import open_account, open_accounts
from undertow.venue.state import HOUSE_CLEARING

PERP = "BTC-PERP"


@pytest.fixture
def desk() -> Desk:
    """Four customers without money; sizes up to a million lots at up to 1000 ticks of 10 units."""
    return Desk(cash=1)


def give(desk: Desk, account: int, amount: int) -> int:
    """The code of a deposit."""
    return desk.do(CommandKind.DEPOSIT, account=account, size=amount).code


def give_asset(desk: Desk, account: int, lots: int) -> int:
    """The code of a deposit of the asset."""
    return desk.do(CommandKind.DEPOSIT_ASSET, account=account, instrument=SPOT, size=lots).code


@pytest.mark.parametrize("over", [0, 1])
def test_deposits_of_one_wallet_together(desk: Desk, over: int) -> None:
    """Two deposits, each allowed alone; together they may reach AMOUNT_LIMIT and not pass it."""
    desk.do(CommandKind.WITHDRAW, account=desk.wallets[1], size=1)
    desk.do(CommandKind.WITHDRAW, account=desk.wallets[2], size=1)
    desk.do(CommandKind.WITHDRAW, account=desk.wallets[3], size=1)
    assert give(desk, desk.wallets[0], AMOUNT_LIMIT // 2) == ACCEPTED
    rest = AMOUNT_LIMIT - desk.cash(desk.wallets[0]) + over
    assert give(desk, desk.wallets[0], rest) == (Rejection.AMOUNT_LIMIT if over else ACCEPTED)


@pytest.mark.parametrize("over", [0, 1])
def test_deposits_of_all_wallets_together(desk: Desk, over: int) -> None:
    """No wallet is near the limit; the settlement asset's total is."""
    for wallet in desk.wallets[:3]:
        assert give(desk, wallet, AMOUNT_LIMIT // 4) == ACCEPTED
    rest = AMOUNT_LIMIT - int(desk.state.net_deposits[0]) + over
    assert give(desk, desk.wallets[3], rest) == (Rejection.AMOUNT_LIMIT if over else ACCEPTED)
    assert int(desk.state.net_deposits[0]) <= AMOUNT_LIMIT


def test_thousands_of_largest_deposits_never_wrap(desk: Desk) -> None:
    """Nine of them came to minus trillions, and the audit passed."""
    codes = [give(desk, desk.wallets[turn % 4], AMOUNT_LIMIT) for turn in range(12)]
    assert codes == [Rejection.AMOUNT_LIMIT] * 12
    assert all(desk.cash(wallet) == 1 for wallet in desk.wallets)


@pytest.mark.parametrize("over", [0, 1])
def test_a_transfer_fills_a_wallet_no_further(desk: Desk, over: int) -> None:
    source = desk.wallets[0]
    target = open_account(desk.state, 0, 0, owner=source)
    desk.state.accounts["cash"][target] = AMOUNT_LIMIT - 10  # profits, which no door sees
    desk.state.net_deposits[0] += AMOUNT_LIMIT - 10
    deposit(desk.state, source, 20)
    sent = desk.do(CommandKind.TRANSFER, account=source, counterparty=target, size=10 + over)
    assert sent.code == (Rejection.AMOUNT_LIMIT if over else ACCEPTED)


@pytest.mark.parametrize("over", [0, 1])
def test_deposits_of_an_asset_together(desk: Desk, over: int) -> None:
    """A wallet may hold an instrument's largest position, the venue ASSET_SHARE times that."""
    most = int(desk.state.instruments["maximum_lots"][SPOT])
    assert give_asset(desk, desk.wallets[0], most - 1) == ACCEPTED
    assert give_asset(desk, desk.wallets[0], 1 + over) == (Rejection.POSITION_LIMIT if over else ACCEPTED)
    for wallet in desk.wallets[1:ASSET_SHARE]:
        assert give_asset(desk, wallet, most - (1 if wallet == desk.wallets[3] else 0)) == ACCEPTED
    another = open_account(desk.state, 0, 0)
    rest = ASSET_SHARE * most - int(desk.state.net_deposits[16 + SPOT])
    code = give_asset(desk, another, rest + over)
    assert code == (Rejection.AMOUNT_LIMIT if over else ACCEPTED)


@pytest.mark.parametrize("instrument", [LINEAR, INVERSE])
@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("over", [0, 1])
def test_a_position_with_its_open_orders(desk: Desk, instrument: int, side: int, over: int) -> None:
    """Orders of a third each: the last may fill the limit and not pass it, resting or filled."""
    wallets = desk.coins if instrument == INVERSE else desk.wallets
    for wallet in wallets[:2]:
        give(desk, wallet, 10**15)
    most = int(desk.state.instruments["maximum_lots"][instrument])
    third = most // 3
    who, other = wallets[0], wallets[1]
    fields = {"account": who, "side": side, "size": third, "price": 100, "instrument": instrument}
    assert desk.do(**fields).code == ACCEPTED
    assert desk.do(**{**fields, "account": other, "side": -side}).filled == third
    assert desk.do(**fields).code == ACCEPTED  # rests
    last = desk.do(**{**fields, "size": most - 2 * third + over})
    assert last.code == (Rejection.POSITION_LIMIT if over else ACCEPTED)


def test_who_is_at_the_limit_may_still_close(desk: Desk) -> None:
    for wallet in desk.wallets[:2]:
        give(desk, wallet, 10**15)
    most = int(desk.state.instruments["maximum_lots"][LINEAR])
    desk.trade(desk.wallets[0], desk.wallets[1], most, 100)
    assert desk.buy(desk.wallets[0], 1, 100).code == Rejection.POSITION_LIMIT
    assert desk.buy(desk.wallets[1], most, 100).code == ACCEPTED
    assert desk.sell(desk.wallets[0], most, 100).filled == most


@pytest.mark.parametrize("over", [0, 1])
def test_an_amendment_may_not_pass_the_limit_either(desk: Desk, over: int) -> None:
    give(desk, desk.wallets[0], 10**15)
    most = int(desk.state.instruments["maximum_lots"][LINEAR])
    order = desk.buy(desk.wallets[0], most - 5, 100).order
    amended = desk.do(CommandKind.AMEND, account=desk.wallets[0], order=order, size=most + over, price=100)
    assert amended.code == (Rejection.BAD_SIZE if over else ACCEPTED)


def rich_venue(markets: int = 4) -> Venue:
    """So many contracts at 100 with a lot of one coin."""
    venue = Venue("hyperliquid-2025", instruments=markets)
    for number in range(markets):
        venue.list_perpetual(f"C{number}-PERP", tick="0.01", lot="1", price="100")
    return venue


def test_an_account_of_largest_positions_is_bounded_as_a_whole() -> None:
    """Equity wrapped with a few largest orders; now the sum of all positions is held, not each alone."""
    venue = rich_venue()
    state = venue.engine.state
    record = state.instruments[0]
    most, worth = int(record["maximum_lots"]), int(record["unit"]) * int(record["maximum_ticks"])
    assert most == POSITION_LIMIT // worth
    account = venue.open_account()
    deposit(state, account, AMOUNT_LIMIT // 2)
    half = most // 2
    codes = [
        venue.place(account, f"C{number}-PERP", side="buy", size=str(size), price="100").code
        for number, size in enumerate([half, most - half + 1])
    ]
    assert codes == ["none", "position-limit"]
    assert venue.place(account, "C1-PERP", side="buy", size=str(most - half), price="100").accepted
    share = POSITION_LIMIT // (4 * worth)  # below this a position is not asked for the others
    assert venue.place(account, "C2-PERP", side="sell", size=str(share), price="100").accepted
    assert not venue.place(account, "C3-PERP", side="sell", size=str(share + 1), price="100").accepted


def test_resting_bids_on_an_asset_count_with_their_cash() -> None:
    venue = Venue("binance-2025")
    venue.list_asset("BTC", tick="0.01", lot="1", price="100")
    account = venue.open_account("spot-margin")
    deposit(venue.engine.state, account, AMOUNT_LIMIT)
    most = int(venue.engine.state.instruments["maximum_lots"][0])
    accepted = 0
    for _ in range(250):
        accepted += venue.place(account, "BTC", side="buy", size=str(most), price="100").accepted
    reserved = int(venue.engine.state.holdings["open_buy"][0])
    unit = int(venue.engine.state.instruments["unit"][0])
    assert reserved == accepted * most * 10_000 * unit <= POSITION_LIMIT


def test_cash_reserved_at_a_high_price_is_no_position_at_a_low_one() -> None:
    """A bid at the top and one at the lowest tick: as lots at that tick the cash wrapped, and nobody sold."""
    venue = Venue("binance-2025")
    venue.list_asset("BTC", tick="0.000001", lot="1", price="1")
    venue.engine.state.instruments["price_band_ppm"] = 0  # as rulebooks without a band
    maker, seller = venue.open_account("spot-margin"), venue.open_account("spot-margin")
    deposit(venue.engine.state, maker, 10**15)
    assert venue.deposit(seller, "BTC", "900000001").accepted
    assert venue.place(maker, "BTC", side="buy", size="900000000", price="1").accepted
    assert venue.place(maker, "BTC", side="buy", size="10000000", price="0.000001").accepted
    sold = venue.place(
        seller, "BTC", side="sell", size="900000001", price="0.000001", time_in_force="fill-or-kill"
    )
    assert (sold.code, sold.filled) == ("none", 900_000_001)


def test_nobody_deposits_to_the_clearing_account_or_trades_from_it() -> None:
    """A deposit there went through, and with it the proof that clearing keeps nothing."""
    venue = rich_venue(1)
    clearing, before = venue.house("clearing"), venue.state_hash()
    owned = venue.open_account(owner=clearing)
    answers = [
        venue.deposit(clearing, "USDC", "10"),
        venue.withdraw(clearing, "USDC", "10"),
        venue.place(clearing, "C0-PERP", side="buy", size="1", price="100"),
        venue.place(clearing, "C0-PERP", side="sell", size="1"),
        venue.transfer(clearing, owned, "1"),
    ]
    assert {answer.code for answer in answers} == {"clearing-account"}
    assert venue.deposit(owned, "USDC", "10").accepted
    assert venue.transfer(owned, clearing, "1").code == "clearing-account"
    assert before != venue.state_hash()
    venue.audit()
    assert int(venue.engine.state.accounts["cash"][HOUSE_CLEARING]) == 0


# ---- what is written in bulk, and at opening


def holders(cash: list[int], lots: list[int], entry: int = 100, assets: list[int] | None = None) -> Holders:
    """Wallets with one position and one asset each, of instruments 0 and 2."""
    count, held = len(cash), assets or [0] * len(cash)
    rows = np.arange(count + 1, dtype=np.int64)
    return Holders(
        np.array(cash, np.int64),
        rows,
        np.zeros(count, np.int64),
        np.array(lots, np.int64),
        np.full(count, entry, np.int64),
        rows,
        np.full(count, SPOT, np.int64),
        np.array(held, np.int64),
    )


@pytest.mark.parametrize(
    ("people", "sentence"),
    [
        (holders([AMOUNT_LIMIT + 1, 0], [0, 0]), "would hold"),
        (holders([AMOUNT_LIMIT // 2, AMOUNT_LIMIT // 2 + 9], [0, 0]), "would come to"),
        (holders([1, 1], [1_000_001, -1_000_001]), "times the most that one may"),
        (holders([1, 1], [600_000, -600_000], assets=[400_001, 0]), "times the most that one may"),
        (holders([1] * 5, [0] * 5, assets=[900_000] * 5), "more than it may hold"),
        (holders([1, 1], [5, -5], entry=1000), "beyond its grid"),
    ],
)
def test_a_population_beyond_the_limits_is_refused_whole(desk: Desk, people: Holders, sentence: str) -> None:
    first = open_accounts(desk.state, len(people.cash), 0, 0)
    before = desk.state.accounts.copy(), desk.state.net_deposits.copy(), desk.state.holdings.copy()
    with pytest.raises(CapacityError) as caught:
        place_population(desk.state, first, people)
    assert sentence in str(caught.value)
    after = desk.state.accounts, desk.state.net_deposits, desk.state.holdings[: len(before[2])]
    assert all((one == two).all() for one, two in zip(before, after, strict=True))


def test_a_population_at_the_limits_is_placed(desk: Desk) -> None:
    first = open_accounts(desk.state, 2, 0, 0)
    place_population(desk.state, first, holders([10**17, 10**17], [1_000_000, -1_000_000]))
    desk.check()


def test_sizes_that_cancel_only_by_wrapping_are_no_population(desk: Desk) -> None:
    first = open_accounts(desk.state, 4, 0, 0)
    with pytest.raises(InvariantError):
        place_population(desk.state, first, holders([0] * 4, [1 << 62] * 4))


@pytest.mark.parametrize("preset", ["binance-2025", "hyperliquid-2025", "ftx-2022"])
def test_capital_of_a_backstop_beyond_the_limits(preset: str) -> None:
    venue = Venue(preset)
    before = venue.state_hash()
    with pytest.raises(InputError) as caught:
        venue.open_backstop("900000000000", providers=2) if preset == "ftx-2022" else venue.open_backstop(
            "1200000000000"
        )
    assert "more than amounts may be" in str(caught.value) or "too large" in str(caught.value)
    assert venue.state_hash() == before


@pytest.mark.parametrize("decimals", [9, 12, 18, -1, 1.5, "6"])
def test_decimals_that_do_not_fit(decimals: object) -> None:
    with pytest.raises(InputError) as caught:
        Venue("binance-2025", settlements={"USDT": decimals})  # type: ignore[dict-item]
    sentence = str(caught.value)
    assert sentence.startswith(
        f"settlement asset 'USDT' has {decimals!r} decimals; give a whole number from 0"
    )


@pytest.mark.parametrize("decimals", [0, 2, 8])
def test_decimals_that_fit(decimals: int) -> None:
    venue = Venue("binance-2025", settlements={"USDT": decimals})
    venue.list_perpetual(PERP, tick="1", lot="1", price="1000", margin_class="BTC")
    alice, bob = venue.open_account(), venue.open_account()
    for account in (alice, bob):
        assert venue.deposit(account, "USDT", "100000").accepted
    assert venue.place(alice, PERP, side="buy", size="10", price="1000").accepted
    assert venue.place(bob, PERP, side="sell", size="10", price="1000").filled == 10
    venue.set_index(PERP, "1100")
    venue.step()
    venue.audit()


def test_more_constituents_than_an_index_holds() -> None:
    Venue("binance-2025", constituents=MAXIMUM_CONSTITUENTS)
    with pytest.raises(InputError) as caught:
        Venue("binance-2025", constituents=MAXIMUM_CONSTITUENTS + 1)
    assert str(caught.value) == "constituents is 65; give a whole number from 1 to 64"


def test_the_weight_of_a_constituent_is_a_share() -> None:
    """Weights had no bound, and with large ones the index came out negative."""
    venue = Venue("hyperliquid-2025", constituents=2)
    venue.list_perpetual(PERP, tick="0.1", lot="0.001", price="50000")
    with pytest.raises(InputError) as caught:
        venue.set_index(PERP, {"a": "50000", "b": "50001"}, weights={"a": "9000000000000", "b": "1"})
    assert "a weight is a share of the whole" in str(caught.value)
    venue.set_index(PERP, {"a": "50000", "b": "50001"}, weights={"a": "1", "b": "0.5"})
    venue.step()
    assert venue.market(PERP).index is not None
