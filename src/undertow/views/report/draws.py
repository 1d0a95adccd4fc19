"""The report of an ensemble: every outcome and fact over the draws of a case, each draw a point.

Holds the page's layout and words. One offline page, as a run's report is; a mean is never shown without the
draws that it is of.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from undertow.case.facts import as_utc
from undertow.lab.drawn import Drawn
from undertow.lab.ensemble import ENSEMBLE_FILE, Ensemble, outcomes_of, read_ensemble
from undertow.lab.score import in_words
from undertow.lab.spread import FactSpread
from undertow.tape import RunFolder
from undertow.tape.folder import COMPLETE
from undertow.views.notes import reach_text
from undertow.views.report.template import badge, escaped, page, section, table, tile
from undertow.views.text import MISSING, distance_text, in_unit

REPORT_FILE = "report.html"
_TILES = (
    "liquidated_traders", "liquidated_people", "liquidated_loss", "orders", "takeovers", "adl", "fund_draw",
    "bad_debt",
)  # fmt: skip
_WIDTH, _HEIGHT, _MARGIN = 200, 18, 5


def write_draws_report(folder: Path) -> Path:
    """Build an ensemble's report and write it into its folder; returns the file's path."""
    ensemble = read_ensemble(folder)
    record = RunFolder(folder).read_json(ENSEMBLE_FILE)
    found = outcomes_of(ensemble)
    body = "\n".join(
        [
            _head(ensemble, record, found),
            _outcomes(ensemble, found),
            _facts(ensemble),
            _draws(ensemble),
            _reproduce(ensemble, record),
        ]
    )
    title = f"{record.get('title', ensemble.variant.name)}, {len(ensemble.draws)} draws"
    RunFolder(folder).write_text(REPORT_FILE, page(title, "", body, '{"start":0,"instruments":{}}'))
    return folder / REPORT_FILE


def dots(values: Sequence[float | None], names: Sequence[str]) -> str:
    """Draws as points on a line from the least to the largest, the mean a stroke; each names its draw."""
    known = [(value, name) for value, name in zip(values, names, strict=True) if value is not None]
    if not known:
        return ""
    least, largest = min(value for value, _ in known), max(value for value, _ in known)
    reach = largest - least

    def place(value: float) -> str:
        share = (value - least) / reach if reach else 0.5
        return f"{_MARGIN + share * (_WIDTH - 2 * _MARGIN):.1f}"

    middle = _HEIGHT // 2
    mean = place(sum(value for value, _ in known) / len(known))
    points = "".join(
        f'<circle cx="{place(value)}" cy="{middle}" r="3.5"><title>{escaped(name)}</title></circle>'
        for value, name in known
    )
    return (
        f'<svg class="dots" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img" '
        f'aria-label="{len(known)} draws"><line x1="{_MARGIN}" x2="{_WIDTH - _MARGIN}" y1="{middle}" '
        f'y2="{middle}"/>{points}<line class="mean" x1="{mean}" x2="{mean}" y1="1" y2="{_HEIGHT - 1}"/></svg>'
    )


def _head(ensemble: Ensemble, record: dict[str, Any], found: Sequence[Drawn]) -> str:
    case = ensemble.variant.case
    start, end = as_utc(case.start), as_utc(case.start) + timedelta(seconds=case.seconds)
    byline = [
        f"<b>{start:%d %B %Y}</b>, {start:%H:%M} to {end:%H:%M} UTC",
        f"rulebook <b>{escaped(str(record.get('rulebook', MISSING)))}</b>",
        f"{case.accounts:,} accounts of traders",
        seeds_text([draw.seed for draw in ensemble.draws]),
        f"outside prices: {escaped(str(record.get('data', 'facts')))}",
        f"Undertow {escaped(str(record.get('version', '')))}",
    ]
    partial = (
        ""
        if ensemble.status == COMPLETE
        else '<p class="partial"><b>Partial.</b> It was stopped before all draws were done.</p>'
    )
    tiles = [
        tile(in_unit(drawn.mean, drawn.unit), drawn.label, reach=reach_text(drawn))
        for name in _TILES
        for drawn in found
        if drawn.name == name and drawn.mean is not None
    ]
    rows = [row for row in ensemble.spread.rows if not row.calibrated]
    if rows:
        met = sum(row.passed for row in rows)
        tiles.append(tile(f"{met} of {len(rows)}", "predicted facts met by the mean"))
    return (
        '<header><p class="kicker">Simulated crash · several draws</p>'
        f"<h1>{escaped(case.title)}</h1>"
        f'<p class="byline">{" · ".join(byline)}</p>{partial}'
        f'<p class="summary">{len(ensemble.draws)} draws of one case: the same outside, the same rules, '
        "another crowd each time. Every number is their mean; below it stand the least and the largest.</p>"
        f'<div class="tiles">{"".join(tiles)}</div></header>'
    )


def seeds_text(seeds: Sequence[int]) -> str:
    """Seeds in words; a row of them by its ends."""
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"seeds {seeds[0]} to {seeds[-1]}"
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(str(seed) for seed in seeds)}"


def _outcomes(ensemble: Ensemble, found: Sequence[Drawn]) -> str:
    start = as_utc(ensemble.variant.case.start)

    def words(value: float | None, unit: str) -> str:
        if value is None or unit != "s":
            return in_unit(value, unit)
        return f"{start + timedelta(seconds=value):%H:%M:%S}"

    rows = []
    for drawn in found:
        if drawn.mean is None:
            continue
        names = [
            f"seed {draw.seed}: {words(value, drawn.unit)}"
            for draw, value in zip(ensemble.draws, drawn.values, strict=True)
        ]
        name = f"{drawn.label}, {drawn.instrument}" if drawn.instrument else drawn.label
        rows.append(
            [
                escaped(name),
                *(words(value, drawn.unit) for value in (drawn.mean, drawn.least, drawn.largest)),
                distance_text(drawn.deviation or 0.0, drawn.unit),
                dots(drawn.values, names),
            ]
        )
    lead = "The chief outcomes. Spread is the standard deviation between draws; each draw is a point."
    headings = ["Outcome", "Mean", "Least", "Largest", "Spread", "Draws"]
    return section("outcomes", "What came out", table(headings, rows, left=(0, 5), stacked=True), lead)


def _facts(ensemble: Ensemble) -> str:
    rows = ensemble.spread.rows
    if not rows:
        reason = ensemble.not_scored or "the case names no facts"
        return section("facts", "Facts", f"<p>{escaped(reason[:1].upper() + reason[1:])}.</p>")
    body = ""
    for title, calibrated in (("Predicted", False), ("Used to choose parameters", True)):
        some = [row for row in rows if row.calibrated is calibrated]
        if some:
            met = sum(row.passed for row in some)
            body += f"<h3>{title}: {met} of {len(some)} met by the mean</h3>{_fact_table(ensemble, some)}"
    lead = "What was published against the mean of the draws, in tolerances; up to 1 is met."
    return section("facts", "Facts", body, lead)


def _fact_table(ensemble: Ensemble, rows: Sequence[FactSpread]) -> str:
    start = as_utc(ensemble.variant.case.start)
    cells = []
    for row in rows:
        words = [
            "not measured" if value is None else in_words(value, row.unit, start) for value in row.values
        ]
        names = [f"seed {draw.seed}: {word}" for draw, word in zip(ensemble.draws, words, strict=True)]
        problem = f"<small>{escaped(row.problem)}</small>" if row.problem else ""
        cells.append(
            [
                badge("met", "good") if row.passed else badge("missed", "bad"),
                f"{escaped(row.definition)}{problem}",
                f"{escaped(row.bound_text)}<small>{escaped(row.tolerance)}</small>",
                f"{escaped(row.centre_text)}<small>{escaped(row.least_text)} to "
                f"{escaped(row.largest_text)}</small>",
                MISSING if row.distance is None else f"{row.distance:.2f}",
                f"{round(row.share_passed * len(row.values))} of {len(row.values)}",
                dots(row.values, names),
            ]
        )
    headings = ["", "Fact", "Published", "Mean", "Off", "Met by", "Draws"]
    return table(headings, cells, left=(0, 1, 6), stacked=True)


def _draws(ensemble: Ensemble) -> str:
    rows = []
    for draw in ensemble.draws:
        if draw.score is None:
            met = MISSING
        else:
            passed, total = draw.score.count(calibrated=False)
            met = f"{passed} of {total}"
        rows.append([str(draw.seed), escaped(draw.folder), met, escaped(draw.problem)])
    headings = ["Seed", "Folder", "Predicted facts met", ""]
    return section("draws", "The draws", table(headings, rows, left=(0, 1, 3)))


def _reproduce(ensemble: Ensemble, record: dict[str, Any]) -> str:
    seeds = [draw.seed for draw in ensemble.draws] or [1]
    words = ["undertow", "score", "case.toml", "--draws", str(len(seeds)), "--first-seed", str(min(seeds))]
    if str(record.get("data", "facts")) not in ("facts", ""):
        words += ["--data", "DIR"]
    settings = record.get("settings") or {}
    changed = "".join(f"<li><code>{escaped(f'{key}={value}')}</code></li>" for key, value in settings.items())
    body = f"<p>Run it in the folder of this report.</p><pre>{escaped(shlex.join(words))}</pre>"
    body += f"<p>Changed, and in the case beside this page already:</p><ul>{changed}</ul>" if changed else ""
    return section("reproduce", "How to reproduce", body)
