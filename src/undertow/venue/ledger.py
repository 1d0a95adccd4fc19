"""Every movement of money and of contracts, with its cause.

Holds the only functions that change an account's cash, a holding's size or quote, or the house's
balances. Holds no decision about when money should move. Nothing else in the venue writes those fields.

Units: settlement units; lots. Rounding: a fill of an inverse contract rounds the coin amount down once
and both sides use that same amount; the cost released by a partial close is rounded down, which only
moves a unit between the realised and the unrealised profit of the same holder. Invariants: per settlement
asset, the sum of cash over all accounts is deposits minus withdrawals; per perpetual, the sums of size
and of quote over all holdings are zero, because profit is realised through the contract's clearing
account (it receives the quote that the holder gives up, and pays the cash).
"""

from __future__ import annotations

from undertow._jit import kernel
from undertow.units import mul_div_floor
from undertow.venue.arenas import EVENTS, HOLDINGS, POSTINGS, next_place
from undertow.venue.danger import cash_moved, mark_dirty, unlink_row
from undertow.venue.margin import cash_flow
from undertow.venue.rates import refresh_rates
from undertow.venue.records import OUTSIDE, SPOT_ASSET_BASE, Cause
from undertow.venue.slack import forget
from undertow.venue.state import (
    BATCH,
    COUNT_EVENTS,
    COUNT_HOLDINGS,
    COUNT_POSTINGS,
    FREE_HOLDING,
    LEDGER_DETAIL,
    MAXIMUM_SETTLEMENTS,
    TIME,
    State,
)

TRADE = int(Cause.TRADE)
FEE = int(Cause.FEE)
TAKEOVER = int(Cause.TAKEOVER)
DEPOSIT = int(Cause.DEPOSIT)
WITHDRAWAL = int(Cause.WITHDRAWAL)


@kernel
def note(
    state: State, source: int, target: int, amount: int, cause: int, asset: int, instrument: int
) -> None:
    """Write a posting; trades and fees one by one only where the venue asks for detail."""
    if state.counters[LEDGER_DETAIL] == 0 and cause in (TRADE, FEE):
        return
    place = next_place(state, POSTINGS, COUNT_POSTINGS)
    posting = state.postings[place]
    posting.time = state.counters[TIME]
    posting.amount = amount
    posting.source = source
    posting.target = target
    posting.asset = asset
    posting.instrument = instrument
    posting.cause = cause


@kernel
def add_cash(state: State, account: int, amount: int) -> None:
    """Change a wallet's cash, and remember who may be below zero. The only writer of cash."""
    owner = state.accounts[account]
    owner.cash += amount
    state.moved_bits[account >> 6] |= 1 << (account & 63)
    if owner.cash < 0:
        state.debt_bits[account >> 6] |= 1 << (account & 63)


@kernel
def pay(state: State, source: int, target: int, amount: int, cause: int, instrument: int) -> None:
    """Move cash between two wallets of one settlement asset. A negative amount flows the other way."""
    if amount == 0 or source == target:
        return
    if amount < 0:
        source, target, amount = target, source, -amount
    add_cash(state, source, -amount)
    add_cash(state, target, amount)
    cash_moved(state, source, -amount)
    cash_moved(state, target, amount)
    settlement = state.accounts[source].settlement
    state.cause_totals[settlement, cause] += amount
    note(state, source, target, amount, cause, settlement, instrument)


@kernel
def deposit(state: State, account: int, amount: int) -> None:
    """Cash enters from outside (amount > 0) or leaves (amount < 0)."""
    add_cash(state, account, amount)
    cash_moved(state, account, amount)
    settlement = state.accounts[account].settlement
    state.net_deposits[settlement] += amount
    cause = DEPOSIT if amount > 0 else WITHDRAWAL
    state.cause_totals[settlement, cause] += abs(amount)
    if amount > 0:
        note(state, OUTSIDE, account, amount, cause, settlement, -1)
    else:
        note(state, account, OUTSIDE, -amount, cause, settlement, -1)


@kernel
def deposit_asset(state: State, account: int, instrument: int, lots: int) -> None:
    """Units of a spot asset enter from outside (lots > 0) or leave (lots < 0)."""
    holding = holding_of(state, account, instrument)
    state.holdings[holding].size += lots
    state.net_deposits[MAXIMUM_SETTLEMENTS + instrument] += lots
    touched(state, holding)
    asset = SPOT_ASSET_BASE + instrument
    if lots > 0:
        note(state, OUTSIDE, account, lots, DEPOSIT, asset, instrument)
    else:
        note(state, account, OUTSIDE, -lots, WITHDRAWAL, asset, instrument)


@kernel
def move_asset(state: State, source: int, target: int, instrument: int, lots: int, cause: int) -> None:
    """Pass `lots` of a spot asset from one account to another, free of payment."""
    from_row = holding_of(state, source, instrument)
    to_row = holding_of(state, target, instrument)
    state.holdings[from_row].size -= lots
    state.holdings[to_row].size += lots
    touched(state, from_row)
    touched(state, to_row)
    asset = SPOT_ASSET_BASE + instrument
    note(state, source, target, lots, cause, asset, instrument)


@kernel
def find_holding(state: State, account: int, instrument: int) -> int:
    """The account's holding of an instrument, -1 if it has none."""
    holding = int(state.accounts[account].first_holding)
    while holding >= 0 and state.holdings[holding].instrument != instrument:
        holding = int(state.holdings[holding].next)
    return holding


@kernel
def holding_of(state: State, account: int, instrument: int) -> int:
    """The account's holding of an instrument, made if it has none (the caller made sure there is room)."""
    holding = find_holding(state, account, instrument)
    if holding >= 0:
        return holding
    counters = state.counters
    holding = int(counters[FREE_HOLDING])
    if holding >= 0:
        counters[FREE_HOLDING] = state.holdings[holding].next
    else:
        holding = next_place(state, HOLDINGS, COUNT_HOLDINGS)
    row = state.holdings[holding]
    row.size = 0
    row.quote = 0
    row.open_buy = 0
    row.open_sell = 0
    row.trigger = 0
    row.rate_ppm = 0
    row.bucket = -1
    row.account = account
    row.instrument = instrument
    row.next = state.accounts[account].first_holding
    state.accounts[account].first_holding = holding
    return holding


@kernel
def free_if_empty(state: State, holding: int) -> None:
    """Give a holding's record back once nothing stands in it (a clearing account's records stay)."""
    row = state.holdings[holding]
    if row.size != 0 or row.quote != 0 or row.open_buy != 0 or row.open_sell != 0:
        return
    if row.account < 0:  # freed already, with the last of its orders
        return
    if state.instruments[row.instrument].clearing_holding == holding:
        return
    unlink_row(state, holding)
    owner = state.accounts[row.account]
    if owner.first_holding == holding:
        owner.first_holding = row.next
    else:
        before = owner.first_holding
        while state.holdings[before].next != holding:
            before = state.holdings[before].next
        state.holdings[before].next = row.next
    row.account = -1
    row.instrument = 0
    row.next = state.counters[FREE_HOLDING]
    state.counters[FREE_HOLDING] = holding


@kernel
def unmake_holding(state: State, holding: int, rows: int) -> None:
    """Take back a holding made a moment ago for what was then refused; `rows` were in use before.

    The newest of its account, empty: nothing tells afterwards that it was ever there.
    """
    row = state.holdings[holding]
    state.accounts[row.account].first_holding = row.next
    row.instrument = 0
    if state.counters[COUNT_HOLDINGS] > rows:
        state.counters[COUNT_HOLDINGS] -= 1
        row.account = 0
        row.next = 0
        return
    row.account = -1
    row.next = state.counters[FREE_HOLDING]
    state.counters[FREE_HOLDING] = holding


@kernel
def touched(state: State, holding: int) -> None:
    """A holding's size or quote changed: what is cached of it and of its account must follow."""
    refresh_rates(state, holding)
    account = state.holdings[holding].account
    forget(state, account)
    mark_dirty(state, account)


@kernel
def profit_realised(state: State, holding: int, lots: int, price: int) -> int:
    """Cash that a signed fill at `price` would realise: what closes, against its share of `quote`."""
    row = state.holdings[holding]
    before = int(row.size)
    if before == 0 or (before > 0) == (lots > 0):
        return 0
    record = state.instruments[row.instrument]
    closed = min(abs(lots), abs(before))
    released = int(row.quote)
    if closed < abs(before):
        released = mul_div_floor(row.quote, closed, abs(before))
    closing = closed if lots > 0 else -closed
    return released + cash_flow(record.kind, record.unit, closing, price)


@kernel
def apply_fill(state: State, holding: int, lots: int, price: int, cause: int) -> int:
    """Change a position by a signed fill; realise what it closes. Returns the profit realised, in cash.

    `cause` is why the profit moves: a trade, a takeover, a close against a winner. The part that reduces the
    position releases its share of `quote` (rounded down) and, with the fill's
    value, becomes cash that the clearing account pays; the part that opens adds its value to `quote`.
    """
    row = state.holdings[holding]
    record = state.instruments[row.instrument]
    before = row.size
    realised = profit_realised(state, holding, lots, price)
    row.quote += cash_flow(record.kind, record.unit, lots, price) - realised
    if realised != 0:
        _realise(state, row.account, row.instrument, realised, cause)
    row.size = before + lots
    _count_interest(state, row.instrument, before, row.size)
    touched(state, holding)
    return realised


@kernel
def _count_interest(state: State, instrument: int, before: int, after: int) -> None:
    state.markets[instrument].open_interest += max(after, 0) - max(before, 0)
    if state.instruments[instrument].interest_upper > 0:
        state.counters[BATCH] += 1  # initial margin follows open interest: what slack.py remembers is stale


@kernel
def _realise(state: State, account: int, instrument: int, amount: int, cause: int) -> None:
    """Pay a realised profit out of the contract's clearing account, which takes over the quote behind it."""
    clearing = state.holdings[state.instruments[instrument].clearing_holding]
    clearing.quote += amount
    clearing_account = int(clearing.account)
    if amount == 0 or clearing_account == account:
        return
    add_cash(state, clearing_account, -amount)
    add_cash(state, account, amount)
    settlement = state.accounts[account].settlement
    state.cause_totals[settlement, cause] += abs(amount)
    if amount > 0:
        note(state, clearing_account, account, amount, cause, settlement, instrument)
    else:
        note(state, account, clearing_account, -amount, cause, settlement, instrument)


@kernel
def swap_spot(state: State, buyer_row: int, seller_row: int, lots: int, price: int) -> int:
    """Both legs of a spot fill: cash to the seller, the asset to the buyer. Returns the cash that moved."""
    buyer = int(state.holdings[buyer_row].account)
    seller = int(state.holdings[seller_row].account)
    instrument = int(state.holdings[buyer_row].instrument)
    value = lots * price * state.instruments[instrument].unit
    state.holdings[buyer_row].size += lots
    state.holdings[seller_row].size -= lots
    pay(state, buyer, seller, value, TRADE, instrument)
    note(state, seller, buyer, lots, TRADE, SPOT_ASSET_BASE + instrument, instrument)
    touched(state, buyer_row)
    touched(state, seller_row)
    return int(value)


@kernel
def move_position(state: State, source_row: int, target_row: int, lots: int, quote: int) -> None:
    """Pass signed `lots` and `quote` of a position that is taken over to the house at cost, nothing realised.

    The receiving side may hold the opposite sign; what nets out there is realised at its own cost through
    clearing.
    """
    source = state.holdings[source_row]
    target = state.holdings[target_row]
    source.size -= lots
    source.quote -= quote
    before = target.size
    target.quote += quote
    target.size = before + lots
    _count_interest(state, source.instrument, source.size + lots, source.size)
    _count_interest(state, target.instrument, before, target.size)
    if before != 0 and (before > 0) != (lots > 0):
        after = before + lots
        released = target.quote
        if after != 0:
            larger = target.quote - quote if (after > 0) == (before > 0) else quote
            whole = abs(before) if (after > 0) == (before > 0) else abs(lots)
            released = target.quote - mul_div_floor(larger, abs(after), whole)
        target.quote -= released
        _realise(state, target.account, target.instrument, released, TAKEOVER)
    touched(state, source_row)
    touched(state, target_row)


@kernel
def settle_flat(state: State, holding: int) -> int:
    """Turn the quote of a closed position into cash. Returns what was realised."""
    row = state.holdings[holding]
    amount = row.quote
    if row.size != 0 or amount == 0 or state.instruments[row.instrument].clearing_holding == holding:
        return 0
    row.quote = 0
    _realise(state, row.account, row.instrument, amount, TRADE)
    touched(state, holding)
    return int(amount)


@kernel
def tell(
    state: State, kind: int, who: tuple[int, int], what: tuple[int, int, int, int], amount: int, detail: int
) -> None:
    """Write an event; `who` is (account, counterparty), `what` is (instrument, side, size, price)."""
    place = next_place(state, EVENTS, COUNT_EVENTS)
    event = state.events[place]
    event.time = state.counters[TIME]
    event.kind = kind
    event.account = who[0]
    event.counterparty = who[1]
    event.instrument = what[0]
    event.side = what[1]
    event.size = what[2]
    event.price = what[3]
    event.amount = amount
    event.detail = detail
