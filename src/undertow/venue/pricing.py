"""The step's prices: outside constituents to index, book and index to mark, collateral to its rulebook price.

Holds the wiring of `index`, `marks` and `funding` to the venue's markets: their rules from the rulebook,
their memory, and the order in which they run. Holds no formula.

Units: ticks, seconds, ppb. Invariant: a collateral price never comes from anywhere but the source its
rulebook names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from undertow.rulebook.collateral import CollateralPrice
from undertow.rulebook.model import Rulebook
from undertow.units import PPM
from undertow.venue import funding, index, marks
from undertow.venue.compile import Listing
from undertow.venue.depth import impact_prices
from undertow.venue.dollars import money
from undertow.venue.fixed_point import decay_ppb
from undertow.venue.records import InstrumentKind
from undertow.venue.state import State

PPB_PER_PPM = 1000

Rows = TypeVar("Rows", index.IndexState, marks.MarkState, funding.FundingState)


def _joined(rows: Rows, more: Rows) -> Rows:
    """The same memory with more instruments at its end."""
    columns = [np.concatenate(pair) for pair in zip(rows, more, strict=True)]
    return type(rows)(*columns)


class Pricing:
    """Prices of every listed instrument, one step at a time.

    `outside` arrays are (instruments, constituents) in ticks; 0 is no price. A single column is the usual
    case: the world hands in one combined outside price an instrument.
    """

    def __init__(self, rulebook: Rulebook, step_ms: int, constituents: int) -> None:
        self.rulebook = rulebook
        self.step_ms = max(1, step_ms)
        self.constituents = constituents
        self.listings: list[Listing] = []
        self.window = max(1, rulebook.mark.basis_window_seconds)
        self.index_rules = np.zeros(0, index.INDEX_RULE)
        self.mark_rules = np.zeros(0, marks.MARK_RULE)
        self.funding_rules = np.zeros(0, funding.FUNDING_RULE)
        self.index_state = index.allocate_index(0, constituents)
        self.mark_state = marks.allocate_marks(0, self.window)
        self.funding_state = funding.allocate_funding(np.zeros(0, np.int64))
        self.weights = np.zeros((0, constituents), np.int64)
        self.external = np.zeros(0, np.int64)
        self.perpetuals = np.zeros(0, np.int64)
        self._spot: list[int] = []

    @property
    def index_ticks(self) -> NDArray[np.int64]:
        """The index of every instrument."""
        return self.index_state.index_ticks

    def add(self, listing: Listing) -> None:
        """Price one more instrument; before the first step."""
        row = len(self.listings)
        self.listings.append(listing)
        self.index_rules = np.append(self.index_rules, np.zeros(1, index.INDEX_RULE))
        self.mark_rules = np.append(self.mark_rules, np.zeros(1, marks.MARK_RULE))
        self.funding_rules = np.append(self.funding_rules, np.zeros(1, funding.FUNDING_RULE))
        self._write_rules(row)
        order = self.index_state.order
        fresh = index.allocate_index(1, self.constituents)
        self.index_state = _joined(self.index_state, fresh)._replace(order=order)
        self.mark_state = _joined(self.mark_state, marks.allocate_marks(1, self.window))
        due = np.array([self.rulebook.funding.interval_seconds], np.int64)
        self.funding_state = _joined(self.funding_state, funding.allocate_funding(due))
        self.weights = np.append(self.weights, np.full((1, self.constituents), PPM, np.int64), axis=0)
        self.external = np.append(self.external, np.zeros(1, np.int64))
        if listing.kind == InstrumentKind.SPOT:
            self._spot.append(row)
        else:
            self.perpetuals = np.append(self.perpetuals, row)

    def first_funding(self, seconds: int) -> None:
        """When funding is first due, in seconds of the case's clock."""
        self.funding_state.next_due[:] = seconds

    def _write_rules(self, row: int) -> None:
        book, name = self.rulebook, self.listings[row].margin_class
        rule = self.index_rules[row]
        rule["method"] = index.INDEX_METHODS[book.index.method]
        rule["stale_seconds"] = book.index.stale_seconds
        rule["outlier_ppm"] = min(book.index.outlier_ppm, index.WIDEST_OUTLIER_PPM)
        rule["minimum_constituents"] = min(book.index.minimum_constituents, self.constituents)
        rule["band_ppm"] = book.index.clamp.band_ppm
        if book.index.clamp.band_ppm:
            rule["alpha_ppb"] = decay_ppb(self.step_ms, 1000 * book.index.clamp.tau_seconds)
        mark = self.mark_rules[row]
        mark["method"] = marks.MARK_METHODS[book.mark.method]
        mark["window_seconds"] = book.mark.basis_window_seconds
        mark["period_seconds"] = book.funding.interval_seconds  # what the last settled rate covers
        mark["update_seconds"] = book.mark.update_seconds
        if book.mark.ema_seconds:
            mark["alpha_ppb"] = decay_ppb(self.step_ms, 1000 * book.mark.ema_seconds)
            mark["short_alpha_ppb"] = decay_ppb(self.step_ms, 1000 * book.mark.short_ema_seconds)
        rate = self.funding_rules[row]
        rate["premium"] = funding.PREMIUM_KINDS[book.funding.premium]
        rate["reference_is_mark"] = int(book.funding.reference == "mark")
        rate["charge_on_mark"] = int(book.funding.notional == "mark")
        rate["sample_seconds"] = book.funding.sample_seconds
        rate["interval_seconds"] = book.funding.interval_seconds
        rate["period_seconds"] = book.funding.period_seconds
        rate["interest_ppb"] = book.funding.interest_ppm * PPB_PER_PPM
        rate["clamp_ppb"] = book.funding.clamp_ppm * PPB_PER_PPM
        rate["cap_ppb"] = book.funding.cap(name) * PPB_PER_PPM
        rate["change_cap_ppb"] = book.funding.change_cap_ppm * PPB_PER_PPM

    def update_index(self, state: State, outside: NDArray[np.int64], ages: NDArray[np.int64]) -> None:
        """Stage 1: combine outside prices, and the venue's own book where the rulebook does; then clamp."""
        own_weight = self.rulebook.index.own_weight_ppm
        if own_weight:
            outside = outside.copy()
            for row in self.perpetuals:
                own, given = self.own_ticks(state, int(row)), int(outside[row, 0])
                if own and given:
                    outside[row, 0] = index.blended_ticks(own, given, own_weight)
        constituents = index.Constituents(outside, self.weights, ages)
        index.update_indices(self.index_rules, constituents, self.index_state)
        markets = state.markets[: len(self.listings)]
        markets["index"] = self.index_ticks

    def update_marks(self, state: State, now_seconds: int) -> None:
        """Stage 4: marks of perpetuals by formula, of spot assets by their collateral rule."""
        markets = state.markets[: len(self.listings)]
        markets["previous_mark"] = markets["mark"]
        inputs = marks.MarkInputs(
            np.ascontiguousarray(markets["best_bid"]),
            np.ascontiguousarray(markets["best_ask"]),
            np.ascontiguousarray(markets["last"]),
            np.ascontiguousarray(state.instruments["maximum_ticks"][: len(self.listings)]),
            self.index_ticks,
            self.external,
            self.funding_state.rate_ppb,
            self.funding_state.next_due - now_seconds,
            np.ascontiguousarray(markets["halted"]).astype(np.int64),
        )
        marks.update_marks(self.mark_rules, inputs, self.mark_state, now_seconds)
        known = self.mark_state.mark_ticks > 0
        where = self.perpetuals[known[self.perpetuals]]
        state.markets["mark"][where] = self.mark_state.mark_ticks[where]
        for row in self._spot:
            state.markets["mark"][row] = self._collateral_price(state, row)
        self._set_band_reference(state)

    def _set_band_reference(self, state: State) -> None:
        source = "index" if self.rulebook.orders.band_reference == "index" else "mark"
        state.markets["band_reference"] = state.markets[source]

    def own_ticks(self, state: State, row: int) -> int:
        """What the venue's own book says an instrument is worth: median of bid, ask and last."""
        market = state.markets[row]
        maximum = int(state.instruments[row]["maximum_ticks"])
        return int(
            marks.contract_ticks(
                int(market["best_bid"]), int(market["best_ask"]), int(market["last"]), maximum
            )
        )

    def _collateral_price(self, state: State, row: int) -> int:
        listing = self.listings[row]
        asset = self.rulebook.collateral.get(listing.asset or listing.name)
        previous = int(state.markets[row]["mark"])
        if asset is None:
            return self.own_ticks(state, row) or previous
        rule = asset.price
        if rule.kind == "index":
            return int(self.index_ticks[row]) or previous
        own = self.own_ticks(state, row) or previous
        if rule.kind == "own-book":
            return own
        top = int(state.instruments[row]["maximum_ticks"]) - 1  # where a step refuses to begin
        redemption = self._redemption_ticks(row, rule, top) or own
        if rule.kind == "redemption":
            return redemption
        return int(index.blended_ticks(own, redemption, rule.own_weight_ppm))

    def _redemption_ticks(self, row: int, rule: CollateralPrice, top: int) -> int:
        """Redemption value in this instrument's ticks: units of `of` at its index, or of the settlement."""
        listing = self.listings[row]
        if not rule.of:
            return min(max(1, int(rule.conversion_ppm / (listing.tick * PPM))), top)
        for other, candidate in enumerate(self.listings):
            if (candidate.asset or candidate.name.split("-")[0]) == rule.of and self.index_ticks[other] > 0:
                ratio = candidate.tick / listing.tick * rule.conversion_ppm
                numerator, denominator = ratio.as_integer_ratio()
                return min(int(self.index_ticks[other]) * numerator // (denominator * PPM), top)
        return 0

    def update_funding(self, state: State, now_seconds: int) -> Sequence[tuple[int, int, int]]:
        """Stage 5: sample premia; returns (instrument, charge ticks, charge ppb) of every contract due."""
        markets = state.markets[: len(self.listings)]
        bids = np.ascontiguousarray(markets["best_bid"])
        asks = np.ascontiguousarray(markets["best_ask"])
        samples = bool((self.funding_state.next_sample <= now_seconds).any())
        if samples and self.rulebook.funding.premium == "impact":
            bids, asks = impact_prices(state, self._impact_amounts())
        inputs = funding.FundingInputs(
            self.index_ticks,
            np.ascontiguousarray(markets["mark"]),
            bids,
            asks,
            np.ascontiguousarray(markets["last"]),
            np.ascontiguousarray(state.instruments["maximum_ticks"][: len(self.listings)]),
        )
        memory = self.funding_state
        if funding.update_funding(self.funding_rules, inputs, memory, now_seconds) == 0:
            return []
        due = [int(row) for row in np.flatnonzero(memory.due) if row in self.perpetuals]
        return [(row, int(memory.charge_ticks[row]), int(memory.charge_ppb[row])) for row in due]

    def _impact_amounts(self) -> NDArray[np.int64]:
        """Impact notional of each contract in its settlement units; 0 for assets."""
        amounts = np.zeros(len(self.listings), np.int64)
        for row in self.perpetuals:
            listing = self.listings[row]
            notional = self.rulebook.funding.impact_notional(listing.margin_class)
            amounts[row] = money(notional, listing.decimals)
        return amounts

    def memory(self) -> dict[str, NDArray[Any]]:
        """Every array that carries over from step to step, by name (for snapshots and hashes)."""
        arrays: dict[str, NDArray[Any]] = {}
        for prefix, part in (
            ("index", self.index_state),
            ("mark", self.mark_state),
            ("funding", self.funding_state),
        ):
            for name, array in part._asdict().items():
                arrays[f"{prefix}.{name}"] = array
        return arrays
