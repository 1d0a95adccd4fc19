"""One venue, one step: the stages in order, nothing else.

Holds the order of the stages and the wiring of a rulebook to them. Every stage is a readable call into its
module; liquidation and allocation can be replaced by any object that offers the same method. Holds no
formula, no file, no clock of its own: time is what `step` is told.

Units: milliseconds, ticks, lots, settlement units. Invariants: same calls, same bytes; after every step the
books balance (`audit`), nobody listed as in danger was at or above maintenance, and the log holds everything
that happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from undertow.errors import InputError, InvariantError
from undertow.rulebook.model import Rulebook
from undertow.venue import audit as auditing
from undertow.venue import danger, danger_scan
from undertow.venue.accrual import accrue_funding, accrue_interest
from undertow.venue.allocation.report import Report
from undertow.venue.allocation.winners import Policy
from undertow.venue.arenas import make_house_room
from undertow.venue.book import make_order_room
from undertow.venue.closing import ClosingRule, close_bankrupt
from undertow.venue.compile import (
    Listing,
    instrument_figures,
    start_ticks,
    tiers_of,
    write_profiles,
    write_rules,
)
from undertow.venue.execution import execute
from undertow.venue.gates import Gates, any_negative
from undertow.venue.guard import require_room_for_step
from undertow.venue.limits import MAXIMUM_INSTRUMENTS
from undertow.venue.paced import ConversionStage, DisposalStage
from undertow.venue.pricing import Pricing
from undertow.venue.ranking import Ranking
from undertow.venue.records import RESULT, Role
from undertow.venue.setup import add_tiers, list_instrument, open_accounts, open_house
from undertow.venue.slack import begin_batch
from undertow.venue.stages import HedgeStage, closing_rule, liquidation_stage
from undertow.venue.state import (
    COUNT_CANDIDATES,
    COUNT_EVENTS,
    COUNT_FILLS,
    COUNT_POSTINGS,
    HOUSE_FUND,
    HOUSE_STRIDE,
    LEDGER_DETAIL,
    LIQUIDATION_HALTED,
    MAXIMUM_SETTLEMENTS,
    TIME,
    TRADE_COUNT,
    State,
    allocate,
)

HOUR_MS = 3_600_000


class Stage(Protocol):
    """A stage as the engine calls it. What it remembers between steps is in `memory`, for snapshots."""

    def __call__(self, engine: Engine, seconds: int) -> None:
        """Do the work of one step, `seconds` after the last."""
        ...

    def memory(self) -> dict[str, NDArray[Any]]:
        """Every array that carries over."""
        ...

    def restore(self, saved: dict[str, NDArray[Any]]) -> None:
        """Go back to what `memory` gave."""
        ...


class Drained(NamedTuple):
    """What was logged since the last drain, in order."""

    fills: NDArray[np.void]
    postings: NDArray[np.void]
    events: NDArray[np.void]


class Engine:
    """A venue under a rulebook, in integers. `facade.Venue` offers the same in human units."""

    def __init__(  # noqa: PLR0913 one argument for each size and switch of a venue
        self,
        rulebook: Rulebook,
        *,
        settlements: int = 1,
        decimals: Sequence[int] = (),
        instruments: int = 64,
        accounts: int = 1024,
        seed: int = 0,
        step_ms: int = 1000,
        constituents: int = 1,
        oracle: bool = False,
        ledger_detail: bool = True,
        keep_reports: bool = True,
        policy: Policy | str | None = None,
    ) -> None:
        if not 1 <= settlements <= MAXIMUM_SETTLEMENTS:
            raise InputError(
                f"a venue keeps wallets in 1 to {MAXIMUM_SETTLEMENTS} settlement assets, not in {settlements}"
            )
        if not 1 <= instruments <= MAXIMUM_INSTRUMENTS:
            raise InputError(f"a venue lists 1 to {MAXIMUM_INSTRUMENTS} instruments, not {instruments}")
        self.rulebook = rulebook
        self.state: State = allocate(instruments, accounts, 4 * accounts, 4096)
        self.seed = seed
        self.oracle = oracle  # True: danger by the full scan, the reference
        self.step_number = 0
        self.listings: list[Listing] = []
        self.pricing = Pricing(rulebook, step_ms, constituents)
        self.profiles = write_profiles(self.state, rulebook)
        write_rules(self.state, rulebook)
        self.state.counters[LEDGER_DETAIL] = int(ledger_detail)
        open_house(self.state, settlements)
        for settlement, places in enumerate(decimals):  # of each settlement asset; six unless told
            self.state.unit_scale[settlement] = 10**places
        self.settlements = settlements
        self.liquidate: Stage = liquidation_stage(rulebook)
        self.convert = ConversionStage(rulebook, self.profiles)
        self.dispose: Stage = DisposalStage(rulebook)
        self.hedge = HedgeStage(rulebook)
        self.closing: ClosingRule = closing_rule(rulebook, policy)
        self.gates = Gates(rulebook.gates)
        self.isolated_funds: dict[tuple[int, str], int] = {}
        self.interest_ppb_per_hour = 0
        self.next_interest_ms = HOUR_MS
        # To report on an allocation every winner has to be valued; a ranking values those who rank high.
        self.ranking = None if keep_reports else Ranking()
        self.reports: list[tuple[int, Report]] = []
        self.negative_seen = False
        self.stopped = False  # in the middle of a batch or a step, by an error or an interruption

    # ---- opening

    def list(self, listing: Listing) -> int:
        """List an instrument; returns its number."""
        number = len(self.listings)
        if number >= len(self.state.instruments):
            raise InputError(f"this venue has room for {len(self.state.instruments)} instruments")
        tiers, figures = tiers_of(self.rulebook, listing), instrument_figures(self.rulebook, listing)
        list_instrument(self.state, number, figures, start_ticks(listing))
        add_tiers(self.state, number, tiers)
        if listing.margin_class in self.rulebook.insurance.isolated_funds:
            self.state.instruments[number]["fund"] = self._isolated_fund(listing)
        self.listings.append(listing)
        self.pricing.add(listing)
        return number

    def _isolated_fund(self, listing: Listing) -> int:
        """The insurance fund of a class of contracts that has its own; opened with its first contract."""
        place = (listing.settlement, listing.margin_class)
        if place not in self.isolated_funds:
            self.isolated_funds[place] = self.open(1, listing.settlement, role=int(Role.FUND))
        return self.isolated_funds[place]

    def open(self, count: int, settlement: int = 0, profile: str | None = None, role: int = 0) -> int:
        """Open `count` wallets; returns the number of the first, the others follow."""
        number = self.profiles[profile] if profile is not None else 0
        return open_accounts(self.state, count, settlement, number, role)

    # ---- commands

    def submit(self, commands: NDArray[np.void]) -> NDArray[np.void]:
        """Carry out a batch in order; returns one RESULT a command. The log grows until it is drained."""
        results = np.zeros(len(commands), RESULT)
        with self._at_work():
            execute(self.state, commands, results)
        return results

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Nothing goes on from the middle of a batch or a step: what stopped there says so from then on."""
        self._require_whole()
        self.stopped = True
        yield
        self.stopped = False
        if self.state.interrupted:
            self.state.interrupted = False
            raise KeyboardInterrupt

    def _require_whole(self) -> None:
        if self.stopped:
            raise InvariantError(
                f"this venue was stopped in the middle of its work at step {self.step_number}; "
                f"restore a snapshot or open it anew"
            )

    # ---- the step

    def step(self, now_ms: int, outside: NDArray[np.int64], ages: NDArray[np.int64] | None = None) -> None:
        """Advance to `now_ms` with these outside prices (instruments x constituents, ticks, 0 none).

        Commands of the step were submitted before. Order: index, (matching was), marks, funding and interest,
        conversion, danger, liquidation, takeover and backstop, insurance, allocation, disposal, gates.
        What a rulebook paces by the second is told how many whole seconds have begun since the last step.
        Prices that amounts have no room for are refused (CapacityError) before the step begins.
        """
        prices = self._by_constituent(outside, "outside prices")
        seconds_old = np.zeros_like(prices) if ages is None else self._by_constituent(ages, "ages")
        self._require_whole()
        require_room_for_step(self.state, self.listings, prices)
        with self._at_work():
            self._step(now_ms, prices, seconds_old)

    def _by_constituent(self, given: NDArray[np.int64], what: str) -> NDArray[np.int64]:
        """An array of a row an instrument; where each has one constituent, it may have one dimension."""
        count, constituents = len(self.listings), self.pricing.constituents
        flat = constituents == 1 and given.shape == (count,)
        if not flat and given.shape != (count, constituents):
            raise InputError(
                f"{what} are an array of {count} instruments x {constituents} constituents, not {given.shape}"
            )
        return given.reshape(count, constituents)

    def _step(self, now_ms: int, prices: NDArray[np.int64], ages: NDArray[np.int64]) -> None:
        state = self.state
        seconds = max(0, now_ms // 1000 - int(state.counters[TIME]) // 1000)
        state.counters[TIME] = now_ms
        self.step_number += 1
        self.negative_seen = False
        make_house_room(state, len(self.listings))
        make_order_room(state, 1)  # the venue's own orders never rest, so they take turns in one
        self.pricing.update_index(state, prices, ages)
        self.pricing.update_marks(state, now_ms // 1000)
        self._accrue(now_ms)
        begin_batch(state)  # what was remembered of accounts was true at the marks before
        self.convert(self, seconds)
        self.find_danger()
        self.hedge.open(self)
        if self.rulebook.gates.withdrawals.kind == "after-negative-account":
            self.negative_seen = bool(any_negative(state))
        if state.counters[LIQUIDATION_HALTED] == 0:
            self.liquidate(self, seconds)
            reports = close_bankrupt(state, self.closing, (self.seed, self.step_number), self.ranking)
            self.reports += [(self.step_number, report) for report in reports]
        self.dispose(self, seconds)
        self.hedge(self, seconds)
        danger.refresh(state)
        self.gates.update(state, now_ms, self.negative_seen)

    def find_danger(self) -> int:
        """Fill `state.candidates` with every wallet below maintenance, in account order; returns how many."""
        danger.refresh(self.state)
        if self.oracle:
            return int(danger_scan.scan(self.state))
        return int(danger.tick(self.state))

    def candidates(self) -> NDArray[np.int32]:
        """The wallets found in danger in this step, in account order."""
        return self.state.candidates[: int(self.state.counters[COUNT_CANDIDATES])]

    def _accrue(self, now_ms: int) -> None:
        state = self.state
        for instrument, ticks, rate_ppb in self.pricing.update_funding(state, now_ms // 1000):
            accrue_funding(state, instrument, ticks, rate_ppb)
        while self.interest_ppb_per_hour and now_ms >= self.next_interest_ms:
            for settlement in range(self.settlements):
                accrue_interest(state, settlement, self.interest_ppb_per_hour)
            self.next_interest_ms += HOUR_MS

    # ---- looking

    def drain(self) -> Drained:
        """Take what was logged since the last call; the log is empty afterwards."""
        state, counters = self.state, self.state.counters
        parts = Drained(
            state.fills[: counters[COUNT_FILLS]].copy(),
            state.postings[: counters[COUNT_POSTINGS]].copy(),
            state.events[: counters[COUNT_EVENTS]].copy(),
        )
        counters[[COUNT_FILLS, COUNT_POSTINGS, COUNT_EVENTS]] = 0
        return parts

    def audit(self) -> None:
        """Raise InvariantError unless every book balances to the last unit."""
        auditing.audit(self.state)

    def state_hash(self) -> str:
        """Sixteen hex digits, equal for equal histories."""
        return auditing.state_hash(self.state)

    def fund_account(self, settlement: int = 0) -> int:
        """Number of the settlement asset's insurance fund."""
        return settlement * HOUSE_STRIDE + HOUSE_FUND

    def trades(self) -> int:
        """Fills since the venue opened."""
        return int(self.state.counters[TRADE_COUNT])

    # ---- snapshots

    def snapshot(self) -> dict[str, Any]:
        """Everything that decides what happens next, as copies; `restore` puts it back to the byte."""
        arrays = {name: getattr(self.state, name).copy() for name in State.LAYOUT}
        pricing = {name: array.copy() for name, array in self.pricing.memory().items()}
        clocks = (self.step_number, self.next_interest_ms, len(self.reports))
        doors = self.gates.memory()
        stages = [
            {name: array.copy() for name, array in stage.memory().items()}
            for stage in (self.liquidate, self.dispose, self.hedge)
        ]
        return {"arrays": arrays, "pricing": pricing, "clocks": clocks, "doors": doors, "stages": stages}

    def restore(self, saved: dict[str, Any]) -> None:
        """Go back to a snapshot of this same venue."""
        self.stopped = False
        for name, array in saved["arrays"].items():
            self.state.bind(name, array.copy())
        if self.ranking is not None:
            self.ranking.forget()
        for name, array in self.pricing.memory().items():
            array[...] = saved["pricing"][name]
        for stage, memory in zip((self.liquidate, self.dispose, self.hedge), saved["stages"], strict=True):
            stage.restore(memory)
        self.step_number, self.next_interest_ms, reports = saved["clocks"]
        del self.reports[reports:]
        self.gates.restore(saved["doors"])
