"""No figure of a rulebook is dead: change any, and the model refuses it or the venue is another.

For every preset every figure of the validated model is changed, those that nobody set included. A venue is
another when it is built from other integers, or, for index, mark, funding and collateral prices, when the
same market comes to other prices, rates or charges. That the integers are read by the code that acts on them
is asked of the code itself; what they do is the business of the tests of each mechanism.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import undertow.venue
from support.figures import Figure, choices, compiled, figures, market, others, priced
from support.vectors import funded, plain_venue, trade
from undertow.errors import RulebookError
from undertow.rulebook.load import load_rulebook, preset_names, with_overrides
from undertow.rulebook.model import Rulebook
from undertow.rulebook.trading import Gates, Halt, HaltEnd, HaltStart, WithdrawalGate
from undertow.venue import state
from undertow.venue.auto_close import AutoClose
from undertow.venue.backstop import Split
from undertow.venue.closing import ClosingRule
from undertow.venue.conversion import Conversion
from undertow.venue.disposal import Disposal
from undertow.venue.funding import FUNDING_RULE
from undertow.venue.hedge import HedgeRule
from undertow.venue.index import INDEX_RULE
from undertow.venue.marks import MARK_RULE
from undertow.venue.pacing_fillable import Fillable
from undertow.venue.pacing_one_shot import OneShot
from undertow.venue.pacing_slices import Slices
from undertow.venue.pacing_staged import Staged
from undertow.venue.vault import Vault

PRICED = ("index.", "mark.", "funding.")
CHECKED = ".deduction_usd"  # the one figure that says nothing new: it must equal what the rows above give
# Figures that speak only beside another value of a figure that another rulebook sets otherwise.
BESIDE: dict[str, dict[str, Any]] = {
    # a mark that is the index leaves nothing to choose between the two
    "funding.reference": {"mark.method": "median-bid-ask-last"},
    "funding.notional": {"mark.method": "median-bid-ask-last"},
    "funding.interest_ppm": {"funding.clamp_ppm": 500},  # interest comes in as far as the clamp lets it
    "collateral.USDT.borrow.maintenance_share_ppm": {"collateral.USDT.factor_ppb": 1_000},  # a share of it
}
FOLDER = Path(undertow.venue.__file__).parent
WRITERS = {"compile.py", "setup.py", "state.py", "pricing.py", "paced.py", "stages.py"}
RULES = [
    AutoClose,
    ClosingRule,
    Conversion,
    Disposal,
    Fillable,
    HedgeRule,
    OneShot,
    Slices,
    Split,
    Staged,
    Vault,
]
GATES = [Gates, Halt, HaltEnd, HaltStart, WithdrawalGate]


class Bench:
    """What a rulebook makes of a venue, to compare its neighbours with."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.rulebook = rulebook
        self.compiled = compiled(rulebook)
        self.engine = market(rulebook)
        self.priced = priced(rulebook, self.engine)

    def is_another(self, changed: Rulebook, key: str) -> bool:
        """Whether the venue is another under the changed rulebook."""
        if not key.startswith(PRICED):
            try:
                if compiled(changed) != self.compiled:
                    return True
            except RulebookError:  # a pacing that does not go with the backstop: refused with a sentence
                return True
        return priced(changed, self.engine) != self.priced

    def idle(self, figure: Figure) -> list[str]:
        """The figure, with those of its values that the model takes and that change nothing."""
        idle: list[str] = []
        for value in others(figure, self.rulebook):
            try:
                changed = with_overrides(self.rulebook, {figure.key: value})
            except RulebookError as error:
                if not figure.written and "does nothing" in str(error):
                    return []
                if figure.key.endswith(CHECKED):
                    return []
                continue
            if not self.is_another(changed, figure.key):
                idle.append(f"{self.rulebook.name}: {figure.key} = {value}")
            elif not choices(figure.annotation):
                return []
        return idle


@pytest.mark.parametrize("preset", preset_names())
def test_no_figure_is_dead(preset: str) -> None:
    """A word must matter whichever of its values it takes; of a number it is enough that some change does."""
    benches = {"": Bench(load_rulebook(preset))}
    dead: list[str] = []
    count = 0
    for figure in figures(benches[""].rulebook):
        count += 1
        idle = benches[""].idle(figure)
        beside = BESIDE.get(figure.key)
        if idle and beside is not None:
            changed = with_overrides(benches[""].rulebook, beside)
            idle = Bench(changed).idle(figure)
        dead += idle
    assert count > 100
    assert dead == []


def test_a_figure_that_does_nothing_is_found() -> None:
    """The search above sees what is dead: here a share of a factor of nothing."""
    bench = Bench(load_rulebook("ftx-2022"))
    rows = {figure.key: figure for figure in figures(bench.rulebook)}
    assert bench.idle(rows["fees.taker_ppm"]) == []
    assert len(bench.idle(rows["collateral.USDT.borrow.maintenance_share_ppm"])) > 1
    assert not bench.is_another(with_overrides(bench.rulebook, {"title": "Another name"}), "mark.title")


def reads(name: str) -> Iterator[str]:
    """Names of attributes, and texts in brackets, that a module reads."""
    for node in ast.walk(ast.parse((FOLDER / name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            yield node.attr
        named = isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)
        if named and isinstance(node.ctx, ast.Load) and isinstance(node.slice.value, str):
            yield node.slice.value


@pytest.fixture(scope="module")
def read() -> set[str]:
    """Everything that the modules that act on a rulebook read by name."""
    names = [str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.py")]
    assert set(names) >= WRITERS
    return {word for name in names if name not in WRITERS for word in reads(name)}


@pytest.mark.parametrize("table", ["INSTRUMENT", "PROFILE", "TIER"])
def test_what_a_rulebook_writes_is_read(read: set[str], table: str) -> None:
    assert set(getattr(state, table).names) - read == set()


@pytest.mark.parametrize("rule", [INDEX_RULE, MARK_RULE, FUNDING_RULE], ids=["index", "mark", "funding"])
def test_every_price_rule_is_read(read: set[str], rule: Any) -> None:
    assert set(rule.names) - read == set()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_rule_of_a_stage_is_read(read: set[str], rule: Any) -> None:
    assert set(rule._fields) - read == set()


@pytest.mark.parametrize("model", GATES, ids=lambda model: model.__name__)
def test_every_figure_of_the_gates_is_read(model: Any) -> None:
    """Gates act on the model itself; the share of notional that stays is one of the venue's switches."""
    ours = set(model.model_fields) - {"source", "inferred", "withdrawal_notional_ppm"}
    constant = {name for name in ours if len(choices(model.model_fields[name].annotation)) == 1}
    assert ours - constant - set(reads("gates.py")) == set()


def test_every_switch_of_the_venue_is_read() -> None:
    """The counters that `write_rules` sets are looked at by some other module."""
    written = (FOLDER / "compile.py").read_text(encoding="utf-8").split("def write_rules")[1]
    switches = {
        node.slice.id
        for node in ast.walk(ast.parse("def write_rules" + written))
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Name)
        if isinstance(node.value, ast.Name) and node.value.id == "counters"
    }
    assert len(switches) > 5
    texts = [path.read_text(encoding="utf-8") for path in FOLDER.rglob("*.py") if path.name not in WRITERS]
    assert [name for name in sorted(switches) if not any(f"[{name}]" in text for text in texts)] == []


def small_venue(changes: dict[str, Any]) -> tuple[Any, int, int]:
    """A contract of binance-2025's class "small" at 100, whose last bracket ends at 12.5 million."""
    venue = plain_venue("binance-2025", changes)
    venue.list_perpetual("X-PERP", tick="0.01", lot="1", price="100", margin_class="small")
    return venue, funded(venue, "50000000"), funded(venue, "5000000000", profile="multi")


def test_the_last_bracket_ends_at_the_largest_position() -> None:
    """125,000 coins at 100 are 12.5 million: the last row of the table. One coin more is refused."""
    venue, account, other = small_venue({})
    venue.set_privileges(other, exempt=True, credit_limit="1000000000")
    assert venue.place(account, "X-PERP", side="buy", size="125000", price="100").accepted
    more = venue.place(account, "X-PERP", side="buy", size="1", price="100")
    assert (more.accepted, more.code) == (False, "position-limit")
    assert venue.place(account, "X-PERP", side="sell", size="125000", price="101").accepted  # the other side
    venue.cancel_all(account)
    trade(venue, "X-PERP", account, other, "100000", "100")
    bid = venue.place(account, "X-PERP", side="buy", size="25000", price="99")
    assert bid.accepted
    assert venue.place(account, "X-PERP", side="buy", size="1", price="99").code == "position-limit"
    assert venue.place(account, "X-PERP", side="sell", size="200000", price="101").accepted  # to -100,000
    assert venue.amend(account, bid.order, size="25001").code == "position-limit"
    assert venue.amend(account, bid.order, size="25000", price="98").accepted


def test_a_table_without_a_last_cap_ends_nowhere() -> None:
    rows = load_rulebook("binance-2025").margin_class("small").brackets
    venue, account, _other = small_venue({f"margin.classes.small.brackets.{len(rows) - 1}.cap_usd": None})
    assert venue.place(account, "X-PERP", side="buy", size="125001", price="100").accepted


def test_a_larger_cap_takes_a_larger_position() -> None:
    rows = load_rulebook("binance-2025").margin_class("small").brackets
    key = f"margin.classes.small.brackets.{len(rows) - 1}.cap_usd"
    venue, account, _other = small_venue({key: 13_000_000})
    assert venue.place(account, "X-PERP", side="buy", size="130000", price="100").accepted
    assert venue.place(account, "X-PERP", side="buy", size="1", price="100").code == "position-limit"
