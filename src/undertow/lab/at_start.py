"""Who is below maintenance margin before the first step: people who fall by the rulebook, not by a crash.

A crowd is drawn for the rulebook that its case was written for. Under another one its collateral may count
for nothing, and part of it then falls in the first second whatever happens. Holds the count and the assets
that explain it. Changes nothing in the venue.

Units: settlement units. Invariant: counted are the accounts that the venue's own danger test would list.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from undertow.case.model import Case
from undertow.lab.build import Built
from undertow.lab.leverage import customers_of
from undertow.rulebook.model import Rulebook
from undertow.venue.layers import CONTRACTS, OWED, layers_of
from undertow.venue.look import values_of


def below_at_start(built: Built) -> dict[str, Any]:
    """Accounts below maintenance as they were opened, in all and by group, and collateral not taken."""
    state = built.engine.state
    customers = customers_of(built.engine)
    values, layers = values_of(state, customers), layers_of(state, customers)
    records = state.accounts[customers]
    at_equality = state.profiles["trigger_at_equality"][records["profile"]]
    staked = (layers[:, OWED] > 0) | (layers[:, CONTRACTS] > 0)
    below = (values[:, 0] - values[:, 1] - at_equality < 0) & staked & (records["exempt"] == 0)
    people, kind = built.people[customers], built.group_of[customers]

    def counted(which: Any) -> dict[str, int]:
        return {
            "accounts": int(which.sum()),
            "people": int(people[which].sum()),
            "owed_micros": int(layers[which, OWED].sum()),
            "contracts_micros": int(layers[which, CONTRACTS].sum()),
        }

    groups = {built.groups[code]: counted(below & (kind == code)) for code in np.unique(kind[below]).tolist()}
    return {**counted(below), "groups": groups, "not_taken": not_taken(built.case, built.rulebook)}


def not_taken(case: Case, rulebook: Rulebook) -> list[str]:
    """Assets that the crowd holds as collateral and the rulebook gives no value."""
    looped = {row.instrument for row in case.crowd.loopers.assets}
    return [
        row.name
        for row in case.instruments
        if row.kind == "spot"
        and (row.collateral_share or row.collateral_usd or row.name in looped)
        and row.name not in rulebook.collateral
    ]
