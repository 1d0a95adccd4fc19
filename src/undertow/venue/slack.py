"""What an account with many holdings needs for its next order, remembered while a batch is carried out.

Holds the sums over holdings that initial margin is checked against, for the accounts checked last, and when
they are forgotten. A maker with fifty holdings sends hundreds of orders in a second; each changes one
holding, so each changes one term of the sums. Holds no check (`admission`) and no formula (`margin`).

Units: settlement units. Invariants: what is remembered equals `margin.initial_rows` and `open_loss` at any
moment; marks, weights and rates do not change while a batch runs, and a new batch remembers nothing. Cash is
not part of it.
"""

from __future__ import annotations

from undertow._jit import kernel
from undertow.venue.margin import SPOT, initial_row, initial_rows, with_cash
from undertow.venue.open_loss import open_loss, order_loss
from undertow.venue.state import BATCH, SLACK_SLOTS, State

FEW = 6  # holdings, or orders, that are walked as quickly as they are remembered


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
        if side < 0 and state.instruments[row.instrument].kind == SPOT:
            slot.loss = -1  # whether offers are covered may have changed


@kernel
def initial_now(state: State, account: int) -> tuple[int, int, int]:
    """`margin.initial_rows` with cash, from memory where the account has many holdings or orders."""
    slot = state.slack[account & (SLACK_SLOTS - 1)]
    if slot.key == _key(state, account):
        return with_cash(state, account, slot.equity, slot.required, slot.reserved)
    equity, required, reserved, count = initial_rows(state, account)
    if count > FEW or state.accounts[account].order_count > FEW:
        slot.key = _key(state, account)
        slot.equity = equity
        slot.required = required
        slot.reserved = reserved
        slot.loss = -1
    return with_cash(state, account, equity, required, reserved)


@kernel
def open_loss_now(state: State, account: int) -> int:
    """`open_loss`, from memory where it is known."""
    slot = state.slack[account & (SLACK_SLOTS - 1)]
    known = slot.key == _key(state, account)
    if known and slot.loss >= 0:
        return int(slot.loss)
    loss = open_loss(state, account)
    if known:
        slot.loss = loss
    return loss


@kernel
def order_rests(state: State, order: int) -> None:
    """An order of an account has come to rest: what is known of the loss of its orders grows by its own."""
    account = int(state.orders[order].account)
    slot = state.slack[account & (SLACK_SLOTS - 1)]
    if slot.key == _key(state, account) and slot.loss >= 0:
        slot.loss += order_loss(state, order)
