"""One exception tree for people, one list of codes for commands.

    UndertowError
    |-- InputError            something the user gave is wrong: file, key and what would be right
    |   |-- RulebookError
    |   |-- CaseError
    |   |-- DataError         recorded data: file, row, column
    |   `-- CommandLineError
    |-- CapacityError         an arena is full: says which, and how to enlarge it
    `-- InvariantError        the books do not balance: a defect of the engine, never of the user

A refused venue command is data, not an exception: it carries a `Rejection` code and stands on the tape.
"""

from __future__ import annotations

from enum import IntEnum


class UndertowError(Exception):
    """Base of everything this package raises on purpose."""


class InputError(UndertowError):
    """Something given from outside is wrong; the message names the place and what would be right."""


class RulebookError(InputError):
    """A rulebook file or override is wrong."""


class CaseError(InputError):
    """A case file or override is wrong."""


class DataError(InputError):
    """A recorded data file is wrong; the message names file, row and column."""


class CommandLineError(InputError):
    """A command-line value is wrong."""


class CapacityError(UndertowError):
    """A fixed-size arena is full."""


class InvariantError(UndertowError):
    """The venue's books do not balance, or a stage broke its promise."""


class Rejection(IntEnum):
    """Why a command was refused; 0 is accepted. Stable numbers: they stand on tapes."""

    NONE = 0
    UNKNOWN_ACCOUNT = 1
    UNKNOWN_INSTRUMENT = 2
    ACCOUNT_FROZEN = 3  # under liquidation: the rulebook freezes the account's own commands
    INSTRUMENT_HALTED = 4
    BAD_SIZE = 5  # zero, negative or beyond the instrument's limit
    BAD_PRICE = 6  # off the tick grid's range
    MIN_NOTIONAL = 7
    PRICE_BAND = 8
    POST_ONLY_WOULD_TAKE = 9
    FOK_NOT_FILLABLE = 10
    REDUCE_ONLY = 11  # nothing to reduce, or it would increase
    INSUFFICIENT_MARGIN = 12
    INSUFFICIENT_BALANCE = 13
    UNKNOWN_ORDER = 14
    NOT_OWNER = 15
    SELF_TRADE = 16  # cancelled by self-trade prevention
    WITHDRAWALS_CLOSED = 17
    WRONG_SETTLEMENT = 18  # the account's wallet does not settle this instrument
    BAD_COMMAND = 19
    NO_LIQUIDITY = 20  # a market or IOC order found nothing to trade with
    BORROWING_CLOSED = 21
    TOO_MANY_ORDERS = 22
    REDUCE_ONLY_GATE = 23  # a gate lets only closing orders through
    POSITION_LIMIT = 30  # the position or the account would be larger than its limit
    AMOUNT_LIMIT = 31  # the wallet, or all of the asset in the venue, would be more than amounts may be
    CLEARING_ACCOUNT = 32  # the house's own books: nobody deposits to them, withdraws from them or trades
