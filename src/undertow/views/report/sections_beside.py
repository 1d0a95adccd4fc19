"""The report's section on two venues side by side: both waterfalls, both gaps, both lists of who paid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from undertow.tape.schema import Stage
from undertow.views.report import series
from undertow.views.report.beside import GAP_QUERY, Both, Side
from undertow.views.report.charts import BLUE, STAGE_MARKS, VERMILLION, Mark, TimeCharts
from undertow.views.report.content import Content
from undertow.views.report.template import chart, escaped, section, table
from undertow.views.text import MISSING, dollars, figures

GAP_MARKS = (Mark("here", "this venue", BLUE), Mark("there", "the venue beside", VERMILLION, "dashed"))
_STAGES = (Stage.ORDERS, Stage.TAKEOVER, Stage.ADL)


def beside_charts(both: Both, charts: TimeCharts) -> dict[str, Any]:
    """Both gaps in one figure, and the other venue's waterfall."""
    sides = zip((both.here, both.there), GAP_MARKS, strict=True)
    plots = {"beside-gap": charts.gaps([(side.gap_time_ms, side.gap, mark) for side, mark in sides])}
    if both.there.stages:
        plots["beside-stages"] = charts.stages(both.there.minutes, both.there.stages)
    return plots


def beside(content: Content, divs: Mapping[str, str]) -> str:
    """The other venue of the run, minute by minute beside this one."""
    both = content.both
    if both is None:
        return ""
    here, there = both.here, both.there
    lead = (
        f"The same prices outside, the same evening, another rulebook: {_name(there)} beside "
        f"{_name(here)}. Firms with an account on each trade one against the other."
    )
    names = ", ".join(f"'{name}'" for name in both.shared)
    body = chart(
        divs["beside-gap"],
        f"Mark over outside price, median of the {len(both.shared)} contracts that both list.",
        GAP_QUERY.format(names=names),
        "Venue against outside, %",
        GAP_MARKS,
    )
    if "beside-stages" in divs:
        body += chart(
            divs["beside-stages"],
            "The venue beside: notional per minute, by the stage that dealt with it.",
            series.STAGES_QUERY,
            "Notional per minute, USD",
            [STAGE_MARKS[stage] for stage in there.stages],
        )
    body += _minutes(content, both) + _payers(content, both)
    return section("beside", "The venue beside", body, lead)


def _minutes(content: Content, both: Both) -> str:
    rows = []
    for minute in both.minutes():
        cells = [content.clock(minute / 1000)[:5]]
        for side in (both.here, both.there):
            dealt, short = side.at(minute), side.short.get(minute, 0.0)
            cells += [dollars(dealt[stage]) if dealt.get(stage) else MISSING for stage in _STAGES]
            gap = side.gap_at(minute)
            cells += [dollars(short) if short else MISSING, MISSING if gap != gap else f"{figures(gap, 2)} %"]
        rows.append(cells)
    if not rows:
        return "<p>Nothing was taken over and no winner was closed on either venue.</p>"
    each = ("book", "backstop", "ADL", "below zero", "gap")
    headings = ["UTC", *each, *(f"beside: {name}" for name in each)]
    return (
        "<h3>Both waterfalls, minute by minute</h3>"
        + table(headings, rows)
        + '<p class="small">Filled in the book, taken over by the backstop, closed by ADL; what accounts '
        "were below zero when they were closed; the deepest median gap to the outside.</p>"
    )


def _payers(content: Content, both: Both) -> str:
    results: dict[str, list[int | None]] = {}
    for place, side in enumerate((both.here, both.there)):
        for payer in side.payers:
            results.setdefault(payer.who, [None, None])[place] = payer.result
    unit = 10**content.decimals
    rows = [
        [escaped(who), *(MISSING if amount is None else dollars(amount / unit, True) for amount in amounts)]
        for who, amounts in sorted(results.items(), key=lambda row: sum(amount or 0 for amount in row[1]))
    ]
    headings = ["Who", both.here.rulebook, both.there.rulebook]
    return "<h3>Who paid, on each</h3>" + table(headings, rows)


def _name(side: Side) -> str:
    name = f"<b>{escaped(side.rulebook)}</b>"
    return f'<a href="{escaped(side.link)}">{name}</a>' if side.link else name
