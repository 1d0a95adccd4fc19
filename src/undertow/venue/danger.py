"""Who is below maintenance now: exact, and without valuing everybody.

Holds the safe-corner trigger index: each account registers one adverse price per holding (its corner) at
which the venue's own integer formula found it healthy; while no price is past its corner the account cannot
be unhealthy, so only accounts with a crossed corner are valued. Holds no formula of health (`margin`) and no
liquidation. The full scans it must equal at every tick are in `danger_scan`.

Units: prices in ticks, health and reserves in settlement units. Floats choose where a corner lies and which
bucket holds it; integers verify the corner and decide who is in danger.

The engine's duties: `mark_dirty` after any change of a holding's size, quote or rates and of an account's
role, profile or exemption; `cash_moved` after any other change of cash; `unlink_row` before a holding is
freed (a new holding has bucket -1); `set_bucket_origin` once when an instrument is listed.

Invariants between ticks, for every customer that is not exempt and neither pending nor dirty: `reserve` is at
most its health at its corner and not negative; every priced holding is linked in the bucket of its trigger;
no trigger is past its market's `processed` price. So whoever is unhealthy after prices move is walked,
pending or dirty.
"""

from __future__ import annotations

import numpy as np

from undertow._jit import kernel
from undertow.units import AMOUNT_LIMIT, PPM
from undertow.venue.arenas import CANDIDATES, DIRTY, PENDING, check_list, next_place
from undertow.venue.margin import (
    SPOT,
    account_health,
    base_health,
    requirement_ppm,
    row_health,
    row_sensitivity,
    row_side,
)
from undertow.venue.prefetch import prefetch
from undertow.venue.records import Role
from undertow.venue.state import (
    BUCKETS_PER_GROUP,
    COUNT_ACCOUNTS,
    COUNT_CANDIDATES,
    COUNT_DIRTY,
    COUNT_PENDING,
    MARGIN_FLAT,
    MARGIN_TIERS,
    TICK,
    WAKES,
    State,
)

FIRST_HOUSE_ROLE = int(Role.HOUSE)
BUCKET_SHIFT = 43  # keeps the exponent and nine mantissa bits of a float64: buckets 0.1 to 0.2 % wide
ROUNDING_SLACK = 4  # per holding: health may be this far from monotone where brackets or inverse values round
DEEPEST_FALL = 0.95  # a corner is never below 5 % of the price
HIGHEST_RISE = 4.0  # and never above five times it, nor beyond the grid, to whose top amounts have room
ATTEMPTS = 6
WINDOW = 64  # bucket lists walked in turns
AHEAD = 8  # accounts between asking for memory and needing it


@kernel
def integer_float(price: int) -> int:
    """The price's exponent and leading nine bits, as one number that never falls when the price rises."""
    return int(np.float64(max(price, 1)).view(np.int64) >> BUCKET_SHIFT)


@kernel
def price_bucket(state: State, instrument: int, price: int) -> int:
    """Bucket of a price: monotone, 512 an octave, eight octaves either side of the instrument's origin."""
    bucket = int(integer_float(price) - state.bucket_origin[instrument])
    return min(max(bucket, 0), BUCKETS_PER_GROUP - 1)


@kernel
def set_bucket_origin(state: State, instrument: int, price: int) -> None:
    """Centre an instrument's buckets on `price` and walk from there on; before anyone holds any of it."""
    state.bucket_origin[instrument] = integer_float(price) - BUCKETS_PER_GROUP // 2
    state.markets[instrument].processed = price


@kernel
def unlink_row(state: State, holding: int) -> None:
    """Take a holding out of the index; nothing happens if it is not in it."""
    row = state.holdings[holding]
    if row.bucket < 0:
        return
    bucket = state.buckets[row.instrument * (2 * BUCKETS_PER_GROUP) + row.bucket]
    if row.bucket_previous >= 0:
        state.holdings[row.bucket_previous].bucket_next = row.bucket_next
    else:
        bucket.head = row.bucket_next
    if row.bucket_next >= 0:
        state.holdings[row.bucket_next].bucket_previous = row.bucket_previous
    bucket.count -= 1
    row.bucket = -1


@kernel
def _link_row(state: State, holding: int, side: int, trigger: int) -> None:
    """Give a holding its trigger; its links change only if the bucket does."""
    row = state.holdings[holding]
    target = price_bucket(state, row.instrument, trigger)
    if side < 0:
        target += BUCKETS_PER_GROUP
    bucket = state.buckets[row.instrument * (2 * BUCKETS_PER_GROUP) + target]
    row.trigger = trigger
    if row.bucket != target:
        unlink_row(state, holding)
        row.bucket = target
        row.bucket_previous = -1
        row.bucket_next = bucket.head
        if bucket.head >= 0:
            state.holdings[bucket.head].bucket_previous = holding
        bucket.head = holding
        bucket.count += 1
    if bucket.count == 1 or (trigger - bucket.best) * side > 0:
        bucket.best = trigger


@kernel
def unregister(state: State, account: int) -> None:
    """Take all of an account's holdings out of the index."""
    holding = state.accounts[account].first_holding
    while holding >= 0:
        unlink_row(state, holding)
        holding = state.holdings[holding].next


@kernel
def add_pending(state: State, account: int) -> None:
    """Have the next tick value this account whatever prices do."""
    owner = state.accounts[account]
    if owner.pending == 0:
        owner.pending = 1
        place = next_place(state, PENDING, COUNT_PENDING)
        state.pending[place] = account


@kernel
def mark_dirty(state: State, account: int) -> None:
    """Have this account registered again: its holdings, rates or standing changed."""
    owner = state.accounts[account]
    state.moved_bits[account >> 6] |= 1 << (account & 63)
    if owner.dirty == 0:
        owner.dirty = 1
        place = next_place(state, DIRTY, COUNT_DIRTY)
        state.dirty[place] = account


@kernel
def mark_everybody_dirty(state: State) -> None:
    """Have every account registered again: a rule, a rate or a weight changed for all."""
    for account in range(state.counters[COUNT_ACCOUNTS]):
        mark_dirty(state, account)


@kernel
def cash_moved(state: State, account: int, amount: int) -> None:
    """Note that an account's cash has just changed by `amount`; prices' effect on it has not.

    Below zero each unit lost also costs the margin on borrowed cash; a gain may give less back than it could.
    """
    owner = state.accounts[account]
    owner.reserve += amount
    if amount < 0 and owner.cash + amount < 0:
        owner.reserve -= requirement_ppm(-amount, state.profiles[owner.profile].borrow_maintenance_ppm)
    if owner.reserve < 0:
        add_pending(state, account)


@kernel
def is_watched(state: State, account: int) -> bool:
    """Whether danger applies: a customer without the privilege of never being liquidated."""
    owner = state.accounts[account]
    return bool(owner.role < FIRST_HOUSE_ROLE and owner.exempt == 0)


@kernel
def has_stake(state: State, account: int) -> bool:
    """Whether there is anything to liquidate or to cover: cash or an asset owed, or a contract.

    Assets alone are not: who owes nothing and has no position cannot fail, also where they count for nothing.
    """
    if state.accounts[account].cash < 0:
        return True
    holding = state.accounts[account].first_holding
    while holding >= 0:
        row = state.holdings[holding]
        owned = state.instruments[row.instrument].kind == SPOT and row.size >= 0
        if not owned and (row.size != 0 or row.quote != 0):
            return True
        holding = row.next
    return False


@kernel
def is_monotone(state: State, holding: int) -> bool:
    """Whether a gain in the price can never cost more maintenance than it is worth.

    Always so for assets. Size-dependent rates have no upper end, and a profile may multiply any rate.
    """
    row = state.holdings[holding]
    record = state.instruments[row.instrument]
    if record.kind == SPOT:
        return True
    rate = np.int64(row.rate_ppm)
    if record.margin_rule == MARGIN_TIERS:
        rate = state.tiers[record.tier_start + record.tier_count - 1].rate_ppm
    elif record.margin_rule == MARGIN_FLAT:
        rate = record.rate_floor_ppm
    multiplier = state.profiles[state.accounts[row.account].profile].maintenance_multiplier_ppm
    return bool(rate * multiplier <= PPM * PPM)


@kernel
def corner_price(price: int, side: int, move: float) -> int:
    """The price after an adverse move (a fraction), rounded towards `price`."""
    if side > 0:
        return max(price - int(price * min(move, DEEPEST_FALL)), 1)
    return price + int(price * min(move, HIGHEST_RISE))


@kernel
def _corner_of(state: State, instrument: int, side: int, move: float) -> int:
    """`corner_price` of an instrument at its mark, on its grid."""
    price = state.markets[instrument].mark
    top = max(state.instruments[instrument].maximum_ticks - 1, price)
    return int(min(corner_price(price, side, move), top))


@kernel
def _corner_health(state: State, account: int, move: float) -> int:
    """Exact health if every price moved against the account's holdings by `move`."""
    health = base_health(state, account)
    holding = state.accounts[account].first_holding
    while holding >= 0:
        row = state.holdings[holding]
        side = row_side(state, holding)
        price = state.markets[row.instrument].mark
        if side != 0:
            price = _corner_of(state, row.instrument, side, move)
        health += row_health(state, holding, price)
        holding = row.next
    return health


@kernel
def _settle_on(state: State, account: int, move: float) -> bool:
    """Link every priced holding at its corner; true if a corner is already past a price not yet walked."""
    early = False
    holding = state.accounts[account].first_holding
    while holding >= 0:
        row = state.holdings[holding]
        side = row_side(state, holding)
        if side == 0:
            unlink_row(state, holding)
        else:
            market = state.markets[row.instrument]
            trigger = _corner_of(state, row.instrument, side, move)
            _link_row(state, holding, side, trigger)
            if (trigger - market.processed) * side > 0:
                early = True
        holding = row.next
    return early


@kernel
def _register(state: State, account: int, health: int) -> None:
    """Register an account whose exact health at current marks is `health`."""
    owner = state.accounts[account]
    if not is_watched(state, account):
        unregister(state, account)
        owner.reserve = AMOUNT_LIMIT
        return
    slack = 0
    sensitivity = 0.0
    monotone = True
    holding = owner.first_holding
    while holding >= 0:
        row = state.holdings[holding]
        if row_side(state, holding) != 0:
            monotone = monotone and is_monotone(state, holding)
            slack += ROUNDING_SLACK
            sensitivity += float(row_sensitivity(state, holding, state.markets[row.instrument].mark))
        holding = row.next
    if health < slack or not monotone:
        unregister(state, account)
        owner.reserve = 0
        if slack > 0 or has_stake(state, account):
            add_pending(state, account)
        return
    move = 0.97 * health / sensitivity if sensitivity > 0.0 else 0.0
    attempt = 0
    while True:
        reserve = _corner_health(state, account, move) - slack
        if reserve >= 0 or move == 0.0:
            break
        # give the deficit back, and twice as much each time; the last resort is the price itself
        move = max(move + (1 << attempt) * 1.01 * reserve / sensitivity, 0.0)
        attempt += 1
        if attempt > ATTEMPTS:
            move = 0.0
    owner.reserve = reserve
    if _settle_on(state, account, move):
        add_pending(state, account)


@kernel
def register(state: State, account: int) -> None:
    """Value an account exactly and give it a new corner; one without room for a corner becomes pending."""
    _register(state, account, account_health(state, account))


@kernel
def refresh(state: State) -> None:
    """Register every dirty account now, at current marks, instead of at the next tick."""
    for position in range(state.counters[COUNT_DIRTY]):
        account = state.dirty[position]
        state.accounts[account].dirty = 0
        register(state, account)
    state.counters[COUNT_DIRTY] = 0


@kernel
def list_account(state: State, account: int, count: int) -> int:
    """Put an account on the worklist unless it is there; returns the new length."""
    word = account >> 6
    bit = 1 << (account & 63)
    if state.worklist_bits[word] & bit != 0:
        return count
    check_list(count, len(state.candidates), CANDIDATES)
    state.worklist_bits[word] |= bit
    state.candidates[count] = account
    return count + 1


@kernel
def _advance(state: State, count: int, cursors: int) -> tuple[int, int]:
    """Look at one holding of each of the first `cursors` lists; returns the lengths of worklist and lists.

    The lists are walked in turns, so that each waits for its next holding while the others work.
    """
    turn = 0
    while turn < cursors:
        holding = np.int64(state.dirty[turn])
        row = state.holdings[holding]
        price = state.markets[row.instrument].mark
        side = 1 if row.bucket < BUCKETS_PER_GROUP else -1
        if (row.trigger - price) * side > 0:
            count = list_account(state, row.account, count)
        else:
            bucket = state.buckets[row.instrument * (2 * BUCKETS_PER_GROUP) + row.bucket]
            if (row.trigger - bucket.best) * side > 0:
                bucket.best = row.trigger
        following = np.int64(row.bucket_next)
        if following >= 0:
            prefetch(state.holdings, following)
            state.dirty[turn] = following
            turn += 1
        else:
            cursors -= 1
            state.dirty[turn] = state.dirty[cursors]
    return count, cursors


@kernel
def _walk(state: State, count: int) -> int:
    """List the accounts with a corner between a processed price and the mark; returns how many are listed."""
    window = min(WINDOW, len(state.dirty))
    cursors = 0
    for instrument in range(len(state.markets)):
        market = state.markets[instrument]
        price = market.mark
        if price == market.processed:
            continue
        side = 1 if price < market.processed else -1
        first = price_bucket(state, instrument, min(price, market.processed))
        last = price_bucket(state, instrument, max(price, market.processed))
        market.processed = price
        group = instrument * (2 * BUCKETS_PER_GROUP)
        if side < 0:
            group += BUCKETS_PER_GROUP
        for number in range(group + first, group + last + 1):
            bucket = state.buckets[number]
            if bucket.head < 0 or (bucket.best - price) * side <= 0:
                continue
            while cursors == window:
                count, cursors = _advance(state, count, cursors)
            bucket.best = 0 if side > 0 else AMOUNT_LIMIT
            prefetch(state.holdings, np.int64(bucket.head))
            state.dirty[cursors] = bucket.head
            cursors += 1
    while cursors > 0:
        count, cursors = _advance(state, count, cursors)
    return count


@kernel
def sort_listed(state: State, count: int) -> None:
    """Put the worklist in account order and clear its bits: by insertion if short, else along the bitmap."""
    worklist = state.candidates
    bitmap = state.worklist_bits
    words = (state.counters[COUNT_ACCOUNTS] + 63) >> 6
    if count * count < 4 * words:
        for position in range(count):
            account = worklist[position]
            bitmap[account >> 6] = 0
            place = position
            while place > 0 and worklist[place - 1] > account:
                worklist[place] = worklist[place - 1]
                place -= 1
            worklist[place] = account
        return
    position = 0
    for word in range(words):
        bits = bitmap[word]
        while bits != 0:
            lowest = bits & -bits
            exponent = (np.float64(lowest).view(np.int64) >> 52) & 2047
            worklist[position] = (word << 6) + exponent - 1023
            position += 1
            bits ^= lowest
        bitmap[word] = 0


@kernel
def fetch_ahead(state: State, position: int, count: int) -> None:
    """Ask for the accounts and holdings that come after `position` of the worklist."""
    if position + 3 * AHEAD < count:
        prefetch(state.accounts, np.int64(state.candidates[position + 3 * AHEAD]))
    if position + 2 * AHEAD < count:
        holding = np.int64(state.accounts[state.candidates[position + 2 * AHEAD]].first_holding)
        for step in range(4):  # a guess: holdings opened together lie together
            prefetch(state.holdings, holding + step)


@kernel
def _fetch_neighbours(state: State, position: int, count: int) -> None:
    """Ask for the holdings next to those of a coming account in the lists of the index."""
    if position + AHEAD < count:
        holding = np.int64(state.accounts[state.candidates[position + AHEAD]].first_holding)
        while holding >= 0:
            row = state.holdings[holding]
            if row.bucket >= 0:
                prefetch(state.holdings, np.int64(row.bucket_next))
                prefetch(state.holdings, np.int64(row.bucket_previous))
            holding = row.next


@kernel
def tick(state: State) -> int:
    """Bring the index to current marks; returns how many candidates there are.

    Afterwards `candidates[:count]` holds, in account order, every customer that is not exempt, has a stake
    and a negative health. They stay pending while that lasts, whatever their stage.
    """
    counters = state.counters
    counters[TICK] += 1
    count = 0
    for position in range(counters[COUNT_PENDING]):
        account = state.pending[position]
        state.accounts[account].pending = 0
        count = list_account(state, account, count)
    for position in range(counters[COUNT_DIRTY]):
        account = state.dirty[position]
        state.accounts[account].dirty = 0
        count = list_account(state, account, count)
    counters[COUNT_PENDING] = 0
    counters[COUNT_DIRTY] = 0
    count = _walk(state, count)
    counters[WAKES] += count
    sort_listed(state, count)
    found = 0
    for position in range(count):
        fetch_ahead(state, position, count)
        _fetch_neighbours(state, position, count)
        account = int(state.candidates[position])
        health = account_health(state, account)
        _register(state, account, health)
        if health < 0 and is_watched(state, account) and has_stake(state, account):
            state.candidates[found] = account
            found += 1
    counters[COUNT_CANDIDATES] = found
    return found
