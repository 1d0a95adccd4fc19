"""What stands on the tape of a command that was refused.

Holds the one event. Holds no check (`admission`, `execution`). Invariant: one event for each refused command.
"""

from __future__ import annotations

from typing import Any

from undertow._jit import kernel
from undertow.venue.integers import wide
from undertow.venue.ledger import tell
from undertow.venue.records import REFUSAL_CODES, CommandKind, EventKind
from undertow.venue.state import State

NEW = int(CommandKind.NEW)
CANCEL = int(CommandKind.CANCEL)
AMEND = int(CommandKind.AMEND)
DEPOSIT = int(CommandKind.DEPOSIT)
WITHDRAW = int(CommandKind.WITHDRAW)
TRANSFER = int(CommandKind.TRANSFER)
DEPOSIT_ASSET = int(CommandKind.DEPOSIT_ASSET)
WITHDRAW_ASSET = int(CommandKind.WITHDRAW_ASSET)
EVENT_REJECTION = int(EventKind.REJECTION)


@kernel
def tell_refusal(state: State, command: Any, code: int) -> None:
    """A refused command is data: who asked for what, and why not. What its kind leaves open is empty."""
    kind = wide(command.kind)
    amount = 0
    what = (-1, 0, 0, 0)
    if kind in (NEW, AMEND):
        instrument = wide(command.instrument) if kind == NEW else -1
        what = (instrument, wide(command.side), wide(command.size), wide(command.price))
    elif kind in (DEPOSIT_ASSET, WITHDRAW_ASSET):
        what = (wide(command.instrument), 0, wide(command.size), 0)
    elif kind in (DEPOSIT, WITHDRAW, TRANSFER):
        amount = wide(command.size)
    if kind in (CANCEL, AMEND):
        amount = wide(command.order)
    counterparty = wide(command.counterparty) if kind == TRANSFER else -1
    detail = kind * REFUSAL_CODES + code
    tell(state, EVENT_REJECTION, (wide(command.account), counterparty), what, amount, detail)
