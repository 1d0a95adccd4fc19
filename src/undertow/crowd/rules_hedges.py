"""Every figure of makers' hedges on the venue, and of what makers do when one is cut.

Holds data only; the behaviour stands in `hedges`. Units: shares of one, seconds. Invariant: rules that exist
are usable.
"""

from __future__ import annotations

from pydantic import Field

from undertow.crowd.rules_actors import ActorRules


class HedgeRules(ActorRules):
    """Makers' hedges in the population's hedge books: what a cut does, and how it is made good."""

    trip_cut: float = Field(
        0.10, gt=0, description="share of a hedge cut at which its maker stops (3.2, trip_adl; 0.05 to 0.30)"
    )
    both_sides: float = Field(
        2.0, ge=1, description="a cut of so many limits stops the other side as well (own)"
    )
    trip_spread: float = Field(0.35, ge=0, description="standard deviation of firms' ln limits (notes 7.6)")
    cool_off_s: float = Field(240.0, ge=0, description="s without quotes after a cut (3.2; 60 to 600)")
    rebuild_share: float = Field(
        0.02, ge=0, lt=1, description="of what was cut is built again in 5 minutes (3.1, 3.2; 0.01 to 0.05)"
    )
    turn_s: float = Field(10.0, gt=0, description="s; a book sends orders to rebuild so often (own)")
    collar: float = Field(0.003, gt=0, lt=1, description="these orders reach so far through the market (own)")
    failure_weight: float = Field(1.0, ge=0, description="how often their messages fail (6, programs)")
