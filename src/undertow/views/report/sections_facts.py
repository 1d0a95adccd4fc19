"""The report's sections on facts, rules and how to run it again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from undertow.case.load import RULEBOOK_PREFIX as RULEBOOK
from undertow.case.sources import Citation, cited
from undertow.lab.score import FactRow
from undertow.views.keys import NO_KEYS, Setting, settings_of
from undertow.views.report.content import Content
from undertow.views.report.template import badge, escaped, linked, query_block, section, table
from undertow.views.report.words import holding_limit_ppm, limit_text, rulebook_sentences
from undertow.views.text import MISSING, label


def facts(content: Content) -> str:
    """Every published fact against the run, the missed ones too."""
    if content.score is None:
        reason = str(content.record.get("not_scored") or "")
        said = f"{reason[:1].upper()}{reason[1:]}." if reason else "This run has not been scored."
        return section("facts", "Facts against the run", f"<p>{escaped(said)}</p>")
    predicted = [row for row in content.score.rows if not row.calibrated]
    calibrated = [row for row in content.score.rows if row.calibrated]
    body = ""
    for title, rows in (("Predicted", predicted), ("Used to choose parameters", calibrated)):
        if rows:
            met = sum(row.passed for row in rows)
            body += f"<h3>{title}: {met} of {len(rows)} met</h3>{_fact_table(rows)}"
    lead = (
        "What was published, what came out, and how far apart they are in tolerances; up to 1 is met. "
        "Facts used to choose parameters are listed apart: meeting them proves less."
    )
    return section("facts", "Facts against the run", body or "<p>The case names no facts.</p>", lead)


def rules(content: Content) -> str:
    """The rulebook in sentences and tables, then the case."""
    rulebook, case = content.rulebook, content.case
    body = ""
    if not rulebook:
        body += "<p>The run kept no copy of its rulebook.</p>"
    else:
        body += f"<h3>{escaped(str(rulebook.get('title', content.record.get('rulebook', 'Rulebook'))))}</h3>"
        if rulebook.get("summary"):
            body += f"<p>{escaped(str(rulebook['summary']))}</p>"
        sentences = "".join(f"<li>{escaped(sentence)}</li>" for sentence in rulebook_sentences(rulebook))
        body += f"<ul>{sentences}</ul>" if sentences else ""
        texts = {f"{RULEBOOK}backstop.net_position_limit_ppm": limit_text(holding_limit_ppm(rulebook))}
        found = settings_of(rulebook, RULEBOOK, NO_KEYS["rulebook"])
        body += _as_tables(found, "All of the rulebook's values", texts)
        body += _sources(rulebook)
    if not case:
        body += "<p>The run kept no copy of its case.</p>"
    else:
        body += f"<h3>The case: {escaped(str(case.get('title', content.record.get('case', ''))))}</h3>"
        if case.get("summary"):
            body += f"<p>{escaped(str(case['summary']))}</p>"
        body += _as_tables(settings_of(case, skip=NO_KEYS["case"]), "All of the case's values")
    return section("rules", "Rulebook and case", body)


def reproduce(content: Content) -> str:
    """The command that gives this run again, and what must come out equal."""
    record = content.record
    given, settings = record.get("given"), record.get("settings") or {}
    own = "../case.toml" if record.get("beside_of") else "case.toml"
    words = ["undertow", "run", str(given or own), "--seed", str(record.get("seed", 1))]
    if record.get("other_venue"):
        words.append("--beside")
    if str(record.get("data", "facts")) not in ("facts", ""):
        words += ["--data", "DIR"]
    if given:  # the run's own copy has every change in it
        words += [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    hashes = record.get("hashes") or {}
    rows = [[escaped(str(name)), f"<code>{escaped(str(value))}</code>"] for name, value in hashes.items()]
    rows.append(["source", f"<code>{escaped(str(record.get('source_hash', MISSING)))}</code>"])
    rows.append(["version", escaped(str(record.get("version", MISSING)))])
    python = (
        "from undertow.tape import Tape\n"
        f'tape = Tape("{content.folder.name}")\n'
        'tape.sql("select * from waterfall limit 10")'
    )
    body = (
        f"<pre>{escaped(shlex.join(words))}</pre>"
        f"<p>{'' if given else 'Run it in the folder of this report. '}"
        "The same case, seed and version give the same bytes; these must come out equal:</p>"
        + table(["Hash of", ""], rows, left=(0, 1))
        + "<p>Every query in this report can be put to the tape:</p>"
        f"<pre>{escaped(python)}</pre>"
    )
    return section("reproduce", "How to reproduce", body)


def _fact_table(rows: Sequence[FactRow]) -> str:
    cells = []
    for row in rows:
        verdict = badge("met", "good") if row.passed else badge("missed", "bad")
        distance = MISSING if row.distance is None else f"{row.distance:.2f}"
        note = f"<small>{escaped(row.note)}</small>" if row.note else ""
        simulated = escaped(row.simulated_text)
        if row.problem:
            simulated = f"{MISSING}<small>{escaped(row.problem)}</small>"
        cells.append(
            [
                verdict,
                f"{escaped(row.definition)}{note}<small>{linked(row.source)}</small>{_origins(row.source)}"
                f"{query_block(row.query)}",
                f"{escaped(row.bound_text)}<small>{escaped(row.tolerance)}</small>",
                simulated,
                distance,
            ]
        )
    return table(["", "Fact", "Published", "Simulated", "Tolerances off"], cells, left=(0, 1), stacked=True)


def _origins(source: str) -> str:
    """Who published the records that a source cites, when and where."""
    return "".join(
        f'<small class="origin">{escaped(one.ids)}: {linked(one.source.in_words)} '
        f"({escaped(_reliability(one))})</small>"
        for one in cited(source)
    )


def _reliability(one: Citation) -> str:
    """How far the records can be relied on, the least of them if they differ."""
    found = {record.reliability for record in one.records}
    return f"{next(word for word in ('low', 'med', 'high') if word in found)} reliability".replace(
        "med ", "medium "
    )


def _as_tables(found: Sequence[Setting], title: str, texts: Mapping[str, str] = MappingProxyType({})) -> str:
    """Every value with the pair that sets it, table by table, folded away; `texts` say more, by key."""
    grouped: dict[str, list[list[str]]] = {}
    for one in found:
        parts = one.key.removeprefix(RULEBOOK).split(".")
        words = texts.get(one.key, one.words)
        plain = words == one.pair.partition("=")[2].strip("'")
        cells = [f"<code>{escaped(one.pair)}</code>", "" if plain else escaped(words)]
        grouped.setdefault(parts[0] if len(parts) > 1 else "", []).append(cells)
    blocks = [
        f"<div><h3>{escaped(label(name).capitalize() or 'General')}</h3>{table(['', ''], rows)}</div>"
        for name, rows in grouped.items()
    ]
    if not blocks:
        return ""
    hint = "<p>Each pair can be pasted behind <code>--set</code>, with another value.</p>"
    return (
        f'<details class="values"><summary>{escaped(title)}</summary>{hint}'
        f'<div class="two">{"".join(blocks)}</div></details>'
    )


def _sources(rulebook: Mapping[str, Any]) -> str:
    sources = rulebook.get("sources")
    if not isinstance(sources, Mapping) or not sources:
        return ""
    items = "".join(f"<li>{linked(_source_text(source))}</li>" for source in sources.values())
    return f"<details><summary>Its sources</summary><ul>{items}</ul></details>"


def _source_text(source: Any) -> str:
    if isinstance(source, Mapping):
        return " ".join(str(source[key]) for key in ("title", "standing", "url") if source.get(key))
    return str(source)
