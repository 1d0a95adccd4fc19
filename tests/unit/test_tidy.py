"""The house rules for code, executed: layers, sizes, names. A failure lists every offender with its place."""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tidy_rules import (
    PACKAGE,
    docstrings_of,
    functions_of,
    imported_names,
    is_kernel,
    label,
    module_name,
    python_files,
    report,
    syntax,
)

MODULE_LINES = 500
FUNCTION_LINES = 70
KERNEL_LINES = 120
KERNEL_ARGUMENTS = 8
LINE_COLUMNS = 110

# A room may import from rooms of a smaller number, and from itself. The ground's single files are one room.
GROUND = {"_cache", "_jit", "_kernel_cache", "_plain", "errors", "streams", "units"}
LAYERS = {
    "ground": 0,
    "exact": 1,
    "rulebook": 1,
    "venue": 2,
    "crowd": 3,
    "world": 3,
    "feeds": 3,
    "case": 4,
    "tape": 4,
    "lab": 5,
    "views": 6,
}
SIDEWAYS = {("world", "feeds")}  # the world replays what the feeds read

VENUE_NAMES = re.compile(
    r"binance|hyperliquid|bybit|bitmex|deribit|kraken|coinbase|uniswap|huobi|bitfinex|kucoin|mango|drift_"
    r"|(?<![a-z])(?:ftx|okx|okex|dydx|aave|gmx|gate\.io|lighter|paradex|aster)(?![a-z])",
    re.IGNORECASE,
)

SOURCES = python_files("src")
CODE = python_files("src", "tests", "benchmarks")


def room_of(module: str) -> str:
    """`undertow.venue.book` -> `venue`, `undertow.units` -> `ground`, `undertow` -> the empty room."""
    parts = module.split(".")
    if len(parts) == 1:
        return ""
    return "ground" if parts[1] in GROUND else parts[1]


def test_the_tree_is_read() -> None:
    assert PACKAGE / "units.py" in SOURCES
    assert len(CODE) > len(SOURCES)


def test_every_room_has_a_layer() -> None:
    rooms = {room_of(module_name(path)) for path in SOURCES} - {""}
    report(sorted(f"{room} has no layer in this test" for room in rooms - LAYERS.keys()))


def test_imports_point_downwards() -> None:
    offences = []
    for path in SOURCES:
        room = room_of(module_name(path))
        if not room:
            continue
        for name in sorted(imported_names(path, syntax(path))):
            other = room_of(name)
            if other == room or (room, other) in SIDEWAYS:
                continue
            if other == "__version__":  # the one name of the package itself that anybody may read
                continue
            if LAYERS.get(other, len(LAYERS)) >= LAYERS.get(room, 0):
                offences.append(f"{label(path)}: {room} may not import {name}")
    report(offences)


def test_no_import_cycles() -> None:
    modules = {module_name(path): path for path in SOURCES}
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        top_level = ast.Module(
            body=[node for node in syntax(path).body if isinstance(node, ast.Import | ast.ImportFrom)],
            type_ignores=[],
        )
        wanted = imported_names(path, top_level)
        # `from room import name` needs the submodule if there is one, else the room's own file.
        targets = {name if name in modules else name.rpartition(".")[0] for name in wanted}
        graph[module] = (targets & modules.keys()) - {module, "undertow"}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_modules_stay_small() -> None:
    lengths = {label(path): len(path.read_text().splitlines()) for path in CODE}
    report([f"{name}: {lines} lines" for name, lines in lengths.items() if lines > MODULE_LINES])


def test_functions_stay_small() -> None:
    offences = []
    for path in CODE:
        for function in functions_of(syntax(path)):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            limit = KERNEL_LINES if is_kernel(function) else FUNCTION_LINES
            if lines > limit:
                offences.append(
                    f"{label(path)}:{function.lineno} {function.name}: {lines} lines, limit {limit}"
                )
    report(offences)


def test_kernels_take_few_arguments() -> None:
    offences = [
        f"{label(path)}:{function.lineno} {function.name}: {len(function.args.args)} arguments"
        for path in SOURCES
        for function in functions_of(syntax(path))
        if is_kernel(function) and len(function.args.args) > KERNEL_ARGUMENTS
    ]
    report(offences)


def test_lines_stay_short() -> None:
    offences = [
        f"{label(path)}:{number}: {len(line)} columns"
        for path in CODE
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if len(line) > LINE_COLUMNS
    ]
    report(offences)


def test_nothing_prints() -> None:
    offences = [
        f"{label(path)}:{node.lineno}"
        for path in CODE
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    report(offences)


@pytest.mark.parametrize("folder", ["src", "tests", "benchmarks"])
def test_every_module_opens_with_a_docstring(folder: str) -> None:
    bare = [label(path) for path in python_files(folder) if not ast.get_docstring(syntax(path))]
    report(bare)


def test_public_names_of_the_engine_are_documented() -> None:
    """Every public function and class at a module's top level says what it is."""
    bare = [
        f"{label(path)}:{node.lineno} {node.name}"
        for path in SOURCES
        for node in syntax(path).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
        and not is_overload(node)
    ]
    report(bare)


def is_overload(node: ast.FunctionDef | ast.ClassDef) -> bool:
    """Whether it only states a type of a function that follows."""
    return any(isinstance(one, ast.Name) and one.id == "overload" for one in node.decorator_list)


def venue_names_in(path: Path) -> list[str]:
    """Identifiers and strings of a file, docstrings aside, that name a real venue."""
    tree = syntax(path)
    spared = docstrings_of(tree)
    offences = []
    for node in ast.walk(tree):
        words: list[str | None] = []
        match node:
            case ast.Constant(value=str() as text) if id(node) not in spared:
                words = [text]
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=name):
                words = [name]
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                words = [name]
            case ast.alias(name=name, asname=asname):
                words = [name, asname]
        offences += [
            f"{label(path)}:{getattr(node, 'lineno', 0)}: {word[:60]}"
            for word in words
            if word and VENUE_NAMES.search(word)
        ]
    return offences


def test_code_knows_no_venue() -> None:
    report([offence for path in SOURCES for offence in venue_names_in(path)])


def test_venue_names_are_recognised() -> None:
    for word in ("binance-2025", "ftx_rules", "FTX", "is_hyperliquid", "okx index"):
        assert VENUE_NAMES.search(word), word
    for word in ("bookx", "draftx", "index", "drift", "gate"):
        assert not VENUE_NAMES.search(word), word
