"""The venue's vocabulary: what is sent to it, what it answers, and what it writes down.

Holds the record layouts (NumPy structured dtypes) of commands, results, fills, ledger postings and
events, and the enumerations that give their codes a name. Holds no behaviour. Codes are stable: they
stand on tapes.

Units: `time` in milliseconds since the start of the case; prices in ticks; sizes in lots; amounts in the
smallest unit of the asset concerned (micro-dollars for a dollar-settled wallet).
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

import numpy as np


class CommandKind(IntEnum):
    """What a command asks for."""

    NEW = 0
    CANCEL = 1
    AMEND = 2  # size down keeps priority; any other change loses it
    CANCEL_ALL = 3  # every resting order of the account in one instrument (-1: in all)
    DEPOSIT = 4
    WITHDRAW = 5
    TRANSFER = 6  # between two wallets of one owner, same settlement asset
    DEPOSIT_ASSET = 7
    WITHDRAW_ASSET = 8


class TimeInForce(IntEnum):
    """How long an order stands."""

    GOOD_TILL_CANCELLED = 0
    IMMEDIATE_OR_CANCEL = 1
    FILL_OR_KILL = 2
    POST_ONLY = 3


class OrderFlag(IntFlag):
    """Modifiers of a NEW command."""

    NONE = 0
    REDUCE_ONLY = 1
    MARKET = 2  # no limit price; the rulebook's market band still caps it


class SelfTrade(IntEnum):
    """What happens when an order would meet another of the same account."""

    ALLOW = 0
    CANCEL_TAKER = 1
    CANCEL_MAKER = 2


class Origin(IntEnum):
    """Who stands behind a fill's taker; recorded with every fill."""

    CUSTOMER = 0
    LIQUIDATION = 1
    DISPOSAL = 2  # the house sells what it took over
    CONVERSION = 3  # collateral sold automatically to cover negative cash


class InstrumentKind(IntEnum):
    """What an instrument is, and how a price becomes money."""

    SPOT = 0  # an asset and its pair against the settlement asset
    LINEAR = 1
    INVERSE = 2  # margin, profit and settlement in the coin


class Cause(IntEnum):
    """Why money moved. Every ledger posting has one."""

    TRADE = 0  # profit realised through the contract's clearing account; both legs of a spot trade
    FEE = 1
    FUNDING = 2
    INTEREST = 3
    LIQUIDATION_FEE = 4
    TAKEOVER = 5  # what was left of a wallet passes with its positions
    INSURANCE_IN = 7
    INSURANCE_OUT = 8
    ADL = 9
    SOCIALISED_LOSS = 10
    CLAWBACK = 11
    DEPOSIT = 12
    WITHDRAWAL = 13
    TRANSFER = 14


class EventKind(IntEnum):
    """What the tape can say happened."""

    LIQUIDATION_START = 0  # amount: equity; detail: maintenance margin
    LIQUIDATION_ORDER = 1  # size, limit price; amount: filled lots
    LIQUIDATION_END = 2  # back above maintenance
    TAKEOVER = 3  # account -> counterparty (house), size at price (its zero price); amount: equity passed
    FUND_IN = 4
    FUND_OUT = 5  # amount: shortfall the fund paid
    ADL_CLOSE = 6  # account: winner; counterparty: loser; amount: profit forgone against the mark
    SOCIALISED_LOSS = 7  # account: winner; counterparty: loser; amount: money paid into the loser's wallet
    CLAWBACK = 8  # the same, of the profits of a session
    BAD_DEBT = 9  # amount: shortfall nobody paid
    HALT_START = 10
    HALT_END = 11
    WITHDRAWALS_CLOSED = 12
    WITHDRAWALS_OPEN = 13
    REJECTION = 14  # a refused command, detail: see REFUSAL_CODES; amount: order or money
    CONVERSION = 15  # an asset sold for negative cash: size, price: its limit; amount: value of the sale
    FUNDING_DUE = 16  # price: what it is charged on; amount: paid by the longs; detail: rate in ppb
    AUTO_CLOSE = 17  # positions passed to a backstop provider; counterparty: the provider
    CANCELLED_BY_ENGINE = 18  # size: number of orders withdrawn; instrument -1: in all
    FUND_EXHAUSTED = 19
    TAKEN_OFF = 20  # an order its account could not carry at the match; size, price; detail: its number


REFUSAL_CODES = 100  # detail of a REJECTION: CommandKind times this, plus the Rejection


class Role(IntEnum):
    """Whose account it is. Below HOUSE are customers; the house's accounts are accounts like any other."""

    CUSTOMER = 0
    HOUSE = 8
    FUND = 9  # insurance fund; also holds what it took over
    FEES = 10
    CLEARING = 11  # realised profit passes through it; cash + quotes is always zero
    PROVIDER = 12  # backstop liquidity provider
    VAULT = 13  # liquidator vault
    LENDING = 14  # receives interest, keeps rounding remainders
    TREASURY = 15


COMMAND = np.dtype(
    [
        ("kind", np.int8),
        ("side", np.int8),  # +1 buy, -1 sell
        ("time_in_force", np.int8),
        ("flags", np.int8),
        ("instrument", np.int16),
        ("self_trade", np.int8),  # -1: the rulebook's choice
        ("origin", np.int8),
        ("account", np.int32),
        ("counterparty", np.int32),  # TRANSFER: the receiving account
        ("price", np.int64),
        ("size", np.int64),  # lots; DEPOSIT, WITHDRAW, TRANSFER: amount; AMEND: the new remaining size
        ("order", np.int64),  # CANCEL, AMEND: the order's id
    ],
    align=True,
)

RESULT = np.dtype(
    [
        ("order", np.int64),  # its number, also where nothing rests; -1: refused, or no order
        ("filled", np.int64),  # lots
        ("resting", np.int64),  # lots that rest in the book under the number
        ("value", np.int64),  # of the fills, settlement units
        ("code", np.int16),  # a Rejection; SELF_TRADE with fills: what was left of the order is withdrawn
    ],
    align=True,
)

FILL = np.dtype(
    [
        ("time", np.int64),
        ("price", np.int64),
        ("size", np.int64),
        ("taker", np.int32),
        ("maker", np.int32),
        ("taker_order", np.int64),
        ("maker_order", np.int64),
        ("trade", np.int64),  # numbered from 1 since the venue opened
        ("taker_fee", np.int64),  # settlement units
        ("maker_fee", np.int64),  # negative: a rebate
        ("instrument", np.int16),
        ("side", np.int8),  # the taker's
        ("origin", np.int8),
    ],
    align=True,
)

POSTING = np.dtype(
    [
        ("time", np.int64),
        ("amount", np.int64),
        ("source", np.int32),
        ("target", np.int32),
        ("asset", np.int16),  # a settlement asset (0..), or 1000 + instrument for a spot asset's own units
        ("instrument", np.int16),  # -1: none
        ("cause", np.int8),
    ],
    align=True,
)

EVENT = np.dtype(
    [
        ("time", np.int64),
        ("size", np.int64),
        ("price", np.int64),
        ("amount", np.int64),
        ("detail", np.int64),
        ("account", np.int32),
        ("counterparty", np.int32),
        ("instrument", np.int16),
        ("kind", np.int8),
        ("side", np.int8),
    ],
    align=True,
)

SPOT_ASSET_BASE = 1000  # POSTING.asset of a spot asset is this plus its instrument number
OUTSIDE = -1  # POSTING.source of a deposit and target of a withdrawal: the world outside the venue
