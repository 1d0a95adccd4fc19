"""The page around the report: its shell, and the small HTML parts that sections are made of.

Holds no number. Everything is inline; a content policy in the page forbids any request, so a report opens
offline and tells nobody that it was opened. Every text that comes from a file passes through `escaped`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from importlib import resources
from string import Template

from undertow.views.report.charts import Mark

escaped = html.escape


def page(title: str, scripts: str, body: str, data: str) -> str:
    """The whole file. `scripts` are Bokeh's script elements, `data` the JSON that the page's script reads."""
    return Template(_resource("report.html")).substitute(
        title=escaped(title),
        style=_resource("report.css"),
        scripts=scripts,
        body=body,
        data=in_script(data),
        script=_resource("report.js"),
    )


def in_script(data: str) -> str:
    """JSON that no text inside it can end, or open a comment in, while it stands in a script element."""
    return data.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def script_element(code: str) -> str:
    """A script whose strings may hold any text: none of it opens a comment or another script."""
    plain = re.sub(r"<(?=!--|/?script)", r"\\x3c", code, flags=re.IGNORECASE)
    return f"<script>{plain}</script>"


def section(anchor: str, title: str, body: str, lead: str = "") -> str:
    """A section; `lead` is a sentence under its title (HTML)."""
    intro = f'<p class="lead">{lead}</p>' if lead else ""
    return f'<section id="{anchor}"><h2>{escaped(title)}</h2>{intro}{body}</section>'


def chart(div: str, caption: str, query: str, label: str, marks: Sequence[Mark] = ()) -> str:
    """A figure with its legend, its caption and the query behind it.

    `label` says what is drawn and in which unit; it stands above the figure.
    """
    keys = "".join(
        f'<span><i class="{mark.dash}" style="color:{mark.colour}"></i>{escaped(mark.name)}</span>'
        for mark in marks
    )
    legend = f'<p class="legend"><b>{escaped(label)}</b>{keys}</p>'
    return (
        f'<figure>{legend}<div class="chart" role="img" aria-label="{escaped(label)}">{div}</div>'
        f"<figcaption>{caption}{query_block(query)}</figcaption></figure>"
    )


def query_block(query: str) -> str:
    """The SQL behind a figure or table, folded away."""
    text = escaped(query.strip())
    return f"<details><summary>query on the tape</summary><pre>{text}</pre></details>" if text else ""


def queries_block(queries: Sequence[tuple[str, str]]) -> str:
    """The SQL behind the numbers of a text, each with what it gives, folded away together."""
    parts = "".join(
        f"<p>{escaped(what)}</p><pre>{escaped(query.strip())}</pre>" for what, query in queries if query
    )
    return f"<details><summary>queries on the tape</summary>{parts}</details>" if parts else ""


def table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    left: Sequence[int] = (0,),
    total: bool = False,
    stacked: bool = False,
) -> str:
    """A table of HTML cells. Columns in `left` are texts, others numbers.

    `total`: the last row is a sum. `stacked`: on a narrow screen each row becomes a block of labelled lines.
    """
    names = [escaped(heading) for heading in headings]

    def cells(row: Sequence[str], tag: str) -> str:
        return "".join(
            f"<{tag}{'' if place in left else ' class=number'}"
            f'{f""" data-label="{names[place]}" """ if stacked else ""}>{cell}</{tag}>'
            for place, cell in enumerate(row)
        )

    head = f"<thead><tr>{cells(names, 'th')}</tr></thead>" if any(names) else ""
    lines = [f"<tr>{cells(row, 'td')}</tr>" for row in rows]
    if total and lines:
        lines[-1] = f'<tr class="total">{cells(rows[-1], "td")}</tr>'
    kind = ' class="stacked"' if stacked else ""
    return f'<div class="scroll"><table{kind}>{head}<tbody>{"".join(lines)}</tbody></table></div>'


def tile(value: str, label: str, note: str = "", query: str = "", reach: str = "") -> str:
    """A headline number, with the query that gives it; `reach` says how far other draws lie from it."""
    small = f"<small>{escaped(note)}</small>" if note else ""
    if reach:
        small += f'<small class="reach">{_held(escaped(reach))}</small>'
    body = f"<b>{escaped(value)}</b><span>{escaped(label)}</span>{small}{query_block(query)}"
    return f'<div class="tile">{body}</div>'


def _held(text: str) -> str:
    """A text in which no line ends between a number and its unit."""
    for unit in ("%", "million", "billion", "trillion", "min", "s"):
        text = re.sub(rf" {unit}(?![a-z])", f"\u00a0{unit}", text)
    return text


def badge(text: str, kind: str) -> str:
    """A word with a coloured ground; `kind` is good, bad or plain."""
    return f'<span class="badge {kind}">{escaped(text)}</span>'


def linked(text: str) -> str:
    """A text in which a web address can be clicked."""
    words = []
    for word in text.split(" "):
        bare = word.rstrip(",;.)")
        if bare.startswith(("https://", "http://")):
            rest = escaped(word[len(bare) :])
            words.append(f'<a href="{escaped(bare)}" rel="noreferrer">{escaped(bare)}</a>{rest}')
        else:
            words.append(escaped(word))
    return " ".join(words)


def _resource(name: str) -> str:
    return resources.files("undertow.views.report").joinpath(name).read_text("utf-8")
