"""From a rulebook's kinds to the stages that carry them out.

Holds the choice and the translation of figures; the work is in the modules named here. Adding a pacing means
adding a module and one entry below.

Units: settlement units, ppm, milliseconds. Invariant: every kind a rulebook may name has exactly one stage.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from undertow.errors import InputError
from undertow.rulebook.model import Rulebook
from undertow.units import PPM
from undertow.venue.allocation.policy import LargestPositions, policy
from undertow.venue.allocation.winners import Policy
from undertow.venue.closing import BadDebt, ClosingRule
from undertow.venue.hedge import HedgeRule, lay_off, open_hedge, profits
from undertow.venue.margin import worth
from undertow.venue.paced import FillableStage, PacedStage, SlicesStage, StagedStage
from undertow.venue.pacing_one_shot import SLICINGS, OneShot, one_shot
from undertow.venue.state import HOUSE_STRIDE, HOUSE_VAULT

if TYPE_CHECKING:
    from undertow.venue.engine import Engine, Stage


def closing_rule(rulebook: Rulebook, given: Policy | str | None = None) -> ClosingRule:
    """Stage 4 as the rulebook wants it, or with another policy: a registered name, or any object that is one.

    InputError where there is no such policy.
    """
    rule = rulebook.allocation
    chosen: Policy
    if given is not None:
        chosen = policy_of(given)
    elif rule.policy == "bad-debt":
        chosen = BadDebt()
    elif rule.policy == "queue" and rule.group:
        chosen = LargestPositions("largest-positions", rule.group)
    else:
        chosen = policy(rule.score if rule.policy == "queue" else rule.policy)
    return ClosingRule(
        chosen,
        rule.price,
        True,
        int(rulebook.insurance.cover == "whole-or-nothing"),
        rule.trigger == "fund-exhausted",
    )


def policy_of(given: Policy | str) -> Policy:
    """A policy by its registered name, or the object itself. InputError where it is none."""
    if isinstance(given, str):
        return BadDebt() if given == BadDebt.name else policy(given, (BadDebt.name,))
    if isinstance(getattr(given, "name", None), str) and callable(getattr(given, "allocate", None)):
        return given
    raise InputError(
        f"policy: {type(given).__name__} is no allocation policy; give the name of one, or an object with a "
        "name and a method allocate(winners, need)"
    )


class OneShotStage(PacedStage):
    """Pacing "one-shot": everything in the step in which an account is found."""

    def __init__(self, rulebook: Rulebook) -> None:
        super().__init__()
        figures, insurance = rulebook.liquidation, rulebook.insurance
        self.rule = OneShot(
            slicing=SLICINGS[figures.slicing],
            all_or_nothing=int(figures.fill == "all-or-nothing"),
            at_band=int(figures.limit == "market-band"),
            fund_takes_over=int(rulebook.backstop.kind == "fund"),
            net_limit_ppm=rulebook.backstop.net_position_limit_ppm,
            whole_or_nothing=int(insurance.cover == "whole-or-nothing"),
        )

    def __call__(self, engine: Engine, seconds: int) -> None:
        """One pass over the listed accounts; those frozen in an earlier step and healthy again go free."""
        one_shot(engine.state, self.rule, self.let_go(engine.state))


PACINGS: dict[str, Callable[[Rulebook], Stage]] = {
    "one-shot": OneShotStage,
    "random-slices": SlicesStage,
    "staged": StagedStage,
    "fillable-price": FillableStage,
}


def liquidation_stage(rulebook: Rulebook) -> Stage:
    """Stages 1 to 3 as the rulebook wants them."""
    return PACINGS[rulebook.liquidation.pacing](rulebook)


class HedgeStage(PacedStage):
    """Providers and vault lay off elsewhere what they hold here, at the outside price and a cost.

    The books elsewhere are not this venue's money; they only say what a backstop earned over both venues.
    Opened at the first step, each account's capital being what it is worth then. Cost 0: no hedge is kept.
    """

    def __init__(self, rulebook: Rulebook) -> None:
        super().__init__()
        self.kind = rulebook.backstop.kind
        self.rule = HedgeRule(rulebook.backstop.hedge_cost_ppm, PPM)

    def accounts(self, engine: Engine) -> list[int]:
        """The house accounts that hedge, in order."""
        if self.kind == "vault":
            return [settlement * HOUSE_STRIDE + HOUSE_VAULT for settlement in range(engine.settlements)]
        if isinstance(engine.liquidate, SlicesStage):
            return [int(account) for account in engine.liquidate.parts["providers"].account]
        return []

    def open(self, engine: Engine) -> None:
        """Begin the books elsewhere, if this rulebook's backstop keeps any; before its first takeover."""
        accounts = self.accounts(engine)
        if self.rule.cost_ppm and accounts and "hedge" not in self.parts:
            capital = [int(worth(engine.state, account)) for account in accounts]
            self.parts["hedge"] = open_hedge(engine.state, accounts, capital)

    def __call__(self, engine: Engine, seconds: int) -> None:
        """Bring the positions elsewhere opposite to those here."""
        if "hedge" in self.parts:
            lay_off(engine.state, self.rule, self.parts["hedge"], self._outside(engine))

    def profits(self, engine: Engine) -> dict[int, int]:
        """Profit so far of every hedging account over both venues, settlement units; empty without one."""
        hedge = self.parts.get("hedge")
        if hedge is None:
            return {}
        amounts = profits(engine.state, hedge, self._outside(engine))
        return {int(account): int(amount) for account, amount in zip(hedge.account, amounts, strict=True)}

    @staticmethod
    def _outside(engine: Engine) -> NDArray[np.int64]:
        return np.ascontiguousarray(engine.state.markets["index"])
