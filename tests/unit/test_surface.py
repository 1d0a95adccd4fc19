"""The public surface, pinned: a name appears or disappears only together with this list."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import undertow

PUBLIC = ["UndertowError", "Venue", "__version__", "compare", "load_case", "load_rulebook", "run"]


def test_the_surface_is_pinned() -> None:
    assert sorted(undertow.__all__) == PUBLIC
    assert sorted(undertow._HOMES) == [name for name in PUBLIC if not name.startswith("_")]


@pytest.mark.parametrize("name", [name for name in PUBLIC if not name.startswith("_")])
def test_public_name_is_importable_and_documented(name: str) -> None:
    value = getattr(undertow, name)
    assert value.__module__.startswith("undertow")
    assert value.__doc__


def test_editors_see_the_real_names() -> None:
    """What is imported for type checkers alone is the public surface, each name from its home."""
    tree = ast.parse(Path(undertow.__file__).read_text())
    guarded = [node for node in tree.body if isinstance(node, ast.If)]
    assert [ast.unparse(node.test) for node in guarded] == ["TYPE_CHECKING", "not TYPE_CHECKING"]
    seen = {}
    for node in guarded[0].body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            same = alias.name == alias.asname
            seen[alias.asname] = f"{node.module}" if same else f"{node.module}:{alias.name}"
    assert seen == undertow._HOMES


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        undertow.nonsense  # noqa: B018


def test_listing_shows_the_surface() -> None:
    assert set(PUBLIC) <= set(dir(undertow))


def test_import_loads_no_compiler(repository: Path) -> None:
    """`import undertow` must stay quick: nothing heavy is loaded until a name is used."""
    code = (
        "import sys, undertow; heavy = {'numba', 'numpy', 'pydantic', 'duckdb', 'bokeh'} & set(sys.modules);"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    environment = {"PYTHONPATH": str(repository / "src")}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    assert (result.returncode, result.stderr) == (0, "")
