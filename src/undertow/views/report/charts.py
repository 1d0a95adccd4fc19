"""The report's pictures: Bokeh figures for curves over time, small inline SVG for thumbnails.

Holds no query. Colours are the Okabe-Ito set, told apart by colour-blind readers, and lines also differ in
dash. Legends are HTML beside the figure, which wraps on a narrow screen. All figures over time share one
range, so zooming one zooms all.

Units: times in milliseconds since 1970 (UTC) on the axes; prices and money in dollars; gaps in per cent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from bokeh.models import (
    BoxZoomTool,
    ColumnDataSource,
    DatetimeTickFormatter,
    HoverTool,
    NumeralTickFormatter,
    Range1d,
)
from bokeh.plotting import figure
from numpy.typing import NDArray

from undertow.crowd.makers import MakerCause
from undertow.tape.schema import Stage
from undertow.venue.records import Role
from undertow.views.report.makers import Missing, Weather
from undertow.views.report.series import InstrumentSeries

INK, FAINT, GRID = "#1b1f24", "#5c6670", "#e6e9ed"
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
VERMILLION, PURPLE, SKY, YELLOW = "#D55E00", "#CC79A7", "#56B4E9", "#F0E442"


@dataclass(frozen=True)
class Mark:
    """How one quantity is drawn and called. `dash` as CSS knows it: solid, dashed, dotted; or block."""

    column: str
    name: str
    colour: str
    dash: str = "solid"
    width: float = 2.0


PRICE_MARKS = (
    Mark("outside", "outside price", FAINT, "dashed", 1.8),
    Mark("mark", "mark price", ORANGE, "solid", 1.5),
    Mark("last", "venue, last trade", BLUE),
)
DEPTH_MARKS = (
    Mark("bid_4pct", "bids within 4 %", SKY, "dashed", 1.6),
    Mark("ask_4pct", "asks within 4 %", ORANGE, "dashed", 1.6),
    Mark("bid_1pct", "bids within 1 %", BLUE, "solid", 1.8),
    Mark("ask_1pct", "asks within 1 %", VERMILLION, "solid", 1.8),
)
STAGE_MARKS = {
    Stage.ORDERS: Mark("orders", "orders filled in the book", BLUE, "block"),
    Stage.TAKEOVER: Mark("takeover", "taken over by the backstop", ORANGE, "block"),
    Stage.ADL: Mark("adl", "closed by ADL", VERMILLION, "block"),
    Stage.DISPOSAL: Mark("disposal", "sold on by the house", SKY, "block"),
}
HOUSE_MARKS = {
    Role.FUND: Mark("fund", "insurance fund", PURPLE),
    Role.VAULT: Mark("vault", "liquidator vault", GREEN, "dashed"),
    Role.PROVIDER: Mark("provider", "backstop providers", BLUE, "dotted"),
}
CAUSE_MARKS = {
    MakerCause.VOLATILITY: Mark("volatility", "volatility", SKY, "block"),
    MakerCause.INVENTORY: Mark("inventory", "inventory at its limit", BLUE, "block"),
    MakerCause.LOSS: Mark("loss", "losses", VERMILLION, "block"),
    MakerCause.MOVE: Mark("move", "price moved too fast", PURPLE, "block"),
    MakerCause.GAP: Mark("gap", "gap to the outside", GREEN, "block"),
    MakerCause.REJECTION: Mark("rejection", "messages refused or late", ORANGE, "block"),
    MakerCause.REFILL: Mark("refill", "taken, not yet quoted again", "#a9b1ba", "block"),
    MakerCause.HEDGE: Mark("hedge", "hedge cut", YELLOW, "block"),
}
STANDING_MARK = Mark("standing", "depth that stands", INK, "solid", 1.8)
WEATHER_MARKS = (
    Mark("stalled", "transfers held up", FAINT, "dashed", 1.6),
    Mark("refused", "messages refused", VERMILLION, "solid", 1.6),
)

TIME_RANGE = "time-range"  # names under which the page's script finds what it changes
PRICE_SOURCE = "price"
GAP_SOURCE = "gap"
DEPTH_SOURCE = "depth"

_FONT = "Inter, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_CLOCK = "%H:%M"


class TimeCharts:
    """Figures over one shared span of time, `start_ms` being the case's start since 1970."""

    def __init__(self, start_ms: int, length_ms: int) -> None:
        self._start = start_ms
        self._range = Range1d(
            start=start_ms, end=start_ms + max(1, length_ms), bounds="auto", name=TIME_RANGE
        )

    def prices(self, series: InstrumentSeries) -> Any:
        """One instrument's venue, mark and outside price; the page's script swaps the instrument."""
        plot = self._figure(300)
        lines = self._lines(plot, self.price_source(series, PRICE_SOURCE), PRICE_MARKS)
        plot.yaxis.formatter = NumeralTickFormatter(format="0,0.[0000]")
        values = [(mark.name, f"@{mark.column}{{0,0.[0000]}}") for mark in reversed(PRICE_MARKS)]
        _hover(plot, [*values, ("gap", "@gap{0.0} %")], lines[-1])
        return plot

    def gap(self, series: InstrumentSeries) -> Any:
        """Venue against outside, in per cent."""
        plot = self._figure(160)
        source = self.price_source(series, GAP_SOURCE)
        plot.varea("time", "gap", "zero", source=source, fill_color=BLUE, fill_alpha=0.18)
        line = plot.line("time", "gap", source=source, color=BLUE, line_width=1.6)
        plot.hspan(y=[0], line_color=FAINT, line_width=1)
        _hover(plot, [("gap", "@gap{0.0} %")], line)
        return plot

    def gaps(self, venues: Sequence[tuple[NDArray[np.int64], NDArray[np.float64], Mark]]) -> Any:
        """Gaps of several venues, (times, per cent, mark) of each."""
        plot = self._figure(200)
        for times, gap, mark in venues:
            source = ColumnDataSource({"time": self._times(times), mark.column: gap})
            line = self._lines(plot, source, [mark])[0]
            _hover(plot, [(mark.name, f"@{mark.column}{{0.0}} %")], line)
        plot.hspan(y=[0], line_color=FAINT, line_width=1)
        return plot

    def depth(self, series: InstrumentSeries) -> Any:
        """Depth within 1 and 4 per cent of the mark, both sides, on a logarithmic scale."""
        plot = self._figure(300, y_axis_type="log")
        source = ColumnDataSource(self._depth_columns(series), name=DEPTH_SOURCE)
        lines = self._lines(plot, source, DEPTH_MARKS)
        plot.yaxis.formatter = NumeralTickFormatter(format="$0,0a")
        _hover(plot, [(mark.name, f"@{mark.column}{{$0,0.0a}}") for mark in DEPTH_MARKS], lines[-1])
        return plot

    def stages(self, minutes: NDArray[np.int64], stages: Mapping[Stage, NDArray[np.float64]]) -> Any:
        """Notional liquidated per minute, stacked by what dealt with it."""
        plot = self._figure(300)
        marks = [STAGE_MARKS[stage] for stage in stages]
        columns: dict[str, Any] = {STAGE_MARKS[stage].column: values for stage, values in stages.items()}
        columns["time"] = self._times(minutes) + 30_000
        plot.vbar_stack(
            [mark.column for mark in marks],
            x="time",
            width=54_000,
            source=ColumnDataSource(columns),
            color=[mark.colour for mark in marks],
            line_color=None,
        )
        plot.yaxis.formatter = NumeralTickFormatter(format="$0,0.[0]a")
        plot.y_range.start = 0
        _hover(plot, [(mark.name, f"@{mark.column}{{$0,0.0a}}") for mark in marks])
        return plot

    def missing(self, missing: Missing) -> Any:
        """Maker depth missing, stacked by cause, and over it the depth that stands."""
        plot = self._figure(300)
        marks = [CAUSE_MARKS[cause] for cause in missing.causes]
        columns: dict[str, Any] = {CAUSE_MARKS[cause].column: usd for cause, usd in missing.causes.items()}
        columns |= {"time": self._times(missing.time_ms), STANDING_MARK.column: missing.standing}
        source = ColumnDataSource(columns)
        plot.varea_stack(
            [mark.column for mark in marks],
            x="time",
            source=source,
            color=[mark.colour for mark in marks],
            fill_alpha=0.85,
        )
        line = self._lines(plot, source, [STANDING_MARK])[0]
        plot.yaxis.formatter = NumeralTickFormatter(format="$0,0.[0]a")
        plot.y_range.start = 0
        rows = [STANDING_MARK, *reversed(marks)]
        _hover(plot, [(mark.name, f"@{mark.column}{{$0,0.0a}}") for mark in rows], line)
        return plot

    def weather(self, weather: Weather) -> Any:
        """Per cent of messages refused and of transfers held up."""
        plot = self._figure(180)
        columns = {name: getattr(weather, name) for name in ("refused", "stalled", "messages")}
        source = ColumnDataSource({"time": self._times(weather.time_ms), **columns})
        lines = self._lines(plot, source, WEATHER_MARKS)
        plot.y_range.start = 0
        values = [(mark.name, f"@{mark.column}{{0.0}} %") for mark in reversed(WEATHER_MARKS)]
        _hover(plot, [*values, ("messages tried", "@messages{0,0}")], lines[-1])
        return plot

    def house(self, roles: Mapping[Role, tuple[Any, Any, Any]], held: bool) -> Any:
        """Equity of the fund, the vault and the providers; or the value of what they hold (`held`)."""
        plot = self._figure(190 if held else 240)
        for role, (times, equity, stock) in roles.items():
            mark = HOUSE_MARKS[role]
            source = ColumnDataSource({"time": self._times(times), mark.column: stock if held else equity})
            line = self._lines(plot, source, [mark])[0]
            _hover(plot, [(mark.name, f"@{mark.column}{{$0,0.[00]a}}")], line)
        plot.yaxis.formatter = NumeralTickFormatter(format="$0,0.[0]a")
        return plot

    def amounts(
        self, times: NDArray[np.int64], columns: Mapping[str, NDArray[np.float64]], marks: Sequence[Mark]
    ) -> Any:
        """Several amounts of money over the same times; `columns` by the marks' columns."""
        plot = self._figure(240)
        lines = self._lines(plot, ColumnDataSource({"time": self._times(times), **columns}), marks)
        _hover(plot, [(mark.name, f"@{mark.column}{{$0,0.[00]a}}") for mark in marks], lines[0])
        plot.yaxis.formatter = NumeralTickFormatter(format="$0,0.[0]a")
        return plot

    def price_source(self, series: InstrumentSeries, name: str) -> ColumnDataSource:
        """One instrument's prices and gap, under a name the page's script knows."""
        columns = {
            "time": self._times(series.time_ms),
            "last": series.last,
            "mark": series.mark,
            "outside": series.outside,
            "gap": series.gap_percent,
            "zero": np.zeros(len(series.time_ms)),
        }
        return ColumnDataSource(columns, name=name)

    def _depth_columns(self, series: InstrumentSeries) -> dict[str, Any]:
        """An empty side has no place on a logarithmic scale."""
        sides = {name: np.where(values > 0, values, np.nan) for name, values in series.depth.items()}
        return {"time": self._times(series.depth_time_ms), **sides}

    def _times(self, milliseconds: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(milliseconds, dtype=np.float64) + self._start

    @staticmethod
    def _lines(plot: Any, source: ColumnDataSource, marks: Sequence[Mark]) -> list[Any]:
        return [
            plot.line(
                "time",
                mark.column,
                source=source,
                color=mark.colour,
                line_dash=mark.dash,
                line_width=mark.width,
                line_join="round",
            )
            for mark in marks
        ]

    def _figure(self, height: int, **options: Any) -> Any:
        plot = figure(
            height=height,
            sizing_mode="stretch_width",
            x_axis_type="datetime",
            x_range=self._range,
            tools=[BoxZoomTool(dimensions="width")],
            toolbar_location=None,
            outline_line_color=None,
            min_border_left=66,
            min_border_top=10,
            min_border_right=8,
            **options,
        )
        plot.xaxis.formatter = DatetimeTickFormatter(
            seconds="%H:%M:%S", minsec="%H:%M:%S", minutes=_CLOCK, hourmin=_CLOCK, hours=_CLOCK
        )
        plain_axes(plot)
        return plot


def plain_axes(plot: Any) -> None:
    """Faint lines, level ones only, and the page's font."""
    for axis in (*plot.xaxis, *plot.yaxis):
        axis.axis_line_color = GRID
        axis.major_tick_line_color = GRID
        axis.minor_tick_line_color = None
        axis.major_label_text_color = INK
        axis.major_label_text_font = _FONT
        axis.major_label_text_font_size = "12px"
    plot.xgrid.grid_line_color = None
    plot.ygrid.grid_line_color = GRID


def thumbnail(series: InstrumentSeries, low_percent: float) -> str:
    """A small SVG of one instrument: venue (solid) and outside (dashed), in per cent of the first price.

    All thumbnails share the scale from `low_percent` (negative) to just above zero, so falls compare by eye.
    """
    kept = series.small
    times = series.time_ms[kept].astype(np.float64)
    known = series.outside[~np.isnan(series.outside)]
    base = known[0] if len(known) else np.nan
    width, height = 200.0, 80.0
    span = max(1.0, float(times[-1] - times[0])) if len(times) else 1.0
    across = width * (times - times[0]) / span if len(times) else times

    def points(prices: NDArray[np.float64]) -> str:
        percent = 100.0 * (prices[kept] / base - 1.0)
        down = height * (3.0 - percent) / (3.0 - low_percent)
        good = ~np.isnan(down)
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across[good], down[good], strict=True))

    zero = height * 3.0 / (3.0 - low_percent)
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" preserveAspectRatio="none" aria-hidden="true">'
        f'<line x1="0" x2="{width:.0f}" y1="{zero:.1f}" y2="{zero:.1f}" class="axis"/>'
        f'<polyline class="outside" points="{points(series.outside)}"/>'
        f'<polyline class="venue" points="{points(series.last)}"/></svg>'
    )


def _hover(plot: Any, values: Sequence[tuple[str, str]], only: Any = None) -> None:
    rows = [("", "@time{%H:%M:%S} UTC"), *values]
    hover = HoverTool(tooltips=rows, formatters={"@time": "datetime"}, mode="vline")
    if only is not None:
        hover.renderers = [only]
    plot.add_tools(hover)
