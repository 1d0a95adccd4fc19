"""The folder of what can be made again: the one named, the user's own, or a temporary one of his alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from undertow import _cache
from undertow.errors import InputError


@pytest.fixture
def homeless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user whose home cannot be written; returns the folder of temporary files."""
    blocked, temporary = tmp_path / "home", tmp_path / "temporary"
    blocked.write_text("")  # a file: not even the superuser can make a folder in it
    temporary.mkdir()
    monkeypatch.delenv(_cache.PLACE, raising=False)
    monkeypatch.setenv("HOME", str(blocked))
    monkeypatch.setattr(_cache, "gettempdir", lambda: str(temporary))
    return temporary


def test_a_home_that_can_be_written_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(_cache.PLACE, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert _cache.cache_root() == tmp_path / ".cache/undertow"


def test_a_user_without_one_has_a_temporary_folder(homeless: Path) -> None:
    folder = _cache.cache_root()
    assert folder == _cache.cache_root()  # the next run finds what this one compiled
    assert folder.parent == homeless
    assert folder.stat().st_mode & 0o777 == 0o700


def test_code_is_read_from_no_folder_that_others_can_write(homeless: Path) -> None:
    folder = _cache.cache_root()
    folder.chmod(0o777)
    with pytest.raises(InputError, match=r"others can write it.*set UNDERTOW_CACHE_DIR to a folder"):
        _cache.cache_root()
    folder.rmdir()
    folder.symlink_to(homeless)
    with pytest.raises(InputError, match="others can write it"):
        _cache.cache_root()


def test_without_any_folder_the_message_says_what_to_set(homeless: Path) -> None:
    homeless.rmdir()
    with pytest.raises(InputError) as error:
        _cache.cache_root()
    assert str(error.value) == (
        "no folder for compiled kernels can be written; set UNDERTOW_CACHE_DIR to a folder that you can write"
    )


def test_a_named_folder_that_cannot_be_written_is_one_message(tmp_path: Path, repository: Path) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("")
    program = "import sys; from undertow.views.cli import main; sys.exit(main(['warmup']))"
    environment = {**os.environ, "PYTHONPATH": str(repository / "src"), _cache.PLACE: str(blocked)}
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment
    )
    assert (result.returncode, result.stderr) == (
        2,
        f"undertow: {blocked}: cannot be written; set UNDERTOW_CACHE_DIR to a folder that you can write\n",
    )


@pytest.mark.parametrize(
    ("switch", "value"), [("BOUNDSCHECK", "1"), ("OPT", "0"), ("DEBUGINFO", "1"), ("SLP_VECTORIZE", "1")]
)
def test_a_switch_that_changes_code_has_a_folder_of_its_own(
    switch: str, value: str, repository: Path
) -> None:
    def folder(**switches: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(repository / "src"), **switches}
        program = "from undertow._jit import cache_folder; import sys; sys.stdout.write(str(cache_folder()))"
        command = [sys.executable, "-c", program]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout

    assert folder() == folder()
    assert folder(**{f"NUMBA_{switch}": value}) not in ("", folder())
