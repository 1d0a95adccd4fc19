"""The venue's memory: accounts, holdings, resting orders, instruments and markets, as typed arrays.

Holds the record layouts and their allocation. Holds no rule. Everything is index-linked, so an arena grows by
copying.

* An **account** is one margin wallet: one settlement asset, one margin profile. A person with isolated
  positions or several settlement assets owns several accounts (`owner` ties them); money moves between them
  by TRANSFER.
* A **holding** is (account, instrument, size, quote): a perpetual position or a balance of a spot asset.
  `quote` is the running cost, so the value of a linear position is size x price x unit + quote and no average
  entry is ever stored. Holdings of one account form a linked list (`next`); the danger index threads the same
  records (`bucket_*`).
* An **order** rests in a price level's queue and in its account's own list.

Units: lots, ticks, settlement units (micro-dollars; atoms of the coin for inverse wallets), ppm; time in
milliseconds. Invariants: per instrument the sum of `size` and of `quote` over all holdings is zero
(perpetuals); per settlement asset the sum of `cash` is deposits minus withdrawals; a free record is on
exactly one free list.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from undertow.errors import CapacityError
from undertow.units import MICROS
from undertow.venue.memory import Memory, aligned_zeros
from undertow.venue.records import EVENT, FILL, POSTING

# One cache line, as are a holding and an order.
ACCOUNT = np.dtype(
    [
        ("cash", np.int64),
        ("reserve", np.int64),  # danger: health at the registered corner
        ("credit_limit", np.int64),  # may go this far below zero unchallenged (a privilege, normally 0)
        ("cooldown", np.int64),  # no further liquidation order before this time
        ("first_holding", np.int32),
        ("first_order", np.int32),
        ("owner", np.int32),
        ("leverage_floor_ppm", np.int32),  # 1/leverage chosen by the user: the lower bound of initial margin
        ("order_count", np.int32),
        ("reduce_only_count", np.int32),
        ("settlement", np.int8),
        ("profile", np.int8),
        ("role", np.int8),
        ("stage", np.int8),  # see Stage
        ("exempt", np.int8),  # see EXEMPT_*
        ("once_liquidated", np.int8),
        ("pending", np.int8),  # danger: 1 while on the list of accounts the next tick values in any case
        ("dirty", np.int8),  # danger: 1 while waiting to be registered again
    ],
    align=True,
)

# ACCOUNT.stage
STAGE_FREE = 0
STAGE_LIQUIDATING = 1  # frozen; the engine sends orders
STAGE_TAKEN = 2  # positions passed to a backstop; the account may trade again with what it deposits

# ACCOUNT.exempt
EXEMPT_NOT = 0
EXEMPT_PRIVILEGE = 1  # the engine never liquidates it
EXEMPT_BAD_DEBT = 2  # owes more than anybody covered and holds nothing more to sell

HOLDING = np.dtype(
    [
        ("size", np.int64),
        ("quote", np.int64),
        ("open_buy", np.int64),  # resting buys: lots (perpetuals), cash reserved at their limits (spot)
        ("open_sell", np.int64),  # resting sells: lots
        ("trigger", np.int64),  # danger: the corner price of this row
        ("rate_ppm", np.int32),  # size-dependent maintenance rate, or total weight of an asset balance
        ("account", np.int32),
        ("next", np.int32),
        ("bucket_next", np.int32),
        ("bucket_previous", np.int32),
        ("bucket", np.int16),  # danger: bucket, plus 8192 on the side hurt by a rise; -1: not in the index
        ("instrument", np.int16),
    ],
    align=True,
)

ORDER = np.dtype(
    [
        ("size", np.int64),  # 0: the record is free
        ("price", np.int64),
        ("level", np.int32),  # of its price, in State.pages
        ("next", np.int32),
        ("previous", np.int32),
        ("account", np.int32),
        ("holding", np.int32),
        ("own_next", np.int32),
        ("own_previous", np.int32),
        ("generation", np.int32),
        ("instrument", np.int16),
        ("side", np.int8),
        ("flags", np.int8),  # OrderFlag.REDUCE_ONLY, ORDER_POST_ONLY
        ("unused", np.int32, (3,)),
    ],
    align=True,
)

ORDER_POST_ONLY = 4  # in ORDER.flags: no amendment may make it trade at once

INSTRUMENT = np.dtype(
    [
        ("unit", np.int64),  # linear, spot: settlement units per tick and lot; inverse: units x ticks per lot
        ("coins_per_lot", np.int64),  # a lot is coins_per_lot / lots_per_coin coins
        ("lots_per_coin", np.int64),
        ("maximum_ticks", np.int64),
        ("maximum_lots", np.int64),
        ("minimum_notional", np.int64),  # settlement units; inverse: lots
        ("price_band_ppm", np.int64),  # limit orders, against the band reference; 0: none
        ("market_band_ppm", np.int64),  # furthest price a market order may reach; 0: none
        ("taker_fee_ppm", np.int64),
        ("maker_fee_ppm", np.int64),
        ("liquidation_fee_ppm", np.int64),
        ("largest_notional", np.int64),  # settlement units: the largest position; 0: none
        ("rate_floor_ppm", np.int64),  # maintenance floor; flat rule: the rate
        ("rate_initial_floor_ppm", np.int64),
        ("rate_factor_ppb", np.int64),  # square-root rule on maintenance; 0: none
        ("rate_initial_factor_ppb", np.int64),
        ("long_cap_ppm", np.int64),  # square-root rule: highest rate of a long; 0: none
        ("step_base", np.int64),  # stepped risk limits: settlement units at entry; 0: none
        ("step_size", np.int64),
        ("interest_lower", np.int64),  # open interest from which initial margin rises, settlement units
        ("interest_upper", np.int64),  # and at which it is the whole value; 0: it does not rise
        ("weight_total_ppm", np.int64),  # spot as collateral; 0: not accepted
        ("weight_initial_ppm", np.int64),
        ("weight_factor_ppb", np.int64),  # 1.1 / (1 + factor x sqrt(coins)); 0: none
        ("borrow_floor_ppm", np.int64),  # maintenance on a negative balance of the asset
        ("borrow_initial_floor_ppm", np.int64),  # initial margin; 0: the asset cannot be borrowed
        ("borrow_factor_ppb", np.int64),
        ("borrow_initial_factor_ppb", np.int64),
        ("fund", np.int32),  # account of the insurance fund that backs this instrument
        ("clearing_holding", np.int32),
        ("tier_start", np.int32),
        ("tier_count", np.int32),
        ("kind", np.int8),
        ("margin_rule", np.int8),  # see MARGIN_*
        ("weight_rule", np.int8),  # see WEIGHT_*
        ("settlement", np.int16),
    ],
    align=True,
)

# INSTRUMENT.margin_rule
MARGIN_TIERS = 0  # maintenance = notional x rate - deduction by notional; initial: the tier's leverage cap
MARGIN_SQUARE_ROOT = 1  # max(floor, factor x sqrt(size in coins))
MARGIN_STEPS = 2  # floor plus one floor-maintenance for each step of value at entry above the base
MARGIN_FLAT = 3
# INSTRUMENT.weight_rule
WEIGHT_FLAT = 0
WEIGHT_SQUARE_ROOT = 1
WEIGHT_TIERS_BY_QUANTITY = 2
WEIGHT_TIERS_BY_VALUE = 3

MARKET = np.dtype(
    [
        ("mark", np.int64),  # perpetuals: mark price; spot: the price collateral is valued at
        ("index", np.int64),
        ("last", np.int64),
        ("best_bid", np.int64),  # 0: no bid
        ("best_ask", np.int64),  # maximum_ticks: no ask
        ("processed", np.int64),  # danger: price up to which triggers have been walked
        ("band_reference", np.int64),
        ("previous_mark", np.int64),
        ("volume_lots", np.int64),  # since the last record
        ("volume_value", np.int64),
        ("sell_value", np.int64),  # part of volume_value whose taker sold
        ("open_interest", np.int64),  # long side, lots
        ("halted", np.int8),
        ("reduce_only", np.int8),
        ("listed", np.int8),
    ],
    align=True,
)

TIER = np.dtype(
    [
        ("floor", np.int64),  # tier starts at this notional (settlement units) or quantity (lots)
        ("rate_ppm", np.int64),  # maintenance rate, or weight
        ("deduction", np.int64),  # subtracted (maintenance) or added (weights) so that the sum is continuous
        ("initial_ppm", np.int64),
    ],
    align=True,
)

PROFILE = np.dtype(
    [
        ("maintenance_multiplier_ppm", np.int64),
        ("borrow_initial_ppm", np.int64),  # on negative cash
        ("borrow_maintenance_ppm", np.int64),
        ("collateral", np.int8),  # see COLLATERAL_*
        ("borrowing", np.int8),
        ("trigger_at_equality", np.int8),
        ("forced_assets", np.int8),  # see ASSETS_*
        ("open_profit_leaves", np.int8),  # profit not yet realised may be withdrawn
    ],
    align=True,
)

COLLATERAL_NONE = 0  # asset balances do not count
COLLATERAL_WEIGHTED = 1
COLLATERAL_RAW = 2  # at full price
# PROFILE.forced_assets
ASSETS_TAKEN = 0  # pass to the backstop with what orders left
ASSETS_SOLD = 1  # sold into their own books first
ASSETS_KEPT = 2  # pass to the lender, who sells nothing

LEVEL = np.dtype([("size", np.int64), ("head", np.int32), ("tail", np.int32)], align=True)
BUCKET = np.dtype([("best", np.int64), ("head", np.int32), ("count", np.int32)], align=True)
BOOK = np.dtype(
    [
        ("maximum_ticks", np.int64),
        ("bits", np.int32, (2, 4)),  # offsets into State.bits: side (0 bid, 1 ask) x level above blocks
        ("blocks", np.int32),  # offset into State.block_table
    ],
    align=True,
)

# Sums over the holdings of an account whose orders were checked a moment ago (slack.py).
SLACK = np.dtype(
    [
        ("key", np.int64),
        ("equity", np.int64),
        ("required", np.int64),
        ("reserved", np.int64),
        ("loss", np.int64),  # of resting orders through the mark; -1: not known
    ],
    align=True,
)

# Slots of State.counters.
COUNT_ACCOUNTS = 0
COUNT_HOLDINGS = 1  # high-water mark
FREE_HOLDING = 2  # head of the free list, -1 none
COUNT_ORDERS = 3
FREE_ORDER = 4
LIVE_ORDERS = 5
COUNT_PAGES = 6
FREE_PAGE = 7
COUNT_FILLS = 8
COUNT_POSTINGS = 9
COUNT_EVENTS = 10
TIME = 11
TICK = 12  # danger: number of the current tick
COUNT_PENDING = 13
COUNT_DIRTY = 14
COUNT_BANKRUPT = 15
SELF_TRADE_RULE = 16
FREEZE_RULE = 17
BAND_RULE = 18  # 0 mark, 1 index, 2 opposite best
TRADE_COUNT = 19  # fills since the venue opened
WITHDRAWALS_CLOSED = 20
WITHDRAWAL_NOTIONAL_PPM = 21
LIQUIDATION_HALTED = 22
COUNT_CANDIDATES = 23
LEDGER_DETAIL = 24  # 1: trade and fee postings are written one by one; 0: only summed in cause_totals
MAXIMUM_ORDERS = 25  # per account
USED_PAGES = 26
BATCH = 27  # number of the batch of commands, see slack.py
WAKES = 28  # danger: accounts valued at ticks since the venue opened
REDUCE_ONLY_RULE = 29  # see REDUCE_*
POST_ONLY_AMEND_RULE = 30  # 1: an amendment that makes a post-only order take withdraws it; 0: is refused
FLAT_DEBT_RULE = 31  # 1: a debt without a position stays with its owner; 0: the fund pays it
COUNT_HOUSE = 32  # accounts of the house, providers among them
MATCH_RULE = 33  # what the owner of a resting order must have left when it fills, see MATCH_*
COUNT_BLOCKS = 40  # of books: high-water mark
COUNT_WORDS = 41  # of State.bits
COUNT_PLACES = 42  # of State.block_table
COUNTERS = 48
PAGE_LEVELS = 64
BLOCK_PAGES = 256
BLOCK_WORDS = 2 * BLOCK_PAGES // 64  # of a block's bitmap: bids, then asks

# What REDUCE_ONLY_RULE says.
REDUCE_EACH = 0  # each reduce-only order by itself closes no more than the position
REDUCE_TOGETHER = 1  # those that rest close no more than the position together
REDUCE_UNOFFERED = 2  # also: a new one closes no more than no resting order offers already
# What MATCH_RULE says.
MATCH_EQUITY = 0  # equity not below zero
MATCH_MARGIN = 1  # initial margin, unless the fill makes the account no riskier
SLACK_SLOTS = 1024  # a power of two

# The counter that says how far an arena is used, and the records it counts as one; the rest of it is zero.
USED_BY = {
    "accounts": (COUNT_ACCOUNTS, 1),
    "holdings": (COUNT_HOLDINGS, 1),
    "orders": (COUNT_ORDERS, 1),
    "pages": (COUNT_PAGES, PAGE_LEVELS),
    "page_next": (COUNT_PAGES, 1),
    "page_bits": (COUNT_PAGES, 2),
    "page_table": (COUNT_BLOCKS, BLOCK_PAGES),
    "block_bits": (COUNT_BLOCKS, BLOCK_WORDS),
    "bits": (COUNT_WORDS, 1),
    "block_table": (COUNT_PLACES, 1),
    "fills": (COUNT_FILLS, 1),
    "postings": (COUNT_POSTINGS, 1),
    "events": (COUNT_EVENTS, 1),
}

# The first accounts of every venue: HOUSE_STRIDE per settlement asset, in this order.
HOUSE_STRIDE = 8
HOUSE_FUND = 0
HOUSE_FEES = 1
HOUSE_CLEARING = 2
HOUSE_VAULT = 3
HOUSE_LENDING = 4
HOUSE_TREASURY = 5


BUCKETS_PER_GROUP = 8192
MAXIMUM_SETTLEMENTS = 16
CAUSES = 32
LINKED = frozenset({"accounts", "holdings", "orders", "pages"})  # by links of 32 bits
MAXIMUM_LINK = (1 << 31) - 1
INT32 = np.dtype(np.int32)
INT64 = np.dtype(np.int64)


class State(Memory):
    """Everything the venue knows, as named arrays that kernels and Python share."""

    LAYOUT: ClassVar[dict[str, tuple[np.dtype[Any], int]]] = {
        "accounts": (ACCOUNT, 1),
        "holdings": (HOLDING, 1),
        "orders": (ORDER, 1),
        "instruments": (INSTRUMENT, 1),
        "markets": (MARKET, 1),
        "tiers": (TIER, 1),
        "profiles": (PROFILE, 1),
        "counters": (INT64, 1),
        "slack": (SLACK, 1),
        # books: one arena for all instruments
        "books": (BOOK, 1),
        "bits": (INT64, 1),  # blocks that hold an order, and the levels of the bitmap above
        "block_table": (INT32, 1),  # a book's blocks, from its lowest price; -1: none yet
        "block_bits": (INT64, 1),  # BLOCK_WORDS a block: pages that hold a bid, pages that hold an ask
        "page_table": (INT32, 1),  # BLOCK_PAGES a block; -1: none
        "page_bits": (INT64, 1),  # two a page: levels that hold a bid, levels that hold an ask
        "pages": (LEVEL, 1),  # PAGE_LEVELS a page; written when a page is first taken
        "page_next": (INT32, 1),
        # danger: the safe-corner trigger index
        "buckets": (BUCKET, 1),  # BUCKETS_PER_GROUP per instrument and side
        "bucket_origin": (INT64, 1),  # per instrument: subtracted from a price's integer float
        "pending": (INT32, 1),  # accounts to value at the next tick whatever prices do
        "dirty": (INT32, 1),  # accounts to register again
        "candidates": (INT32, 1),  # what a tick found, in account order
        "worklist_bits": (INT64, 1),  # one bit per account, all zero between ticks: lists once and sorts
        "debt_bits": (INT64, 1),  # one bit per account: set where cash is below zero, and perhaps elsewhere
        "moved_bits": (INT64, 1),  # one bit per account: its cash or holdings changed since ranking.py looked
        "behind": (
            INT32,
            1,
        ),  # per account under liquidation: the fund of its largest position when last seen
        "bankrupt": (INT32, 1),  # accounts whose positions nobody took: to be allocated among winners
        # log: what happened since it was last drained
        "fills": (FILL, 1),
        "postings": (POSTING, 1),
        "events": (EVENT, 1),
        "unit_scale": (INT64, 1),  # per settlement asset: its smallest units in a whole one
        "cause_totals": (INT64, 2),  # settlement asset x cause: sum of amounts posted, ever
        "net_deposits": (INT64, 1),  # settlement assets (0..15), then 16 + instrument for spot assets
    }
    GROWS: ClassVar[frozenset[str]] = frozenset({"fills", "postings", "events"})

    accounts: NDArray[np.void]
    holdings: NDArray[np.void]
    orders: NDArray[np.void]
    instruments: NDArray[np.void]
    markets: NDArray[np.void]
    tiers: NDArray[np.void]
    profiles: NDArray[np.void]
    counters: NDArray[np.int64]
    slack: NDArray[np.void]
    books: NDArray[np.void]
    bits: NDArray[np.int64]
    block_table: NDArray[np.int32]
    block_bits: NDArray[np.int64]
    page_table: NDArray[np.int32]
    page_bits: NDArray[np.int64]
    pages: NDArray[np.void]
    page_next: NDArray[np.int32]
    buckets: NDArray[np.void]
    bucket_origin: NDArray[np.int64]
    pending: NDArray[np.int32]
    dirty: NDArray[np.int32]
    candidates: NDArray[np.int32]
    worklist_bits: NDArray[np.int64]
    debt_bits: NDArray[np.int64]
    moved_bits: NDArray[np.int64]
    behind: NDArray[np.int32]
    bankrupt: NDArray[np.int32]
    fills: NDArray[np.void]
    postings: NDArray[np.void]
    events: NDArray[np.void]
    unit_scale: NDArray[np.int64]
    cause_totals: NDArray[np.int64]
    net_deposits: NDArray[np.int64]

    def grow(self, name: str, capacity: int) -> None:
        """As `Memory.grow`; CapacityError where links to the records would not reach them."""
        if name in LINKED and capacity > MAXIMUM_LINK:
            raise CapacityError(f"{name}: {capacity} records are more than the {MAXIMUM_LINK} there can be")
        super().grow(name, capacity)

    def used(self, name: str) -> int:
        """Records in use, which are all that is copied: room that nobody touches costs no memory."""
        if name not in USED_BY:
            return super().used(name)
        counter, records = USED_BY[name]
        return int(self.counters[counter]) * records

    def grow_accounts(self, capacity: int) -> None:
        """Room for `capacity` accounts everywhere an account has a place."""
        for name in ("accounts", "pending", "dirty", "candidates", "behind", "bankrupt"):
            self.grow(name, capacity)
        for name in ("worklist_bits", "debt_bits", "moved_bits"):
            self.grow(name, (capacity + 63) // 64)


def allocate(
    instrument_capacity: int, account_capacity: int, holding_capacity: int, order_capacity: int
) -> State:
    """A new venue's memory; the books' bitmaps are added as instruments are listed."""
    state = State()
    lengths = {
        "accounts": account_capacity,
        "holdings": holding_capacity,
        "orders": order_capacity,
        "instruments": instrument_capacity,
        "markets": instrument_capacity,
        "tiers": 1,
        "profiles": 8,
        "counters": COUNTERS,
        "slack": SLACK_SLOTS,
        "books": instrument_capacity,
        "bits": 0,
        "block_table": 0,
        "block_bits": 64 * BLOCK_WORDS,
        "page_table": 64 * BLOCK_PAGES,
        "page_bits": 2 * 256,
        "pages": 256 * PAGE_LEVELS,
        "page_next": 256,
        "buckets": 2 * instrument_capacity * BUCKETS_PER_GROUP,
        "bucket_origin": instrument_capacity,
        "pending": account_capacity,
        "dirty": account_capacity,
        "candidates": account_capacity,
        "worklist_bits": (account_capacity + 63) // 64,
        "debt_bits": (account_capacity + 63) // 64,
        "moved_bits": (account_capacity + 63) // 64,
        "behind": account_capacity,
        "bankrupt": account_capacity,
        "fills": 1 << 16,
        "postings": 1 << 16,
        "events": 1 << 14,
        "unit_scale": MAXIMUM_SETTLEMENTS,
        "net_deposits": MAXIMUM_SETTLEMENTS + instrument_capacity,
    }
    for name, length in lengths.items():
        state.bind(name, aligned_zeros(length, State.LAYOUT[name][0]))
    state.bind("cause_totals", np.zeros((MAXIMUM_SETTLEMENTS, CAUSES), np.int64))
    state.counters[[FREE_HOLDING, FREE_ORDER, FREE_PAGE]] = -1
    state.buckets["head"] = -1
    state.unit_scale[:] = MICROS
    return state
