"""README.md: its Python example does what it says, its exit codes are those of the program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from undertow.views import cli


@pytest.fixture
def page(repository: Path) -> str:
    return (repository / "README.md").read_text()


def test_the_example_sells_alice_out(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(block, "README.md", "exec"), {})
    said = capsys.readouterr().out.strip()
    assert said == "47600.0 ()"
    assert f"# {said}: alice was sold out" in block


def test_the_exit_codes_are_all_there(page: str) -> None:
    (row,) = re.findall(r"^\| Exit codes \| (.*) \|$", page, re.MULTILINE)
    codes = [int(part.split()[0]) for part in re.split(r", (?=\d)", row)]
    assert codes == [cli.OK, cli.INCOMPLETE, cli.BAD_INPUT, cli.BROKEN, cli.INTERRUPTED]
