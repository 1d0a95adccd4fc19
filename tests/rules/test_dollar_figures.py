"""Every dollar figure of a rulebook is worth the same in wallets of four, six, eight or nine decimals."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from support.vectors import funded, plain_venue, trade
from undertow.rulebook.model import Rulebook
from undertow.units import AMOUNT_LIMIT
from undertow.venue.dollars import in_units, money
from undertow.venue.facade import Venue
from undertow.venue.ledger import deposit
from undertow.venue.state import allocate

DECIMALS = [4, 5, 6, 8]
FREE = {"orders.min_notional_usd": 0}


def opened(preset: str, decimals: int, changes: dict[str, Any] | None = None, **options: Any) -> Venue:
    """A venue whose wallets have so many decimals, with a contract of one coin a lot at 100."""
    paced = options.pop("paced", True)
    asset = {"binance-2025": "USDT", "ftx-2022": "USD"}.get(preset, "USDC")
    venue = plain_venue(preset, {**FREE, **(changes or {})}, paced=paced, settlements={asset: decimals})
    venue.list_perpetual("X-PERP", tick="0.01", lot="1", price="100", **options)
    return venue


def cut(venue: Venue, account: int, dollars: str) -> None:
    """Take money from a wallet as a loss elsewhere would."""
    units = int(Decimal(dollars) * int(venue.engine.state.unit_scale[0]))
    deposit(venue.engine.state, account, -units)


def in_danger(venue: Venue, size: str, cash: str, bids: str) -> int:
    """A long at 100 that its cash no longer carries, in front of bids at 100."""
    account, other = funded(venue, "1000000"), funded(venue, "100000000")
    trade(venue, "X-PERP", account, other, size, "100")
    cut(venue, account, str(1_000_000 - Decimal(cash)))
    if bids:
        venue.place(other, "X-PERP", side="buy", size=bids, price="100")
    venue.set_index("X-PERP", "100")
    return account


def sold(venue: Venue, account: int, before: str) -> Decimal:
    """Coins sold in one second."""
    venue.step()
    held = venue.account(account).holding("X-PERP")
    return Decimal(before) - (held.size if held else 0)


def threshold(decimals: int) -> Any:
    """250,000 dollars above a threshold of 100,000: a fifth first; 90,000 whole."""
    found = []
    for size in ("2500", "900"):
        venue = opened("hyperliquid-2025", decimals, {"backstop.kind": "none"}, margin_class="small")
        found.append(sold(venue, in_danger(venue, size, str(Decimal(size) * 4), size), size))
    return found


EVERY_SECOND = {
    "liquidation.probability_ppm": 1_000_000,
    "liquidation.jitter_low_ppm": 1_000_000,
    "liquidation.jitter_high_ppm": 1_000_000,
    "liquidation.auto_close": "none",
    "backstop.kind": "none",
}


def slice_floor(decimals: int) -> Any:
    """A tenth of 50 coins is 5; the floor of 1,000 dollars is 10."""
    venue = opened("ftx-2022", decimals, EVERY_SECOND)
    return sold(venue, in_danger(venue, "50", "120", "50"), "50")


def auto_close(decimals: int, capacity: int = 1_000_000, floor: int = 1_000) -> Venue:
    """Below the auto-close line with one provider: a fifth of 100 coins, or the floor, is passed."""
    changes = {
        "backstop.per_minute_usd": capacity,
        "backstop.per_hour_usd": capacity,
        "liquidation.auto_close_floor_usd": floor,
        "backstop.overflow_to_allocation": False,
    }
    venue = opened("ftx-2022", decimals, {**changes, "liquidation.probability_ppm": 1})
    venue.open_backstop("1000000")
    return venue


def auto_close_floor(decimals: int) -> Any:
    venue = auto_close(decimals, floor=4_000)
    return sold(venue, in_danger(venue, "100", "120", ""), "100")


def capacity(decimals: int) -> Any:
    """A provider's capacity of 700 dollars takes 7 coins."""
    venue = auto_close(decimals, capacity=700, floor=4_000)
    return sold(venue, in_danger(venue, "100", "120", ""), "100")


def vault_limit(decimals: int) -> Any:
    """A vault of 1,000,000 that lost 90,000 keeps what it holds; one that lost 110,000 is closed out."""
    found = []
    for lost in ("90000", "110000"):
        venue = opened(
            "hyperliquid-2025", decimals, {"backstop.capital_usd": 1_000_000}, margin_class="small"
        )
        vault = venue.open_backstop()[0]
        trade(venue, "X-PERP", vault, funded(venue, "1000000"), "1", "100")
        cut(venue, vault, lost)
        venue.set_index("X-PERP", "100")
        venue.step()
        found.append(len(venue.account(vault).holdings))
    return found


def block(decimals: int, size: str, **changes: Any) -> Any:
    venue = opened("dydx-v4", decimals, {f"liquidation.{key}": value for key, value in changes.items()})
    return sold(venue, in_danger(venue, size, str(Decimal(size) * 4), size), size)


def loss_limit(decimals: int) -> Any:
    """The fund makes good at most so many dollars for an account and block: the order goes no lower."""
    found = []
    for limit in (100, 300):
        changes = {"liquidation.loss_limit_usd": limit, "liquidation.slice_ppm": 1_000_000}
        venue = opened("dydx-v4", decimals, changes)
        venue.deposit(venue.house("fund"), "USDC", "100000")
        account, other = funded(venue, "100000"), funded(venue, "100000")
        trade(venue, "X-PERP", account, other, "100", "100")
        cut(venue, account, "99600")
        venue.place(other, "X-PERP", side="buy", size="100", price="94")
        venue.set_index("X-PERP", "100")
        found.append(sold(venue, account, "100"))
    return found


def cash_floor(decimals: int) -> Any:
    """A debt of 4,999 stays, one of 5,001 is converted."""
    found = []
    for debt in ("4999", "5001"):
        venue = plain_venue("binance-2025", FREE, settlements={"USDT": decimals})
        venue.list_asset("ETH", tick="0.01", lot="0.01", price="1000")
        account, other = venue.open_account("multi"), funded(venue, "100000")
        venue.deposit(account, "ETH", "100")
        cut(venue, account, debt)
        venue.place(other, "ETH", side="buy", size="50", price="1000")
        venue.set_index("ETH", "1000")
        venue.step()
        found.append(venue.account(account).holding("ETH").size)  # type: ignore[union-attr]
    return found


def least_order(decimals: int) -> Any:
    venue = opened("binance-2025", decimals, {"orders.min_notional_usd": 250}, paced=False)
    account = funded(venue, "100000")
    return [venue.place(account, "X-PERP", side="buy", size=size, price="100").code for size in ("2", "3")]


def impact(decimals: int) -> Any:
    """An impact notional of 1,000 dollars finds bids a quarter above the index: 25 % x 5 / 28,800 seconds."""
    often = {"funding.interval_seconds": 5, "funding.sample_seconds": 1}
    changes = {"funding.impact_notional_usd": 1_000, "funding.classes": {}, **often}
    venue = opened("dydx-v4", decimals, changes)
    other = funded(venue, "100000")
    for size, price in (("3", "125"), ("50", "125")):
        venue.place(other, "X-PERP", side="buy", size=size, price=price)
    venue.set_index("X-PERP", "100")
    venue.step(5)
    return venue.market("X-PERP").funding_rate


def initial_rates(decimals: int) -> Any:
    """Open interest of 7 million between 5 and 10: 20 % and two fifths of the rest."""
    venue = opened("dydx-v4", decimals, margin_class="small")
    account, other = funded(venue, "50000000"), funded(venue, "50000000")
    trade(venue, "X-PERP", account, other, "70000", "100")
    return venue.account(account).holding("X-PERP").initial_rate  # type: ignore[union-attr]


def brackets(decimals: int) -> Any:
    """Ten thousand coins at 100 under the altcoin brackets."""
    venue = opened("binance-2025", decimals, paced=False, margin_class="SOL")
    account, other = funded(venue, "1000000"), funded(venue, "100000000")
    trade(venue, "X-PERP", account, other, "10000", "100")
    return venue.account(account).maintenance_margin


# figure of the models -> what it does, in whole units, and what that is
FIGURES: dict[str, tuple[Callable[[int], Any], Any]] = {
    "Liquidation.threshold_usd": (threshold, [500, 900]),
    "Liquidation.floor_usd": (slice_floor, 10),
    "Liquidation.auto_close_floor_usd": (auto_close_floor, 40),
    "Liquidation.block_cap_usd": (lambda places: block(places, "20000", slice_ppm=1_000_000), 1_000),
    "Backstop.per_minute_usd": (capacity, 7),
    "Backstop.per_hour_usd": (capacity, 7),
    "Backstop.capital_usd": (vault_limit, [1, 0]),
    "Liquidation.loss_limit_usd": (loss_limit, [0, 100]),
    "AutoConversion.cash_floor_usd": (cash_floor, [100, Decimal("94.99")]),
    "Orders.min_notional_usd": (least_order, ["min-notional", "none"]),
    "Funding.impact_notional_usd": (impact, Decimal("0.000043403")),
    "FundingClass.impact_notional_usd": (impact, Decimal("0.000043403")),
    "MarginClass.oi_lower_usd": (initial_rates, Decimal("0.52")),
    "MarginClass.oi_upper_usd": (initial_rates, Decimal("0.52")),
    "Bracket.cap_usd": (brackets, 11_620),  # 2 % of a million less 8,380
    "Bracket.deduction_usd": (brackets, 11_620),
}


def models(kind: Any, seen: set[Any]) -> Iterator[type[BaseModel]]:
    """A model and all models in its fields."""
    for part in typing.get_args(kind):
        yield from models(part, seen)
    plain = isinstance(kind, type) and not isinstance(kind, types.GenericAlias)
    if plain and issubclass(kind, BaseModel) and kind not in seen:
        seen.add(kind)
        yield kind
        for field in kind.model_fields.values():
            yield from models(field.annotation, seen)


def test_the_table_has_every_dollar_figure() -> None:
    found = {
        f"{model.__name__}.{name}"
        for model in models(Rulebook, set())
        for name in model.model_fields
        if name.endswith("_usd")
    }
    assert found == set(FIGURES)


@pytest.mark.parametrize("decimals", DECIMALS)
@pytest.mark.parametrize("figure", FIGURES)
def test_a_dollar_is_a_dollar_in_any_wallet(figure: str, decimals: int) -> None:
    does, expected = FIGURES[figure]
    assert does(decimals) == expected


@pytest.mark.parametrize("decimals", DECIMALS)
def test_both_ways_of_conversion_agree(decimals: int) -> None:
    state = allocate(1, 8, 8, 8)
    state.unit_scale[2] = 10**decimals
    for value in ("0", "0.000001", "0.5", "1", "999.999999", "100000", "1000000"):
        assert int(in_units(state, 2, money(Decimal(value)))) == money(Decimal(value), decimals)


def test_a_figure_beyond_what_a_wallet_can_hold_is_held_there() -> None:
    state = allocate(1, 8, 8, 8)
    state.unit_scale[0] = 10**9
    assert int(in_units(state, 0, money(Decimal(10) ** 12))) == AMOUNT_LIMIT
