"""What a command gets back, in words: accepted, filled, or refused with a code and its sentence.

Holds the result of one command and the sentence of every rejection. Holds no check (`admission`).

Units: `Decimal` sizes and prices. Invariant: every rejection code has exactly one sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from undertow.errors import Rejection

SENTENCES = {
    Rejection.NONE: "accepted",
    Rejection.UNKNOWN_ACCOUNT: "there is no such account",
    Rejection.UNKNOWN_INSTRUMENT: "no such instrument is listed",
    Rejection.ACCOUNT_FROZEN: "the account is under liquidation and may not act until it is over",
    Rejection.INSTRUMENT_HALTED: "trading in this instrument is halted",
    Rejection.BAD_SIZE: "the size is zero, negative or beyond the instrument's limit",
    Rejection.BAD_PRICE: "the price is outside the instrument's grid",
    Rejection.MIN_NOTIONAL: "the order is worth less than the smallest the rulebook lets through",
    Rejection.PRICE_BAND: "the price is further through the reference price than the rulebook's band",
    Rejection.POST_ONLY_WOULD_TAKE: "a post-only order may not trade at once, and this one would",
    Rejection.FOK_NOT_FILLABLE: "the book cannot fill the whole order at its limit",
    Rejection.REDUCE_ONLY: "a reduce-only order found no position to reduce",
    Rejection.INSUFFICIENT_MARGIN: "equity would not cover the initial margin",
    Rejection.INSUFFICIENT_BALANCE: "the account does not hold that much, and may not borrow it",
    Rejection.UNKNOWN_ORDER: "no such order rests; it may be filled or cancelled already",
    Rejection.NOT_OWNER: "that belongs to somebody else",
    Rejection.SELF_TRADE: "the order would have traded with the account's own",
    Rejection.WITHDRAWALS_CLOSED: "the venue has stopped withdrawals",
    Rejection.WRONG_SETTLEMENT: "the account's wallet is in another settlement asset",
    Rejection.BAD_COMMAND: "the command asks for nothing the venue does",
    Rejection.NO_LIQUIDITY: "the book held nothing to trade with",
    Rejection.BORROWING_CLOSED: "the rulebook does not lend this asset",
    Rejection.TOO_MANY_ORDERS: "the account has as many open orders as one account may",
    Rejection.REDUCE_ONLY_GATE: "only orders that close positions are let through",
    Rejection.POSITION_LIMIT: "the position, or all of the account's, would be larger than one may be",
    Rejection.AMOUNT_LIMIT: "the wallet, or all of the asset here, would be more than amounts may be",
    Rejection.CLEARING_ACCOUNT: "the clearing account only passes profits on; use another account",
}


@dataclass(frozen=True, slots=True)
class Result:
    """What a command did. An order stopped on the way (`self-trade`) keeps the fills it had.

    A refused command (not accepted, nothing filled) changed nothing.
    """

    accepted: bool
    code: str  # "none", or the name of the rejection: "insufficient-margin"
    sentence: str
    order: int | None  # the order's number, given when it trades or rests and kept when it is amended
    filled: Decimal
    resting: Decimal  # what rests in the book under the number
    average_price: Decimal | None


def code_name(code: int) -> str:
    """The name of a rejection code, as results and records carry it."""
    return Rejection(code).name.lower().replace("_", "-")


def result(code: int, order: int, filled: Decimal, resting: Decimal, average_price: Decimal | None) -> Result:
    """A result in words."""
    rejection = Rejection(code)
    accepted = rejection == Rejection.NONE
    number = order if order >= 0 else None
    return Result(accepted, code_name(code), SENTENCES[rejection], number, filled, resting, average_price)
