"""What an account with many holdings needs for its next order, remembered while a batch is carried out.

Holds the sums over holdings that initial margin is checked against, for the accounts checked last, and when
they are forgotten. A maker with fifty holdings sends hundreds of orders in a second; each changes one
holding, so each changes one term of the sums. Holds no check (`admission`) and no formula (`margin`).

Units: settlement units. Invariants: what is remembered equals `margin.initial_rows` at any moment; marks,
weights and rates do not change while a batch runs, and a new batch remembers nothing. Cash is not part of it.
"""

from __future__ import annotations

from undertow._jit import kernel
from undertow.venue.margin import SPOT, initial_row, initial_rows, with_cash
from undertow.venue.state import BATCH, SLACK_SLOTS, State

FEW = 6  # holdings that are walked as quickly as they are remembered


@kernel
def _key(state: State, account: int) -> int:
    """Never the same for two accounts or two batches; never zero, which an unused slot has."""
    return int(state.counters[BATCH] << 32) | account


@kernel
def begin_batch(state: State) -> None:
    """Forget everything."""
    state.counters[BATCH] += 1


@kernel
def forget(state: State, account: int) -> None:
    """A holding of this account changed."""
    slot = state.slack[account & (SLACK_SLOTS - 1)]
    if slot.key == _key(state, account):
        slot.key = 0


@kernel
def hold_back(state: State, holding: int, side: int, lots: int, cash: int) -> None:
    """Reserve for an order: `lots` of a sale or of a contract, `cash` for a bid on an asset.

    Negative amounts undo it. Keeps what is remembered of the account true.
    """
    row = state.holdings[holding]
    slot = state.slack[row.account & (SLACK_SLOTS - 1)]
    known = slot.key == _key(state, row.account)
    if known:
        equity, required, reserved = initial_row(state, holding)
        slot.equity -= equity
        slot.required -= required
        slot.reserved -= reserved
    if side < 0:
        row.open_sell += lots
    else:
        row.open_buy += cash if state.instruments[row.instrument].kind == SPOT else lots
    if known:
        equity, required, reserved = initial_row(state, holding)
        slot.equity += equity
        slot.required += required
        slot.reserved += reserved


@kernel
def initial_now(state: State, account: int) -> tuple[int, int, int]:
    """`margin.initial_parts`, from memory where the account has many holdings."""
    slot = state.slack[account & (SLACK_SLOTS - 1)]
    if slot.key == _key(state, account):
        return with_cash(state, account, slot.equity, slot.required, slot.reserved)
    equity, required, reserved, count = initial_rows(state, account)
    if count > FEW:
        slot.key = _key(state, account)
        slot.equity = equity
        slot.required = required
        slot.reserved = reserved
    return with_cash(state, account, equity, required, reserved)
