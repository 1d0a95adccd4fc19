"""Tables on a terminal about runs, or ensembles, side by side, and about who would have been saved.

Holds layout and words only. A change is the other less the first; between percentages it is points.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from rich.console import Console
from rich.table import Table
from rich.text import Text

from undertow.lab.compare import Comparison
from undertow.lab.compare_draws import DrawsComparison
from undertow.lab.drawn import Drawn
from undertow.lab.paired import FEWEST, Change
from undertow.lab.saved import By, Fate, Lives, Saved, band_words, size_words
from undertow.views.plain_tables import add_row, plain_table, print_table
from undertow.views.text import MISSING, counted, distance_text, dollars, figures, in_unit, span

_SIZES = [size_words(place) for place in range(5)]
_BANDS = [band_words(place) for place in range(7)]


def comparison(console: Console, found: Comparison | DrawsComparison, everything: bool) -> None:
    """What `compare` found; rows that are equal are left out unless everything is asked for."""
    if isinstance(found, DrawsComparison):
        _draws(console, found, everything)
    else:
        _runs(console, found, everything)
    for note in found.notes:
        console.print(Text(note))


def _runs(console: Console, found: Comparison, everything: bool) -> None:
    _settings(console, found.names, found.settings)
    rows = [row for row in found.rows if everything or row.differs]
    if rows:
        changes = ["Change"] if len(found.names) == 2 else [f"Change, {name}" for name in found.names[1:]]
        table = plain_table("Outcome", *found.names, *changes)
        for row in rows:
            values = [_value(value, row.unit, found.start) for value in row.values]
            add_row(
                table,
                _name(row.label, row.instrument),
                *values,
                *(_change(change, row.unit) for change in row.differences),
            )
        print_table(console, table)
        _equal(console, len(found.rows) - len(rows))
    else:
        console.print("No key outcome differs.", highlight=False)
    for pair in found.people:
        if pair.cells and (everything or pair.total.better_people or pair.total.worse_people):
            who_was_saved(console, pair)
        elif pair.why_not and rows:
            console.print(Text(f"Who would have been saved is not shown: {pair.why_not}."))


def _draws(console: Console, found: DrawsComparison, everything: bool) -> None:
    _settings(console, found.names, found.settings)
    rows = [row for row in found.rows if everything or row.differs]
    if not rows:
        console.print("No key outcome differs.", highlight=False)
        return
    further = found.names[1:]
    each = ["Change"] if len(further) == 1 else [f"Change, {name}" for name in further]
    headings = [part for name in each for part in (name, "One way")]
    table = plain_table("Outcome", *found.names, *headings)
    for row in rows:
        cells = [_reach(drawn, found.start) for drawn in row.columns]
        for change in row.changes:
            cells += [_moved(change, row.unit), _one_way(change)]
        add_row(table, _name(row.label, row.instrument), *cells)
    print_table(console, table)
    _equal(console, len(found.rows) - len(rows))
    counts = [f"{len(seeds)} seeds" for seeds in found.common]
    if len(further) > 1:
        counts = [f"{count} ({name})" for count, name in zip(counts, further, strict=True)]
    console.print(
        Text(
            "Mean of the draws, and below it the least and the largest. Changes are paired by seed, over "
            f"{', '.join(counts)}: their mean, and below it Student's 95 % interval, which is too narrow "
            "where some draws break the venue and others do not. One way: how many draws moved the way most "
            f"did; below {FEWEST} draws nothing can be told from chance."
        )
    )
    for name, people in zip(further, found.people, strict=True):
        if people:
            _saved_by_seed(console, name, people)
        else:
            console.print(
                Text("Who would have been saved needs the draws' accounts: run both with --keep-tapes.")
            )


def who_was_saved(console: Console, pair: Saved) -> None:
    """One pair of runs, person by person: by fate, kind of account, size and how far each moved."""
    console.print()
    console.print(Text(f"Who would have been saved: {pair.names[1]} against {pair.names[0]}", "bold"))
    table = plain_table("", "Accounts", "People", *(f"Won, {name}" for name in pair.names), "Change")
    fates = pair.by("fate")
    for fate in Fate:
        if fate in fates:
            _lives(table, fate.value.capitalize(), fates[fate], pair)
    _lives(table, "All customers", pair.total, pair)
    print_table(console, table)
    kinds = list(pair.by("kind"))
    _split(console, pair, "kind", "Kind of account", kinds)
    _split(console, pair, "size", f"{pair.settlement} a person at the start", _SIZES)
    if pair.in_one_unit:
        _bands(console, pair)
    (before, _), (after, _) = pair.unpaired
    if before or after:
        console.print(
            Text(
                f"Not the same people in both, and not counted above: {counted(before, 'account')} of the "
                f"first, {after:,} of the other. Their number or money at the start differs."
            )
        )
    if not pair.in_one_unit:
        console.print(Text("The runs settle in more than one asset, so no money is added up."))


def _bands(console: Console, pair: Saved) -> None:
    """How far each moved, over what it had at the start."""
    console.print()
    table = plain_table("Who changed by how much", "Accounts", "People", "Change")
    bands = pair.by("band")
    for band in _BANDS:
        if band in bands:
            lives = bands[band]
            add_row(
                table,
                band.capitalize(),
                f"{lives.accounts:,}",
                f"{lives.people:,}",
                _money(lives.change, pair),
            )
    print_table(console, table)


def _saved_by_seed(console: Console, name: str, people: dict[int, Saved]) -> None:
    """Saved and newly lost in every pair of draws."""
    console.print()
    table = plain_table(
        f"People, {name}", "Saved", "Newly lost", "Liquidated in both", "Better off", "Worse off", "Change"
    )
    for seed, pair in people.items():
        fates = pair.by("fate")
        counts = [fates[fate].people if fate in fates else 0 for fate in (Fate.SAVED, Fate.LOST, Fate.BOTH)]
        total = pair.total
        cells = [f"{count:,}" for count in (*counts, total.better_people, total.worse_people)]
        add_row(table, f"seed {seed}", *cells, _money(total.change, pair))
    print_table(console, table)


def _split(console: Console, pair: Saved, by: By, heading: str, order: Sequence[str]) -> None:
    console.print()
    table = plain_table(heading, "Accounts", "People", "Saved", "Newly lost", "Gained", "Lost", "Change")
    sums = pair.by(by)
    for key in order:
        if key not in sums:
            continue
        lives = sums[key]
        saved, lost = (pair.of(fate, **{by: key}).people for fate in (Fate.SAVED, Fate.LOST))
        cells = [f"{count:,}" for count in (lives.accounts, lives.people, saved, lost)]
        add_row(
            table,
            key.capitalize(),
            *cells,
            *(_money(amount, pair) for amount in (lives.better, lives.worse, lives.change)),
        )
    print_table(console, table)


def _lives(table: Table, name: str, lives: Lives, pair: Saved) -> None:
    add_row(
        table,
        name,
        f"{lives.accounts:,}",
        f"{lives.people:,}",
        _money(lives.first, pair),
        _money(lives.second, pair),
        _money(lives.change, pair),
    )


def _money(amount: int, pair: Saved) -> str:
    """A sum of results as a headline; nothing where the runs settle in different assets."""
    if not pair.in_one_unit:
        return MISSING
    value = amount / 10**pair.decimals
    if pair.settlement.startswith("USD"):
        return dollars(value, sign=True)
    return f"{'+' if value > 0 else ''}{figures(value)} {pair.settlement}"


def _settings(console: Console, names: Sequence[str], settings: dict[str, tuple[str, ...]]) -> None:
    if settings:
        table = plain_table("Run with", *names)
        for key, values in settings.items():
            add_row(table, key, *values)
        print_table(console, table)


def _equal(console: Console, equal: int) -> None:
    if equal:
        console.print(f"{equal} outcomes are equal (--everything shows them).", highlight=False)


def _name(label: str, instrument: str) -> str:
    return f"{label}, {instrument}" if instrument else label


def _reach(drawn: Drawn, start: datetime | None) -> str:
    """An outcome over draws: its mean, and from where to where it reaches."""
    if drawn.mean is None:
        return MISSING
    mean, least, largest = (
        _value(value, drawn.unit, start) for value in (drawn.mean, drawn.least, drawn.largest)
    )
    return mean if least == largest else f"{mean}\n{span(least, largest)}"


def _moved(change: Change, unit: str) -> str:
    """The mean change, and the interval that it stands in."""
    mean = _change(change.mean, unit)
    if change.interval is None or change.interval[0] == change.interval[1]:
        return mean
    return f"{mean}\n{span(*(_change(end, unit) for end in change.interval))}"


def _one_way(change: Change) -> str:
    return f"{change.one_sign} of {change.pairs}" if change.pairs else MISSING


def _value(value: float | None, unit: str, start: datetime | None) -> str:
    """A value of a run; a moment as a clock time where all runs began at the same."""
    if value is None or unit != "s" or start is None:
        return in_unit(value, unit)
    return f"{start + timedelta(seconds=value):%H:%M:%S} UTC"


def _change(value: float | None, unit: str) -> str:
    """A difference between two runs."""
    return MISSING if value is None else distance_text(value, unit, sign=True)
