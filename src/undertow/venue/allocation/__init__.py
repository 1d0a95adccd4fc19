"""Stage four of a liquidation: who pays when the loser, the backstop and the fund cannot.

`allocate(policy("profit-leverage"), winners, need)` closes positions or takes profit by a published rule;
`report` says what that cost whom. A policy is any object with a name and an `allocate` method.
"""

from undertow.venue.allocation.losses import (
    Clawback,
    Cover,
    LendingLoss,
    bad_debt,
    clawback,
    cover_from_fund,
    lending_haircut,
    loss_per_lot_ppm,
    socialise,
)
from undertow.venue.allocation.policy import (
    ContractProRata,
    LargestPositions,
    MoneyPolicy,
    RandomStart,
    RankedQueue,
    Socialised,
    forgone_per_lot,
    policies,
    policy,
    register,
)
from undertow.venue.allocation.prorata import share, water_fill
from undertow.venue.allocation.report import Report, compare, report
from undertow.venue.allocation.winners import (
    Allocation,
    Need,
    Policy,
    Winners,
    allocate,
    scope_of,
    takes_money,
)

__all__ = [
    "Allocation",
    "Clawback",
    "ContractProRata",
    "Cover",
    "LargestPositions",
    "LendingLoss",
    "MoneyPolicy",
    "Need",
    "Policy",
    "RandomStart",
    "RankedQueue",
    "Report",
    "Socialised",
    "Winners",
    "allocate",
    "bad_debt",
    "clawback",
    "compare",
    "cover_from_fund",
    "forgone_per_lot",
    "lending_haircut",
    "loss_per_lot_ppm",
    "policies",
    "policy",
    "register",
    "report",
    "scope_of",
    "share",
    "socialise",
    "takes_money",
    "water_fill",
]
