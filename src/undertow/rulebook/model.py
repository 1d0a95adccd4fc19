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
from undertow.rulebook.trading import Fees, Gates, Orders
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
    overridden: tuple[str, ...] = ()  # dotted keys that differ from the file; set by `load.with_overrides`

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
        """Names in one table that another should define."""
        classes = self.margin.classes
        named: list[tuple[Loc, str]] = [
            ((table, "classes", name), name)
            for table, part in (("fees", self.fees), ("orders", self.orders), ("funding", self.funding))
            for name in part.classes
        ]
        named += [(("insurance", "isolated_funds"), name) for name in self.insurance.isolated_funds]
        for place, name in named:
            if name not in classes:
                hint = suggest(name, classes)
                yield place, f"speaks of class {name!r}, which [margin.classes] does not have; {hint}"
        for asset, weight in self.collateral.items():
            if weight.price.of and weight.price.of not in self.collateral:
                hint = suggest(weight.price.of, self.collateral)
                wrong = f"is {weight.price.of!r}, which [collateral] does not have; {hint}"
                yield ("collateral", asset, "price", "of"), wrong
        if self.settlement in self.collateral:
            wrong = "is the settlement asset, which always counts in full; take it out of [collateral]"
            yield ("collateral", self.settlement), wrong
        for name in self.auto_conversion.profiles:
            if name not in self.profiles:
                hint = suggest(name, self.profiles)
                wrong = f"speaks of profile {name!r}, which [profiles] does not have; {hint}"
                yield ("auto_conversion", "profiles"), wrong
        for name, rule in classes.items():
            if rule.kind == "steps" and self.contract == "linear":
                wrong = "is 'steps', whose limits are in coins; use another kind, or contract = \"inverse\""
                yield ("margin", "classes", name, "kind"), wrong

    def tables(self) -> Iterator[tuple[str, Table]]:
        """Every table with its dotted name, in the order of the file."""
        yield from _tables(self, "")

    def cited(self, table: Table) -> list[Source]:
        """The sources of a table, for a report."""
        return [self.sources[name] for name in table.source]

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
