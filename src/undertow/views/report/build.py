"""Putting a report together: content, figures, sections, one file.

Holds no text of its own. Bokeh's scripts are taken inline from its wheel; nothing is fetched.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bokeh.embed import components
from bokeh.resources import Resources

from undertow.tape import RunFolder, Tape
from undertow.views.report import (
    charts_leverage,
    sections,
    sections_beside,
    sections_facts,
    sections_leverage,
    sections_makers,
    sections_money,
    sections_stock,
)
from undertow.views.report.content import Content, content_of
from undertow.views.report.series import page_values
from undertow.views.report.template import page, script_element

REPORT_FILE = "report.html"


def write_report(folder: RunFolder | Path) -> Path:
    """Build a run's report and write it into its folder; returns the file's path."""
    run = folder if isinstance(folder, RunFolder) else RunFolder.open(Path(folder))
    with Tape(run) as tape:
        content = content_of(run, tape)
    run.write_text(REPORT_FILE, _html(content))
    return run.path / REPORT_FILE


def _html(content: Content) -> str:
    script, divs = _figures(content)
    body = "\n".join(
        [
            sections.head(content),
            sections.prices(content, divs),
            sections.depth(content, divs),
            sections_makers.makers(content, divs),
            sections_leverage.leverage(content, divs),
            sections.liquidations(content, divs),
            sections_beside.beside(content, divs),
            sections_money.fund(content, divs),
            sections_stock.stock(content, divs),
            sections_money.adl(content),
            sections_money.bad_debt(content),
            sections_money.who_paid(content),
            sections_facts.facts(content),
            sections_facts.rules(content),
            sections_facts.reproduce(content),
        ]
    )
    resources = Resources(mode="inline", components=["bokeh"], log_level="error").render_js()
    title = f"{sections.title_of(content)} under {content.record.get('rulebook', '')}".strip()
    return page(title, resources + script, body, _page_data(content))


def _figures(content: Content) -> tuple[str, dict[str, str]]:
    """Bokeh's script for all figures and a div for each; only what the run has."""
    charts = content.charts
    plots: dict[str, Any] = {}
    if content.instruments:
        first = content.instruments[0]
        plots["price"] = charts.prices(first)
        plots["gap"] = charts.gap(first)
        if any(len(one.depth_time_ms) for one in content.instruments):
            plots["depth"] = charts.depth(first)
    if content.quoting is not None:
        plots |= sections_makers.makers_charts(content.quoting, charts)
    if content.stages:
        plots["stages"] = charts.stages(content.stage_minutes, content.stages)
    if content.both is not None:
        plots |= sections_beside.beside_charts(content.both, charts)
    if content.house:
        plots["equity"] = charts.house(content.house, held=False)
        if any(held.any() for _, _, held in content.house.values()):
            plots["held"] = charts.house(content.house, held=True)
    if content.stock is not None:
        plots |= sections_stock.stock_charts(content.stock, charts)
    if content.leverage is not None:
        plots["classes"] = charts_leverage.classes_chart(content.leverage)
        if content.leverage.ladders:
            plots["ladder"] = charts_leverage.ladder_chart(content.leverage.ladders[0])
    if not plots:
        return "", {}
    script, divs = components(plots, wrap_script=False)
    return script_element(str(script)), {name: str(div) for name, div in divs.items()}


def _page_data(content: Content) -> str:
    """What the page's script needs to show another instrument: its thinned curves."""
    instruments = {}
    for one in content.instruments:
        instruments[one.name] = {
            "price": {
                "time": one.time_ms.tolist(),
                **{name: page_values(getattr(one, name)) for name in ("last", "mark", "outside")},
            },
            "depth": {
                "time": one.depth_time_ms.tolist(),
                **{
                    name: [value or None for value in page_values(values, 4)]
                    for name, values in one.depth.items()
                },
            },
        }
    data = {"start": round(content.start.timestamp() * 1000), "instruments": instruments}
    return json.dumps(data, separators=(",", ":"), allow_nan=False)
