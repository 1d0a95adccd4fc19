"""Names of folders that stand side by side are never alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from undertow.lab.labels import differing_settings, told_apart


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["runs/a", "runs/b"], ("a", "b")),
        (["x/runs/a", "y/runs/a", "runs/b"], ("x/runs/a", "y/runs/a", "b")),
        (["runs/a", "runs/a"], ("a (1)", "a (2)")),
        (["runs/a", "runs/a/beside"], ("a", "a/beside")),
        (["runs/a/beside", "runs/b/beside"], ("a/beside", "b/beside")),
    ],
)
def test_columns_are_told_apart(paths: list[str], names: tuple[str, ...]) -> None:
    found = told_apart([Path(path) for path in paths])
    assert found == names and len(set(found)) == len(paths)


def test_what_both_were_run_with_is_left_out() -> None:
    one = {"seed": 1, "rulebook": "x", "settings": {"crowd.a": "1"}}
    other = {"seed": 1, "rulebook": "y", "settings": {}}
    assert differing_settings([one, other]) == {
        "rulebook": ("x", "y"),
        "crowd.a": ("1", "as in the case"),
    }
