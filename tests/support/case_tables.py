"""The tables of docs/how-to/cases.md, made from the models: every key of a case with its default and meaning.

`PYTHONPATH=src:tests python -m support.case_tables` writes them into the page anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from undertow.case.model import (
    AnchorRow,
    Beside,
    Case,
    CoinRow,
    Crowd,
    Draws,
    FreeParameter,
    House,
    InstrumentRow,
    Mechanism,
    ShapeRow,
    World,
)
from undertow.crowd.rules_actors import LoopedAsset, LoopProduct, RedeemableAsset, RestingBid
from undertow.crowd.rules_between import BetweenRules
from undertow.crowd.scale import Share
from undertow.world.weather import Incident, WeatherRules

PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/cases.md"
START, END = "<!-- tables: start -->\n", "<!-- tables: end -->"
MODELS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("The file", Case),
    ("`[house]`", House),
    ("`[world]`", World),
    ("`[[world.coin]]`", CoinRow),
    ("`[world.shapes.NAME]`", ShapeRow),
    ("A row of `anchors` or `falls`", AnchorRow),
    ("`[[instruments]]`", InstrumentRow),
    ("`[mechanisms.NAME]`", Mechanism),
    ("`[draws]`", Draws),
    ("`[[calibration]]`", FreeParameter),
    ("`[weather]`", WeatherRules),
    ("`[[weather.incidents]]`", Incident),
    ("`[beside]`", Beside),
    ("`[beside.between]`", BetweenRules),
)
CROWD_ROWS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("A row of `crowd.patient.resting_bids`", RestingBid),
    ("A row of `crowd.loopers.assets`", LoopedAsset),
    ("A row of `crowd.loopers.products`", LoopProduct),
    ("A row of `crowd.redemption.assets`", RedeemableAsset),
)
# Keys that say what they are.
PLAIN = {
    "label": "what it was, in words",
    "source": "where it is recorded",
    "instrument": "as [[instruments]] names it",
}
# (own; 3 to 10) or (3.2; 0.5 to 2.5 billion): where a figure comes from, and the range it may be moved in.
ORIGIN = re.compile(r" \((?P<origin>[^;()]*)(?:; (?P<range>[^()]*))?\)$")


def tables() -> str:
    """Every table, in the order of the file."""
    crowd = [(f"`[crowd.{name}]`", field.annotation) for name, field in Crowd.model_fields.items()]
    rows = [*MODELS, *crowd, *CROWD_ROWS]
    return "\n".join(line for title, model in rows for line in table(title, model))


def table(title: str, model: Any) -> Iterator[str]:
    """One model: key, default, meaning, and the usual range where one is known."""
    rows = [(f"`{name}`", _default(field), *_said(name, field)) for name, field in model.model_fields.items()]
    columns = 4 if any(usual for *_, usual in rows) else 3
    yield f"### {title}\n"
    for row in (("Key", "Default", "Unit and meaning", "Usual range"), ("---",) * 4, *rows):
        yield f"| {' | '.join(row[:columns])} |".replace("|  |", "| |")
    yield ""


def _said(name: str, field: FieldInfo) -> tuple[str, str]:
    """The meaning of a key and the range it is usually moved in."""
    said = field.description or PLAIN.get(name, "")
    origin = ORIGIN.search(said)
    usual = origin["range"] if origin and re.match(r"[\d.]", origin["range"] or "") else ""
    by_size = _by_size(field)
    if by_size is not None and by_size.usual is not None:
        low, high = (Share(by_size.of, end, None).figure() for end in by_size.usual)
        usual = f"{low} to {high}"
    return ORIGIN.sub("", said).replace("|", "\\|"), usual


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    by_size = _by_size(field)
    if by_size is not None:
        return by_size.in_words()
    if isinstance(value, BaseModel) or value in ("", (), {}, None):
        return ""
    if isinstance(value, tuple):
        return _row_names(value) or f"[{', '.join(_figure(part) for part in value)}]"
    return _figure(value)


def _by_size(field: FieldInfo) -> Share | None:
    """The share of the venue that is this field's default, if it goes by the venue's size."""
    extra = field.json_schema_extra
    found = extra.get("scaled") if isinstance(extra, dict) else None
    return found if isinstance(found, Share) else None


def _row_names(rows: tuple[Any, ...]) -> str:
    """Rows of a table of their own by name; empty where the parts are figures."""
    return ", ".join(f"`{row.name}`" for row in rows if isinstance(row, BaseModel))


def _figure(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else f"{value:,.10g}" if isinstance(value, float) else f"{value:,}"


def undescribed() -> list[str]:
    """Keys whose meaning stands nowhere."""
    crowd = [(name, field.annotation) for name, field in Crowd.model_fields.items()]
    rows = [*MODELS, *crowd, *CROWD_ROWS]
    return [
        f"{title}.{name}"
        for title, model in rows
        for name, field in getattr(model, "model_fields", {}).items()
        if not field.description and name not in PLAIN
    ]


def written() -> str:
    """The page with its tables made anew."""
    text = PAGE.read_text()
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}{tables()}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(written())
