"""What the report shows of leverage through its layers: queries and their rows.

Holds no layout. Accounts are those that hold for themselves (`undertow.lab.measures.leverage.HOLDERS`).
Units: dollars, shares of the outside price in whole per cent. Invariant: a product's rungs of the ladder
add up to what its accounts own of the asset and can lose by force.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from undertow.lab.measures.leverage import GROSS, holders
from undertow.lab.measures.registry import money_unit
from undertow.tape import Tape
from undertow.tape.schema import LEVERAGE_ENDS, NO_EQUITY, LoopDepth
from undertow.views.report.series import Floats

DEPTHS = {
    LoopDepth.NONE: "no assets",
    LoopDepth.ONE: "1, nothing owed",
    LoopDepth.UP_TO_2: "1 to 2",
    LoopDepth.UP_TO_3_5: "2 to 3.5",
    LoopDepth.UP_TO_5: "3.5 to 5",
    LoopDepth.OVER_5: "over 5",
}
MARKS = (90, 87, 85, 79, 70)  # prices, in per cent of the outside's, that the table of assets reads off
LOWEST = 50  # per cent: the ladder's last rung


@dataclass(frozen=True)
class Layers:
    """One row: accounts and their layers at one moment, in dollars."""

    name: str
    accounts: int
    equity: float
    owned: float
    owed: float
    contracts: float
    gross: float

    @property
    def shown(self) -> float | None:
        """Contracts over equity."""
        return self.contracts / self.equity if self.equity > 0 else None

    @property
    def effective(self) -> float | None:
        """Everything over equity."""
        return self.gross / self.equity if self.equity > 0 else None

    @property
    def hidden(self) -> float | None:
        """Share of the exposure that contracts do not show."""
        return 1.0 - self.contracts / self.gross if self.gross > 0 else None


@dataclass(frozen=True)
class Ladder:
    """An asset's rungs: for each product, dollars liquidated at that price and not before."""

    asset: str
    owned: float
    levels: list[int]  # per cent of the outside price, falling
    products: dict[str, Floats]  # per rung

    @property
    def forced(self) -> Floats:
        """Over all products."""
        empty: Floats = np.zeros(len(self.levels))
        return np.asarray(sum(self.products.values(), start=empty))

    def down_to(self, percent: int) -> float:
        """Everything liquidated once the asset prints that price."""
        return float(self.forced[np.array(self.levels) >= percent].sum())


@dataclass(frozen=True)
class Leverage:
    """The inventory of one run."""

    products: list[Layers]
    products_end: dict[str, Layers]
    depths: list[Layers]
    total: Layers
    classes: list[str]
    shown: Floats  # equity by class of leverage
    effective: Floats
    ladders: list[Ladder]  # the one with most behind it first
    queries: dict[str, str]


def layers_query(tape: Tape, by: str, moment: str) -> str:
    """SQL of the layers by one column, which may be a constant."""
    unit = money_unit(tape)
    sums = ", ".join(f"sum({name}) / {unit}.0" for name in ("equity", "owned", "owed", "contracts", GROSS))
    return (
        f"select {by} as kind, sum(accounts), {sums} from leverage where {holders(tape, moment)} "
        "group by 1 order by 1"
    )


def ladder_query(tape: Tape, moment: str = "start") -> str:
    """SQL of the rungs of every asset."""
    where = holders(tape, moment).replace("from leverage", "from forced")
    return (
        f"select i.name, level_ppm // 10000 as percent, profile, sum(owned) / {money_unit(tape)}.0 as owned "
        f"from forced join instruments i on i.instrument = asset where {where} group by all order by all"
    )


def leverage_of(tape: Tape) -> Leverage | None:
    """The inventory, None where the run recorded none, or none of anybody it names."""
    if not tape.value("select count(*) from leverage"):
        return None
    total = _layers(tape, layers_query(tape, "0", "start"), {0: "all"})
    if not total:
        return None
    names = {code: str(name) for code, name in enumerate(tape.record.get("profiles", []))}
    queries = {
        "products": layers_query(tape, "profile", "start"),
        "depths": layers_query(tape, "depth", "start"),
        "ladder": ladder_query(tape),
        "classes": _classes_query(tape),
    }
    products = _layers(tape, queries["products"], names)
    ended = _layers(tape, layers_query(tape, "profile", "end"), names)
    depth_names = {int(depth): text for depth, text in DEPTHS.items()}
    classes = [
        "below 1",
        *(f"{low} to {high}" for low, high in pairwise(LEVERAGE_ENDS)),
    ]
    classes += [f"above {LEVERAGE_ENDS[-1]}", "no equity"]
    shown, effective = np.zeros(NO_EQUITY + 1), np.zeros(NO_EQUITY + 1)
    for which, code, equity in tape.rows(queries["classes"]):
        (shown if which == "shown" else effective)[int(code)] += float(equity)
    return Leverage(
        products=sorted(products, key=lambda row: -row.gross),
        products_end={row.name: row for row in ended},
        depths=_layers(tape, queries["depths"], depth_names),
        total=total[0],
        classes=classes[:-1],
        shown=shown[:-1],
        effective=effective[:-1],
        ladders=_ladders(tape, queries["ladder"], names),
        queries=queries,
    )


def _classes_query(tape: Tape) -> str:
    unit, where = money_unit(tape), holders(tape, "start")
    return " union all ".join(
        f"select '{column}', {column}, sum(equity) / {unit}.0 from leverage where {where} group by 2"
        for column in ("shown", "effective")
    )


def _layers(tape: Tape, query: str, names: dict[int, str]) -> list[Layers]:
    return [
        Layers(names.get(int(kind), str(kind)), int(accounts), *(float(amount) for amount in amounts))
        for kind, accounts, *amounts in tape.rows(query)
    ]


def _ladders(tape: Tape, query: str, names: dict[int, str]) -> list[Ladder]:
    levels = list(range(100, LOWEST - 1, -1))
    found: dict[str, Ladder] = {}
    owned: dict[str, float] = {}
    for asset, percent, profile, amount in tape.rows(query):
        owned[asset] = owned.get(asset, 0.0) + float(amount)
        products = found.setdefault(asset, Ladder(asset, 0.0, levels, {})).products
        rungs = products.setdefault(names.get(int(profile), str(profile)), np.zeros(len(levels)))
        if percent >= LOWEST:
            rungs[100 - min(int(percent), 100)] += float(amount)
    ladders = []
    for asset, one in found.items():
        products = {name: rungs for name, rungs in one.products.items() if rungs.any()}
        if products:
            ladders.append(Ladder(asset, owned[asset], levels, products))
    return sorted(ladders, key=lambda one: (-float(one.forced.sum()), one.asset))
