"""The venue's limits, at their edges: formulas against Python's integers, both paths of danger alike.

The references are written out here from the definitions; nothing is shared with the code but the limits.
"""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from undertow.errors import UndertowError
from undertow.rulebook.load import load_rulebook
from undertow.units import AMOUNT_LIMIT
from undertow.venue import danger, danger_scan, funding, index, integers, margin
from undertow.venue.allocation import policy, share, water_fill
from undertow.venue.book import MAXIMUM_TICKS, make_order_room, take_slot
from undertow.venue.closing import LOSER, ClosingRule, need_of
from undertow.venue.compile import Listing, instrument_figures
from undertow.venue.conversion import Conversion, is_due
from undertow.venue.disposal import Disposal, disposal_lots, disposal_lots_reference
from undertow.venue.funding_reference import amount_reference
from undertow.venue.ledger import deposit, holding_of
from undertow.venue.limits import (
    GRID_ROOM,
    HIGHEST_RATE_PPM,
    LARGEST_EXTRA,
    LARGEST_WEIGHT_PPM,
    MAXIMUM_CONSTITUENTS,
    POSITION_LIMIT,
)
from undertow.venue.matching import rest, taker_of
from undertow.venue.open_loss import initial_parts
from undertow.venue.pacing_fillable import RATIO_LIMIT, RATIO_SCALE, risk_ratio
from undertow.venue.rates import refresh_rates
from undertow.venue.records import InstrumentKind
from undertow.venue.setup import list_instrument, open_account, open_house
from undertow.venue.slack import hold_back
from undertow.venue.state import (
    COLLATERAL_RAW,
    COUNT_CANDIDATES,
    MARGIN_FLAT,
    MARGIN_SQUARE_ROOT,
    MARGIN_STEPS,
    State,
    allocate,
)

INT64 = 1 << 63
LINEAR, INVERSE, SPOT = (
    int(kind) for kind in (InstrumentKind.LINEAR, InstrumentKind.INVERSE, InstrumentKind.SPOT)
)
BOOK = load_rulebook("binance-2025")


def around(value: int) -> list[int]:
    """A limit and what stands beside it."""
    return [value - 1, value, value + 1]


@st.composite
def listings(draw: st.DrawFn) -> Listing:
    """Ticks, lots, prices and decimals of every size that may be listed."""
    kind = draw(st.sampled_from([InstrumentKind.LINEAR, InstrumentKind.INVERSE, InstrumentKind.SPOT]))
    tick = Decimal(draw(st.integers(1, 999))).scaleb(draw(st.integers(-10, 2)))
    lot = Decimal(draw(st.integers(1, 999))).scaleb(draw(st.integers(-8, 6)))
    start = tick * draw(st.integers(1, 10**8))
    return Listing("X", kind, "X", tick, lot, start, 0, draw(st.integers(0, 8)))


@given(listings())
@settings(max_examples=300)
def test_every_listing_is_inside_the_limits_or_refused(listing: Listing) -> None:
    """A hundredfold rise, a lot's exact coins, and the largest position worth what a position may be."""
    try:
        figures = instrument_figures(BOOK, listing)
    except UndertowError:
        return
    unit, ticks, lots = figures["unit"], figures["maximum_ticks"], figures["maximum_lots"]
    assert min(GRID_ROOM * int(listing.start / listing.tick), MAXIMUM_TICKS) <= ticks <= MAXIMUM_TICKS
    worth = unit if listing.kind == InstrumentKind.INVERSE else unit * ticks
    assert 0 < lots * worth <= POSITION_LIMIT
    assert lots * figures["coins_per_lot"] <= AMOUNT_LIMIT
    assert all(-INT64 <= figure < INT64 for figure in figures.values())
    if listing.kind != InstrumentKind.INVERSE:
        assert figures["coins_per_lot"] == listing.lot * figures["lots_per_coin"]


@given(listings(), st.integers(0, 4))
@settings(max_examples=200)
def test_values_at_the_limit_equal_big_integers(listing: Listing, place: int) -> None:
    """Every value of the largest position, at both ends of the grid and between."""
    try:
        figures = instrument_figures(BOOK, listing)
    except UndertowError:
        return
    kind, unit, lots, ticks = (figures[name] for name in ("kind", "unit", "maximum_lots", "maximum_ticks"))
    price = [1, 2, ticks // 3 + 1, ticks - 2, ticks - 1][place]
    for size in (lots, lots - 1, -lots):
        exact = size * price * unit if kind != INVERSE else -size * unit // price
        assert margin.position_value(kind, unit, size, price) == exact
        rounded_up = abs(size) * price * unit if kind != INVERSE else -(-abs(size) * unit // price)
        assert margin.notional(kind, unit, size, price) == rounded_up
        assert -INT64 <= exact < INT64


def exact_requirement(amount: int, rate: int) -> int:
    return min(-(-amount * rate // 10**12), max(amount, LARGEST_EXTRA) if rate > 10**12 else INT64)


@given(st.integers(0, AMOUNT_LIMIT), st.integers(0, HIGHEST_RATE_PPM), st.integers(10**6, 10**8))
@settings(max_examples=400)
def test_requirements_equal_big_integers_and_stop_at_their_limit(amount: int, rate: int, more: int) -> None:
    assert margin.requirement_ppm(amount, rate) == exact_requirement(amount, rate * 10**6)
    assert margin.requirement(amount, rate * more) == exact_requirement(amount, rate * more)


@pytest.mark.parametrize("amount", [0, 1, *around(LARGEST_EXTRA), *around(LARGEST_EXTRA // 2), AMOUNT_LIMIT])
@pytest.mark.parametrize("rate_ppm", [0, 1, *around(10**6), *around(2 * 10**6), HIGHEST_RATE_PPM])
def test_requirements_at_their_edges(amount: int, rate_ppm: int) -> None:
    assert margin.requirement_ppm(amount, rate_ppm) == exact_requirement(amount, rate_ppm * 10**6)


def steep_venue(rule: int, **figures: int) -> State:
    """One contract under a margin rule that grows with size, and a customer."""
    state = allocate(2, 64, 256, 64)
    state.profiles[0]["maintenance_multiplier_ppm"] = 10**6
    state.profiles[0]["collateral"] = COLLATERAL_RAW
    open_house(state, 1)
    given = {"kind": INVERSE, "unit": 2 * 10**8, "lots_per_coin": 1, "maximum_ticks": 1 << 20,
             "maximum_lots": 1 << 31, "margin_rule": rule, "rate_floor_ppm": 5_000,
             "rate_initial_floor_ppm": 10_000}  # fmt: skip
    list_instrument(state, 0, given | figures, 2)
    return state


@pytest.mark.parametrize(
    ("rule", "figures"),
    [
        (MARGIN_STEPS, {"step_base": 200 * 10**8, "step_size": 10**8}),
        (MARGIN_SQUARE_ROOT, {"rate_factor_ppb": 10**9, "coins_per_lot": 10**6}),
        (MARGIN_STEPS, {"step_base": 0, "step_size": 1, "rate_floor_ppm": 10**8}),
    ],
)
@pytest.mark.parametrize("lots", [1, 400, 45_000_000, (1 << 31) - 1])
def test_rates_that_grow_with_size_stop_alike_in_both_paths(
    rule: int, figures: dict[str, int], lots: int
) -> None:
    """45 million contracts of a dollar at a dollar: 450,000 steps of 0.5 % do not fit 32 bits."""
    state = steep_venue(rule, **figures)
    account = open_account(state, 0, 0)
    deposit(state, account, 10**15)
    holding = holding_of(state, account, 0)
    row = state.holdings[holding]
    row["size"], row["quote"] = lots, lots * 10**8
    refresh_rates(state, holding)
    record = state.instruments[0]
    if rule == MARGIN_STEPS:
        steps = max(0, -(-(lots * 10**8 - int(record["step_base"])) // int(record["step_size"])))
        wanted = int(record["rate_floor_ppm"]) * (1 + steps)
    else:
        coins_e8 = lots * 10**6 * 10**8
        wanted = max(5_000, 10**9 * math.isqrt(coins_e8) // 10**7)
    assert int(row["rate_ppm"]) == min(wanted, HIGHEST_RATE_PPM)
    danger.mark_dirty(state, account)
    for price in (2, 3, 1, 2):
        state.markets["mark"][0] = price
        danger.refresh(state)
        danger.tick(state)
        found = state.candidates[: state.counters[COUNT_CANDIDATES]].tolist()
        danger_scan.scan(state)
        assert found == state.candidates[: state.counters[COUNT_CANDIDATES]].tolist()
        notional = -(-lots * int(record["unit"]) // price)
        owed = exact_requirement(notional, int(row["rate_ppm"]) * 10**6)
        exact = 10**15 + lots * 10**8 - lots * int(record["unit"]) // price
        assert abs(int(margin.account_health(state, account)) - (exact - owed)) <= 1


@given(st.lists(st.integers(-3, 3), min_size=40, max_size=40), st.booleans(), st.integers(0, 1))
@settings(max_examples=30)
def test_an_account_at_its_limit_is_valued_exactly(signs: list[int], rich: bool, top: int) -> None:
    """Forty positions, together worth AMOUNT_LIMIT at the top of their grids, at the dearest rates."""
    count, ticks = len(signs), 1 << 20
    state = allocate(count, 64, 256, 64)
    state.profiles[0]["maintenance_multiplier_ppm"] = 10**8
    state.profiles[0]["borrow_maintenance_ppm"] = 10**6
    open_house(state, 1)
    lots = AMOUNT_LIMIT // (count * ticks)
    figures: dict[str, int] = {"kind": LINEAR, "unit": 1, "lots_per_coin": 1, "maximum_ticks": ticks,
               "maximum_lots": lots, "margin_rule": MARGIN_FLAT, "rate_floor_ppm": 10**8,
               "rate_initial_floor_ppm": 10**8}  # fmt: skip
    account = open_account(state, 0, 0)
    cash = AMOUNT_LIMIT if rich else -AMOUNT_LIMIT
    deposit(state, account, cash)
    equity, owed, kept = cash, 0 if rich else AMOUNT_LIMIT, 0
    for instrument, sign in enumerate(signs):
        list_instrument(state, instrument, figures, ticks - 1 if top else 1)
        size = lots * (1 if sign > 0 else -1)
        price, entry = (ticks - 1, 1) if top else (1, ticks - 1)
        row = state.holdings[holding_of(state, account, instrument)]
        row["size"], row["quote"] = size, -size * entry
        equity += size * (price - entry)
        owed += exact_requirement(lots * price, 10**16)
        kept += exact_requirement(lots * price, 10**14)
    found = margin.maintenance_parts(state, account)
    assert found == (equity, owed, count * lots * (ticks - 1 if top else 1))
    assert margin.account_health(state, account) == equity - owed
    assert -INT64 < equity - owed < INT64
    assert initial_parts(state, account) == (equity, kept, 0)


@given(st.lists(st.integers(-3, 3), min_size=40, max_size=40))
@settings(max_examples=30)
def test_losses_of_open_orders_at_the_limit_are_summed_exactly(signs: list[int]) -> None:
    """Forty orders across their whole grids, worth AMOUNT_LIMIT together, of an account that owes as much."""
    count, ticks = len(signs), 1 << 20
    state = allocate(count, 64, 256, 64)
    state.profiles[0]["borrow_initial_ppm"] = 10**6
    open_house(state, 1)
    lots = AMOUNT_LIMIT // (count * ticks)
    figures: dict[str, int] = {"kind": LINEAR, "unit": 1, "lots_per_coin": 1, "maximum_ticks": ticks,
               "maximum_lots": lots, "margin_rule": MARGIN_FLAT, "rate_initial_floor_ppm": 10**8}  # fmt: skip
    account = open_account(state, 0, 0)
    deposit(state, account, -AMOUNT_LIMIT)
    kept = AMOUNT_LIMIT
    for instrument, sign in enumerate(signs):
        side, price, mark = (1, ticks - 1, 1) if sign > 0 else (-1, 1, ticks - 1)
        list_instrument(state, instrument, figures, mark)
        make_order_room(state, 1)
        holding = holding_of(state, account, instrument)
        hold_back(state, holding, side, lots, 0)
        rest(
            state, taker_of(account, instrument, side, price, lots, 0, 0, 0), lots, holding, take_slot(state)
        )
        kept += exact_requirement(lots * mark, 10**14) + lots * (ticks - 2)
    assert initial_parts(state, account) == (-AMOUNT_LIMIT, kept, 0)
    assert -AMOUNT_LIMIT - kept > -INT64


@given(
    st.lists(st.integers(1, MAXIMUM_TICKS - 1), min_size=1, max_size=MAXIMUM_CONSTITUENTS), st.integers(0, 3)
)
@settings(max_examples=100)
def test_an_index_of_the_largest_prices_and_weights(prices: list[int], method: int) -> None:
    """Sixty-four constituents of full weight at the top of the largest grid; an index is never negative."""
    rules = np.zeros(1, index.INDEX_RULE)
    rules["method"], rules["outlier_ppm"] = method, index.WIDEST_OUTLIER_PPM
    memory = index.allocate_index(1, len(prices))
    weights = [LARGEST_WEIGHT_PPM - place for place in range(len(prices))]
    given_ = index.Constituents(*(np.array([row], np.int64) for row in (prices, weights, [0] * len(prices))))
    index.update_indices(rules, given_, memory)
    wanted, _used = index.combine(prices, weights, [0] * len(prices), rules[0], 0)
    assert int(memory.index_ticks[0]) == wanted >= 0


@pytest.mark.parametrize("kind", [LINEAR, INVERSE])
@pytest.mark.parametrize("rate_ppb", [*around(funding.RATE_LIMIT_PPB)[:2], -funding.RATE_LIMIT_PPB, 1])
def test_funding_of_the_largest_position(kind: int, rate_ppb: int) -> None:
    unit, ticks = 1, 1 << 20
    lots = AMOUNT_LIMIT // ticks
    for size in (lots, -lots):
        wanted = amount_reference(kind == INVERSE, unit, size, ticks, rate_ppb)
        assert funding.funding_amount(kind, unit, size, ticks, rate_ppb) == wanted
        assert abs(wanted) < INT64


@given(st.integers(-(1 << 62), 1 << 62), st.integers(1, 1 << 62))
@settings(max_examples=200)
def test_the_risk_ratio_of_large_accounts(equity: int, maintenance: int) -> None:
    """Nine million dollars of maintenance, a million times, do not fit int64: those ranked riskiest."""
    exact = equity * RATIO_SCALE // maintenance
    most = RATIO_LIMIT * RATIO_SCALE
    assert risk_ratio(equity, maintenance) == max(min(exact, most), -most)


def test_a_large_account_slightly_below_maintenance_is_not_the_riskiest() -> None:
    """20 million dollars of maintenance, 19 of equity: 0.95, as for twenty dollars and nineteen."""
    assert risk_ratio(19 * 10**12, 20 * 10**12) == risk_ratio(19 * 10**6, 20 * 10**6) == 950_000_000


@pytest.mark.parametrize("debt", [1, 10**6, AMOUNT_LIMIT])
@pytest.mark.parametrize("multiple", [1, 4, 10**6])
def test_debt_against_a_multiple_of_collateral(debt: int, multiple: int) -> None:
    rule = Conversion(0, multiple, 0, 0, 10**6, 0, 1)
    for collateral in (*around(debt // multiple), -AMOUNT_LIMIT, AMOUNT_LIMIT):
        assert is_due(rule, debt, collateral, 0, 0, 0) == (debt > multiple * collateral)


@given(st.integers(0, POSITION_LIMIT), st.integers(0, POSITION_LIMIT), st.integers(1, 86_400))
@settings(max_examples=100)
def test_disposal_of_the_largest_stock(stock: int, turnover: int, seconds: int) -> None:
    rule = Disposal(20_000, 1_000_000, 0, 0)
    turnover = min(turnover, (INT64 - 1) // 2_000)  # what a minute of 86,400 s may come to in lots
    assert disposal_lots(rule, stock, turnover, seconds) == disposal_lots_reference(
        rule, stock, turnover, seconds
    )


@given(st.lists(st.integers(1 - INT64, INT64 - 1), max_size=200))
def test_exact_sums(amounts: list[int]) -> None:
    assert integers.exact_sum(np.array(amounts, np.int64)) == sum(amounts)


def test_the_sum_of_deficits_is_exact_however_large() -> None:
    """Three of 2**62 wrapped below zero, and the step stopped half done."""
    losers = np.zeros(3, LOSER)
    losers["deficit"], losers["size"], losers["price"] = 1 << 62, (-5, -6, -7), 100
    need = need_of(ClosingRule(policy("clawback"), "bankruptcy", True, 0, False), losers)
    assert (need.need_lots, need.deficit_micros) == (0, 3 << 62)
    caps = np.array([1 << 61, 1 << 60, 5], np.int64)
    assert water_fill(need.deficit_micros, caps, np.ones(3, np.int64)).tolist() == caps.tolist()
    assert share(need.deficit_micros // 4, caps).sum() == 3 << 60


def test_constants_leave_the_room_that_the_proof_needs() -> None:
    """The sums of the module's docstring, in big integers."""
    cash = 1 << 61
    worst_equity = AMOUNT_LIMIT + cash
    worst_requirement = AMOUNT_LIMIT + 64 * LARGEST_EXTRA
    assert worst_equity + worst_requirement + cash < INT64
    assert MAXIMUM_TICKS * MAXIMUM_CONSTITUENTS * LARGEST_WEIGHT_PPM <= 1 << 62
    assert 2 * MAXIMUM_TICKS * index.WIDEST_OUTLIER_PPM < INT64
    assert HIGHEST_RATE_PPM < 1 << 31
    assert AMOUNT_LIMIT * funding.RATE_LIMIT_PPB // 10**9 < INT64
