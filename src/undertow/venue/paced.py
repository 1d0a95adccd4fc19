"""The paced stages as an engine calls them: a rulebook's figures, and what carries over.

Holds the translation of a rulebook into the rules of each paced module and the order of calls within one
step. Holds no formula; the work is in `pacing_*`, `auto_close`, `overflow`, `disposal` and `conversion`.

Units: settlement units, ppm, seconds. Invariants: everything a stage remembers between steps is an array
in `memory`, so that a snapshot can hold it; a step of several seconds runs the per-second rules that
often.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from undertow.errors import CapacityError, RulebookError
from undertow.rulebook.model import Rulebook
from undertow.rulebook.waterfall import Disposal as DisposalFigures
from undertow.units import AMOUNT_LIMIT, PPM
from undertow.venue.auto_close import OVERFLOW, AutoClose, auto_close_second
from undertow.venue.backstop import Providers, Split, advance, exact_share, no_providers, open_providers
from undertow.venue.closing import close_inventory
from undertow.venue.conversion import Conversion, convert
from undertow.venue.disposal import (
    FLOOR_BAND,
    FLOOR_BANKRUPTCY,
    FLOOR_NONE,
    Disposal,
    Stock,
    Window,
    dispose,
    note_takeovers,
    observe,
    open_stock,
    open_window,
)
from undertow.venue.dollars import money
from undertow.venue.extent import has_deposit_room
from undertow.venue.frozen import Frozen, drop_freed, drop_listed, frozen_room, release_recovered
from undertow.venue.hedge import Hedge
from undertow.venue.ledger import deposit
from undertow.venue.overflow import close_overflow
from undertow.venue.pacing_fillable import Block, Fillable, liquidate_block, open_block
from undertow.venue.pacing_slices import Slices, SlicesMemory, liquidate_slices
from undertow.venue.pacing_staged import Staged, staged
from undertow.venue.state import (
    COUNT_CANDIDATES,
    COUNT_HOLDINGS,
    HOUSE_FUND,
    HOUSE_STRIDE,
    HOUSE_VAULT,
    TIME,
    State,
)
from undertow.venue.vault import Vault, within_limit

if TYPE_CHECKING:
    from undertow.venue.engine import Engine

FLOORS = {"none": FLOOR_NONE, "band": FLOOR_BAND, "bankruptcy": FLOOR_BANKRUPTCY}
NO_LINE = AutoClose(0, 0, 0, 0)
PARTS: dict[str, Any] = {
    "frozen": Frozen,
    "providers": Providers,
    "slices": SlicesMemory,
    "window": Window,
    "stock": Stock,
    "hedge": Hedge,
}


class PacedStage:
    """What these stages have in common: parts that carry over from step to step, each a tuple of arrays."""

    def __init__(self) -> None:
        self.parts: dict[str, Any] = {}

    def memory(self) -> dict[str, NDArray[Any]]:
        """Every array that carries over, as "part.field"."""
        return {
            f"{name}.{field}": array
            for name, part in self.parts.items()
            for field, array in part._asdict().items()
        }

    def restore(self, saved: dict[str, NDArray[Any]]) -> None:
        """Go back to what `memory` gave (copied)."""
        names = dict.fromkeys(key.split(".")[0] for key in saved)
        self.parts = {name: self._part(name, saved) for name in names}

    @staticmethod
    def _part(name: str, saved: dict[str, NDArray[Any]]) -> Any:
        kind = PARTS[name.split(" ", maxsplit=1)[0]]
        return kind(*(saved[f"{name}.{field}"].copy() for field in kind._fields))

    def let_go(self, state: State) -> Frozen:
        """The accounts under liquidation, less those that need it no more."""
        frozen = frozen_room(state, self.parts.get("frozen"))
        self.parts["frozen"] = frozen
        release_recovered(state, frozen)
        return frozen


class SlicesStage(PacedStage):
    """Pacing "random-slices" with auto-close to providers; providers and volumes are given after listing."""

    def __init__(self, rulebook: Rulebook) -> None:
        super().__init__()
        figures, backstop = rulebook.liquidation, rulebook.backstop
        require_backstop(rulebook, "none", "providers")
        self.rule = Slices(
            figures.probability_ppm,
            figures.slice_ppm,
            money(figures.floor_usd),
            figures.volume_cap_ppm,
            figures.jitter_low_ppm,
            figures.jitter_high_ppm,
            figures.cross_low_ppm,
            figures.cross_high_ppm,
        )
        self.line = NO_LINE
        if figures.auto_close == "fraction" and backstop.kind == "providers":
            self.line = AutoClose(
                figures.auto_close_half_ppm,
                figures.auto_close_gap_ppm,
                money(figures.auto_close_floor_usd),
                int(backstop.overflow_to_allocation),
            )
        self.split = Split(*exact_share(backstop.price_split_ppm), 0)
        self.limits = (money(backstop.per_minute_usd), money(backstop.per_hour_usd))
        self.parts["providers"] = no_providers()

    def provide(self, state: State, count: int, capital: int, settlement: int = 0) -> Providers:
        """Open `count` providers at the rulebook's capacities, each with `capital` settlement units.

        CapacityError, with nobody opened, for more capital than amounts may be.
        """
        if capital > AMOUNT_LIMIT or not has_deposit_room(state, settlement, min(count * capital, 1 << 62)):
            raise CapacityError(f"{count} providers with {capital} units each are more than amounts may be")
        providers = open_providers(state, [self.limits] * count, settlement)
        for account in providers.account:
            deposit(state, int(account), capital)
        self.parts["providers"] = providers
        return providers

    def give_volumes(self, adv_lots: NDArray[np.int64]) -> None:
        """Average daily volume by instrument, in lots; 0, or none given: that contract has no cap."""
        self.parts["slices"] = SlicesMemory(adv_lots.copy(), np.zeros(len(adv_lots), np.int64))

    def __call__(self, engine: Engine, seconds: int) -> None:
        """Slices and auto-close, second by second."""
        state = engine.state
        frozen = self.let_go(state)
        given = self.parts["slices"].adv_lots if "slices" in self.parts else np.zeros(0, np.int64)
        if len(given) < len(state.instruments):
            self.give_volumes(np.pad(given, (0, len(state.instruments) - len(given))))
        slices, providers = self.parts["slices"], self.parts["providers"]
        now = int(state.counters[TIME]) // 1000
        for second in range(now - seconds + 1, now + 1):
            positions = int(state.counters[COUNT_CANDIDATES]) * len(engine.listings)
            rows = min(int(state.counters[COUNT_HOLDINGS]), positions)
            liquidate_slices(state, self.rule, self.line, slices, frozen, engine.seed, second)
            advance(providers, second)
            overflow = np.zeros(rows, OVERFLOW)
            count = auto_close_second(state, self.line, self.split, providers, overflow)
            if count:
                draw = (engine.seed, second)
                found = close_overflow(state, engine.closing, overflow[:count], draw, engine.ranking)
                engine.reports += [(engine.step_number, each) for each in found]
            drop_listed(state)
            drop_freed(state, frozen)


class StagedStage(PacedStage):
    """Pacing "staged" with a vault behind it, or nothing: then the fund pays what orders left below zero."""

    def __init__(self, rulebook: Rulebook, settlement: int = 0) -> None:
        super().__init__()
        figures, backstop = rulebook.liquidation, rulebook.backstop
        require_backstop(rulebook, "none", "vault")
        self.rule = Staged(
            money(figures.threshold_usd),
            figures.first_ppm,
            1000 * figures.cooldown_seconds,
            1,  # where the rulebook has no market band, the whole grid
        )
        taker = settlement * HOUSE_STRIDE + (HOUSE_VAULT if backstop.kind == "vault" else HOUSE_FUND)
        share = exact_share(backstop.maintenance_share_ppm)
        capital = money(backstop.capital_usd)
        self.vault = Vault(taker, *share, capital, capital * backstop.loss_threshold_ppm // PPM)
        self.limited = backstop.kind == "vault"

    def __call__(self, engine: Engine, seconds: int) -> None:
        """One pass a step: the vault's own losses, orders, the vault, the list for allocation."""
        if self.limited and not within_limit(engine.state, self.vault):
            draw = (engine.seed, engine.step_number)
            vault = self.vault.account
            found = close_inventory(engine.state, engine.closing, vault, draw, engine.ranking)
            engine.reports += [(engine.step_number, report) for report in found]
        staged(engine.state, self.rule, self.vault, self.let_go(engine.state))


class FillableStage(PacedStage):
    """Pacing "fillable-price": a block a step."""

    def __init__(self, rulebook: Rulebook) -> None:
        super().__init__()
        figures, insurance = rulebook.liquidation, rulebook.insurance
        require_backstop(rulebook, "none")
        self.rule = Fillable(
            figures.slice_ppm,
            money(figures.floor_usd),
            money(figures.block_cap_usd),
            figures.attempts_per_block,
            figures.spread_to_maintenance_ppm,
            figures.bankruptcy_adjustment_ppm,
            figures.fee_cap_ppm,
            money(figures.loss_limit_usd),
            int(insurance.cover == "whole-or-nothing"),
        )
        self.block: Block = open_block(self.rule)

    def __call__(self, engine: Engine, seconds: int) -> None:
        """One block."""
        frozen = self.let_go(engine.state)
        liquidate_block(engine.state, self.rule, self.block, frozen, engine.seed, engine.step_number)


class DisposalStage(PacedStage):
    """The house sells what it took over: its funds, or its vault, by the rulebook's two rules."""

    def __init__(self, rulebook: Rulebook) -> None:
        super().__init__()
        backstop = rulebook.backstop
        self.kind = backstop.kind
        self.contracts = disposal_rule(backstop.disposal)
        self.assets = disposal_rule(backstop.collateral_disposal)

    def accounts(self, engine: Engine) -> list[int]:
        """The house accounts that sell, in order."""
        if self.kind == "vault":
            return [settlement * HOUSE_STRIDE + HOUSE_VAULT for settlement in range(engine.settlements)]
        if self.kind == "fund":
            return sorted({int(fund) for fund in engine.state.instruments["fund"][: len(engine.listings)]})
        return []

    def __call__(self, engine: Engine, seconds: int) -> None:
        """Look at the market, then sell for the seconds that passed."""
        state = engine.state
        if self.contracts.rate_ppm == 0 and self.assets.rate_ppm == 0:
            return
        if "window" not in self.parts:
            self.parts["window"] = open_window(state)
        window = self.parts["window"]
        observe(state, window, int(state.counters[TIME]) // 1000)
        for account in self.accounts(engine):
            stock = self.parts.setdefault(f"stock {account}", open_stock(state))
            note_takeovers(state, account, stock)
            if seconds > 0:
                dispose(state, account, self.contracts, self.assets, window, stock, seconds)


class ConversionStage:
    """Collateral sold automatically; belongs before danger is looked for."""

    def __init__(self, rulebook: Rulebook, profiles: dict[str, int]) -> None:
        figures = rulebook.auto_conversion
        self.rule: Conversion | None = None
        if figures.kind == "negative-cash":
            self.rule = Conversion(
                money(figures.cash_floor_usd),
                figures.ratio_of_net_collateral,
                figures.margin_fraction_slack_ppm,
                0,
                PPM,
                0,
                sum(1 << profiles[name] for name in figures.profiles),
            )

    def __call__(self, engine: Engine, seconds: int) -> None:
        """Convert every wallet that is due."""
        if self.rule is not None:
            convert(engine.state, self.rule)


def require_backstop(rulebook: Rulebook, *kinds: str) -> None:
    """RulebookError unless the rulebook's backstop is one that its pacing can hand positions to."""
    kind, pacing = rulebook.backstop.kind, rulebook.liquidation.pacing
    if kind not in kinds:
        right = " or ".join(f"{each!r}" for each in kinds)
        raise RulebookError(
            f"backstop.kind is {kind!r}, which does not go with liquidation.pacing {pacing!r}; use {right}"
        )


def disposal_rule(figures: DisposalFigures) -> Disposal:
    """A rulebook's disposal as integers."""
    return Disposal(
        figures.rate_ppm_per_second,
        figures.max_turnover_share_ppm,
        FLOORS[figures.price_floor],
        figures.band_ppm_per_minute,
    )
