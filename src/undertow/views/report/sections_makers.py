"""The report's section on makers: whose quotes are missing and why, and whether messages got through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from undertow.views.report.charts import CAUSE_MARKS, STANDING_MARK, WEATHER_MARKS, TimeCharts
from undertow.views.report.content import Content
from undertow.views.report.makers import WEATHER_QUERY, Missing, Quoting, Trough
from undertow.views.report.template import chart, escaped, query_block, section, table
from undertow.views.text import dollars, figures

TITLE = "Who stopped quoting, and why"


def makers_charts(found: Quoting, charts: TimeCharts) -> dict[str, Any]:
    """The section's figures by name; only what the run has."""
    plots = {"missing": charts.missing(found.first)}
    if found.altcoins is not None:
        plots["missing_altcoins"] = charts.missing(found.altcoins)
    if found.weather is not None:
        plots["weather"] = charts.weather(found.weather)
    return plots


def makers(content: Content, divs: Mapping[str, str]) -> str:
    """Depth missing by cause, the trough, refused messages; nothing if the run has no makers on its tape."""
    found = content.quoting
    if found is None:
        return ""
    body = _missing(found.first, divs["missing"])
    if found.trough is not None:
        body += _trough(content, found.first.name, found.trough)
    if found.altcoins is not None:
        body += _missing(found.altcoins, divs["missing_altcoins"])
    if found.weather is not None:
        body += chart(
            divs["weather"],
            "Messages to the venue that failed, and transfers of money that were held up. Makers that "
            "are refused too often pull what they quote; without transfers their capital does not come back.",
            WEATHER_QUERY,
            "Refused and held up, %",
            WEATHER_MARKS,
        )
    lead = (
        "What makers quote in calm and do not quote now, by the reason each firm has. Where a firm has "
        "several reasons, each takes its part of what those before it left."
    )
    return section("makers", TITLE, body, lead)


def _missing(missing: Missing, div: str) -> str:
    return chart(
        div,
        "Areas: maker depth missing on both sides, out to 5 % from the price. Line: all orders that stand "
        "within 4 % of the mark, makers' or not.",
        missing.query,
        f"{missing.name}: depth missing by cause, USD",
        [*(CAUSE_MARKS[cause] for cause in missing.causes), STANDING_MARK],
    )


def _trough(content: Content, name: str, trough: Trough) -> str:
    total = sum(trough.causes.values())
    rows = [
        [CAUSE_MARKS[cause].name.capitalize(), _millions(usd), f"{figures(100.0 * usd / total, 2)} %"]
        for cause, usd in trough.causes.items()
    ]
    rows.append(["Missing", _millions(total), "100 %"])
    return (
        "<h3>At the trough</h3>"
        f"<p>{escaped(name)} had the fewest asks in the minute from {content.clock(60.0 * trough.minute)} "
        f"UTC: {dollars(trough.asks)} within 4 %, against {dollars(trough.bids)} of bids.</p>"
        + table(["Cause", "Missing, million USD", "Share"], rows, total=True)
        + '<p class="small">Both sides; averages of the minute.</p>'
        + query_block(trough.query)
    )


def _millions(usd: float) -> str:
    return f"{usd / 1e6:,.1f}"
