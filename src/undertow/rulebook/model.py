"""A rulebook: everything a venue promises, in one frozen model.

Holds `Rulebook` and its checks across tables; the tables stand in `trading`, `prices`, `margin`,
`collateral` and `waterfall`. Holds no file access (`load`).

Units: see `base`. Invariant: every cited source is declared, every declared source is cited, every class
that a table speaks of exists in the margin table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field

from undertow.rulebook.base import Loc, Part, Row, Table
from undertow.rulebook.collateral import AutoConversion, CollateralAsset, Profile
from undertow.rulebook.faults import suggest
from undertow.rulebook.margin import Margin, MarginClass
from undertow.rulebook.prices import Funding, Index, Mark
from undertow.rulebook.trading import SPOT_CLASS, Fees, Gates, Orders
from undertow.rulebook.waterfall import Allocation, Backstop, Insurance, Liquidation

Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Text = Annotated[str, Field(min_length=1)]


class Source(Row):
    """Where figures come from, and what that is worth."""

    title: Text
    standing: Literal["documented", "code", "secondary", "inference"]
    url: str = ""


class Rulebook(Part):
    """The promises of one venue at one date."""

    name: Name
    title: Text
    as_of: date
    settlement: Text
    contract: Literal["linear", "inverse"]
    summary: Text
    sources: dict[str, Source]
    fees: Fees
    orders: Orders
    index: Index
    mark: Mark
    funding: Funding
    margin: Margin
    profiles: dict[str, Profile] = Field(min_length=1)
    collateral: dict[str, CollateralAsset] = Field(default_factory=dict)
    auto_conversion: AutoConversion
    liquidation: Liquidation
    backstop: Backstop
    insurance: Insurance
    allocation: Allocation
    gates: Gates
    overridden: tuple[str, ...] = Field(
        default=(), repr=False
    )  # dotted keys that differ from the file; set by `load.with_overrides`

    @classmethod
    def raw_faults(cls, data: Mapping[str, Any]) -> Iterator[tuple[Loc, str]]:
        """Also: cited but undeclared sources, declared but uncited ones."""
        yield from super().raw_faults(data)
        declared = data.get("sources")
        if not isinstance(declared, Mapping):
            return
        cited = set()
        for place, name in citations(data):
            cited.add(name)
            if name not in declared:
                yield place, f"names {name!r}, which [sources] does not declare; {suggest(name, declared)}"
        for name in declared:
            if name not in cited:
                yield ("sources", name), "is declared but no table cites it; cite it or take it out"

    def faults(self) -> Iterator[tuple[Loc, str]]:
        """What one table says against another."""
        yield from self._unknown_names()
        yield from self._unmarked_inferences()
        if self.settlement in self.collateral:
            wrong = "is the settlement asset, which always counts in full; take it out of [collateral]"
            yield ("collateral", self.settlement), wrong
        for name, rule in self.margin.classes.items():
            if rule.kind == "steps" and self.contract == "linear":
                wrong = "is 'steps', whose limits are in coins; use another kind, or contract = 'inverse'"
                yield ("margin", "classes", name, "kind"), wrong
        if self.backstop.kind == "providers" and self.liquidation.auto_close == "none":
            wrong = "is 'providers', but liquidation.auto_close is 'none'; set that to 'fraction'"
            yield ("backstop", "kind"), wrong

    def _unknown_names(self) -> Iterator[tuple[Loc, str]]:
        """Classes, assets and profiles that are spoken of but not there."""
        named: list[tuple[Loc, str, str]] = [
            ((table, "classes", name), "margin.classes", name)
            for table, part in (("fees", self.fees), ("orders", self.orders), ("funding", self.funding))
            for name in part.classes
            if name != SPOT_CLASS or table == "funding"
        ]
        funds = self.insurance.isolated_funds
        named += [(("insurance", "isolated_funds"), "margin.classes", name) for name in funds]
        named += [
            (("collateral", asset, "price", "of"), "collateral", rule.price.of)
            for asset, rule in self.collateral.items()
            if rule.price.of
        ]
        named += [
            (("auto_conversion", "profiles"), "profiles", name) for name in self.auto_conversion.profiles
        ]
        homes: dict[str, Mapping[str, Any]] = {
            "margin.classes": self.margin.classes,
            "collateral": self.collateral,
            "profiles": self.profiles,
        }
        for place, home, name in named:
            if name not in homes[home]:
                yield place, f"names {name!r}, which [{home}] does not have; {suggest(name, homes[home])}"

    def _unmarked_inferences(self) -> Iterator[tuple[Loc, str]]:
        """A table that cites inference alone must say so of every figure."""
        changed = self.overridden
        for dotted, table in self.tables():
            cited = self.cited(table)
            if not cited or any(source.standing != "inference" for source in cited):
                continue
            for key in sorted(table.model_fields_set - {"source", "inferred", "classes"}):
                path = f"{dotted}.{key}"
                ours = any(
                    f"{path}.".startswith(f"{name}.") or name.startswith(f"{path}.") for name in changed
                )
                if key not in table.inferred and not ours:
                    wrong = f"leaves out {key!r}, whose only source is inference; add it"
                    yield (*dotted.split("."), "inferred"), wrong

    def tables(self) -> Iterator[tuple[str, Table]]:
        """Every table with its dotted name, in the order of the file."""
        yield from _tables(self, "")

    def cited(self, table: Table) -> list[Source]:
        """The sources of a table, for a report."""
        return [self.sources[name] for name in table.source if name in self.sources]

    def margin_class(self, name: str) -> MarginClass:
        """Margin of a class of contracts; `default` for an unknown one."""
        return self.margin.of(name)

    def profile_name(self, name: str) -> str:
        """That profile if the rulebook has it, else its first: a crowd made for another venue still finds a
        seat.
        """
        return name if name in self.profiles else next(iter(self.profiles))

    def fingerprint(self) -> str:
        """Sixteen hex digits over every figure, equal for equal rulebooks."""
        return hashlib.sha256(self.model_dump_json(exclude={"overridden"}).encode()).hexdigest()[:16]


def citations(data: Any, place: Loc = ()) -> Iterator[tuple[Loc, str]]:
    """Every (place, id) where a table of raw data cites a source."""
    if not isinstance(data, Mapping):
        return
    for key, value in data.items():
        if key == "source" and place:
            names = value if isinstance(value, list | tuple) else [value]
            for name in names:
                if isinstance(name, str):
                    yield (*place, "source"), name
        elif key != "sources":
            yield from citations(value, (*place, key))


def _tables(part: Any, prefix: str) -> Iterator[tuple[str, Table]]:
    entries = part.items() if isinstance(part, dict) else iter(part) if isinstance(part, Part) else ()
    for key, value in entries:
        name = f"{prefix}{key}"
        if isinstance(value, Table):
            yield name, value
        if isinstance(value, Part | dict):
            yield from _tables(value, f"{name}.")
