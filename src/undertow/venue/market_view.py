"""One market, and what happened since somebody last looked, as a person reads them.

Holds the records of the market's state and of the log (fills, postings, events). Changes nothing.

Units: `Decimal` prices, sizes and amounts; seconds. Invariant: every record says which accounts and why, and
its amounts are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow.venue.answers import code_name
from undertow.venue.door import EXACT, Instrument, Settlement, trimmed
from undertow.venue.pricing import Pricing
from undertow.venue.records import (
    OUTSIDE,
    REFUSAL_CODES,
    SPOT_ASSET_BASE,
    Cause,
    CommandKind,
    EventKind,
    InstrumentKind,
    Origin,
)
from undertow.venue.state import State

# What `amount` and `detail` of an event are; an event that is not listed has money and a plain number.
AMOUNT_IN_LOTS = {EventKind.LIQUIDATION_ORDER}
DETAIL_IS_MONEY = {EventKind.LIQUIDATION_START, EventKind.LIQUIDATION_ORDER}


@dataclass(frozen=True, slots=True)
class MarketView:
    """A market at the last step."""

    instrument: str
    kind: str
    mark: Decimal
    index: Decimal | None
    bid: Decimal | None
    ask: Decimal | None
    last: Decimal
    funding_rate: Decimal | None  # of the last settled interval; None for an asset
    funding_due_seconds: int | None  # on the venue's clock
    open_interest: Decimal
    halted: bool
    reduce_only: bool


@dataclass(frozen=True, slots=True)
class Fill:
    """One trade. Fees are in the instrument's settlement asset; a negative one is a rebate."""

    trade: int  # numbered from 1
    seconds: Decimal
    instrument: str
    taker: int
    maker: int
    taker_order: int
    maker_order: int
    side: str  # the taker's
    size: Decimal
    price: Decimal
    taker_fee: Decimal
    maker_fee: Decimal
    origin: str


@dataclass(frozen=True, slots=True)
class Posting:
    """One movement of money or of an asset; account None is the world outside."""

    seconds: Decimal
    cause: str
    source: int | None
    target: int | None
    asset: str
    amount: Decimal
    instrument: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """Something the engine did. `amount` and `detail` are described with `EventKind`.

    `refused` says of a rejection which command was refused and why: "new: insufficient-margin".
    """

    seconds: Decimal
    kind: str
    account: int | None
    counterparty: int | None
    instrument: str | None
    side: str | None
    size: Decimal | None
    price: Decimal | None
    amount: Decimal
    detail: Decimal
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class History:
    """What happened, in order."""

    fills: tuple[Fill, ...]
    postings: tuple[Posting, ...]
    events: tuple[Event, ...]


def view_market(state: State, instrument: Instrument, pricing: Pricing) -> MarketView:
    """The market of one instrument."""
    market = state.markets[instrument.number]
    funding = pricing.funding_state
    bid, ask, index = int(market["best_bid"]), int(market["best_ask"]), int(market["index"])
    rate = Decimal(int(funding.rate_ppb[instrument.number])).scaleb(-9, EXACT)
    return MarketView(
        instrument=instrument.name,
        kind=InstrumentKind(instrument.listing.kind).name.lower(),
        mark=instrument.price(int(market["mark"])),
        index=instrument.price(index) if index else None,
        bid=instrument.price(bid) if bid else None,
        ask=instrument.price(ask) if ask < instrument.maximum_ticks else None,
        last=instrument.price(int(market["last"])),
        funding_rate=None if instrument.spot else trimmed(rate),
        funding_due_seconds=None if instrument.spot else int(funding.next_due[instrument.number]),
        open_interest=instrument.size(int(market["open_interest"])),
        halted=bool(market["halted"]),
        reduce_only=bool(market["reduce_only"]),
    )


def fill_records(
    rows: NDArray[np.void], instruments: Sequence[Instrument], settlements: Sequence[Settlement]
) -> tuple[Fill, ...]:
    """Logged fills in words."""
    records = []
    for row in rows:
        instrument = instruments[int(row["instrument"])]
        wallet = settlements[instrument.listing.settlement]
        records.append(
            Fill(
                trade=int(row["trade"]),
                seconds=_seconds(row),
                instrument=instrument.name,
                taker=int(row["taker"]),
                maker=int(row["maker"]),
                taker_order=int(row["taker_order"]),
                maker_order=int(row["maker_order"]),
                side=_side(row) or "",
                size=instrument.size(int(row["size"])),
                price=instrument.price(int(row["price"])),
                taker_fee=wallet.amount(int(row["taker_fee"])),
                maker_fee=wallet.amount(int(row["maker_fee"])),
                origin=_word(Origin(int(row["origin"]))),
            )
        )
    return tuple(records)


def posting_records(
    rows: NDArray[np.void], instruments: Sequence[Instrument], settlements: Sequence[Settlement]
) -> tuple[Posting, ...]:
    """Logged postings in words."""
    records = []
    for row in rows:
        asset, amount = int(row["asset"]), int(row["amount"])
        about = instruments[int(row["instrument"])] if row["instrument"] >= 0 else None
        if asset >= SPOT_ASSET_BASE:
            instrument = instruments[asset - SPOT_ASSET_BASE]
            name, worth = instrument.listing.asset or instrument.name, instrument.size(amount)
        else:
            name, worth = settlements[asset].name, settlements[asset].amount(amount)
        source, target = _account(row, "source"), _account(row, "target")
        cause = _word(Cause(int(row["cause"])))
        records.append(
            Posting(_seconds(row), cause, source, target, name, worth, about.name if about else None)
        )
    return tuple(records)


def event_records(
    rows: NDArray[np.void], instruments: Sequence[Instrument], wallets: Sequence[Settlement]
) -> tuple[Event, ...]:
    """Logged events in words; `wallets` is the settlement asset each event's money is in."""
    records = []
    for row, wallet in zip(rows, wallets, strict=True):
        kind = EventKind(int(row["kind"]))
        about = instruments[int(row["instrument"])] if 0 <= row["instrument"] < len(instruments) else None
        amount, detail = int(row["amount"]), int(row["detail"])
        in_lots = about is not None and kind in AMOUNT_IN_LOTS
        records.append(
            Event(
                seconds=_seconds(row),
                kind=_word(kind),
                account=_account(row, "account"),
                counterparty=_account(row, "counterparty"),
                instrument=about.name if about else None,
                side=_side(row),
                size=about.size(int(row["size"])) if about else None,
                price=about.price(int(row["price"])) if about else None,
                amount=about.size(amount) if in_lots and about else wallet.amount(amount),
                detail=wallet.amount(detail) if kind in DETAIL_IS_MONEY else Decimal(detail),
                refused=_refused(detail) if kind == EventKind.REJECTION else None,
            )
        )
    return tuple(records)


def _refused(detail: int) -> str:
    kind, code = divmod(detail, REFUSAL_CODES)
    known = kind in CommandKind.__members__.values()
    command = _word(CommandKind(kind)) if known else f"command {kind}"
    return f"{command}: {code_name(code)}"


def _seconds(row: NDArray[np.void]) -> Decimal:
    return trimmed(Decimal(int(row["time"])).scaleb(-3, EXACT))


def _side(row: NDArray[np.void]) -> str | None:
    side = int(row["side"])
    return None if side == 0 else "buy" if side > 0 else "sell"


def _account(row: NDArray[np.void], name: str) -> int | None:
    account = int(row[name])
    return None if account == OUTSIDE else account


def _word(member: Any) -> str:
    return str(member.name).lower().replace("_", "-")
