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
    with pytest.raises(InputError, match=r"others can write it.*UNDERTOW_CACHE_DIR to a folder that only"):
        _cache.cache_root()
    folder.rmdir()
    folder.symlink_to(homeless)
    with pytest.raises(InputError, match=r"is no folder of its own.*set UNDERTOW_CACHE_DIR"):
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


def folder_under(repository: Path, **switches: str) -> str:
    """The folder that a process with these switches names."""
    environment = {**os.environ, "PYTHONPATH": str(repository / "src"), **switches}
    program = "from undertow._jit import cache_folder; import sys; sys.stdout.write(str(cache_folder()))"
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


@pytest.fixture(scope="module")
def usual(repository: Path) -> str:
    return folder_under(repository)


def test_every_process_names_the_same_folder(usual: str, repository: Path) -> None:
    assert folder_under(repository) == usual


@pytest.mark.parametrize(
    ("switch", "value"), [("BOUNDSCHECK", "1"), ("OPT", "0"), ("DEBUGINFO", "1"), ("SLP_VECTORIZE", "1")]
)
def test_a_switch_that_changes_code_has_a_folder_of_its_own(
    switch: str, value: str, usual: str, repository: Path
) -> None:
    assert folder_under(repository, **{f"NUMBA_{switch}": value}) not in ("", usual)


MODES = {
    "others may write the folder": (0o707, "", "others can write it"),
    "others may write what it lies in": (0o700, "parent", "others can write it"),
    "nobody else may write": (0o755, "", ""),
    "a folder like /tmp lies above": (0o700, "sticky", ""),
}


@pytest.mark.parametrize("name", MODES)
def test_a_named_folder_is_looked_at_with_all_that_it_lies_in(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mode, above, wrong = MODES[name]
    parent = tmp_path / "above"
    folder = parent / "cache"
    folder.mkdir(parents=True)
    folder.chmod(mode)
    parent.chmod({"": 0o755, "parent": 0o777, "sticky": 0o1777}[above])
    monkeypatch.setenv(_cache.PLACE, str(folder))
    if not wrong:
        assert _cache.cache_root() == folder
        return
    with pytest.raises(InputError, match=rf"{wrong}, so no compiled kernels are read .*chmod go-w"):
        _cache.cache_root()


def test_a_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is asked, a stranger's folder holds a stranger's programs."""
    monkeypatch.setattr(_cache.os, "getuid", lambda: 12_345)
    monkeypatch.setattr(_cache, "SUPERUSER", 54_321)
    monkeypatch.setenv(_cache.PLACE, str(tmp_path))
    with pytest.raises(InputError, match="belongs to another user"):
        _cache.cache_root()
    with pytest.raises(InputError, match="belongs to another user"):
        _cache.make_private(tmp_path / "kernels")


def test_a_kernel_of_another_user_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kernel.nbi").write_text("")
    monkeypatch.setattr(_cache, "_trusted", lambda folder: folder)
    monkeypatch.setattr(_cache.os, "getuid", lambda: 12_345)
    monkeypatch.setattr(_cache, "SUPERUSER", 54_321)
    with pytest.raises(InputError, match=r"kernel\.nbi: belongs to another user, so it is not run; remove "):
        _cache.make_private(tmp_path)


PROGRAM = """
import numba, numpy as np
from undertow._jit import kernel
from undertow.units import mul_ppm_floor
print(mul_ppm_floor(3_000_000, 500_000))
"""


def run_program(repository: Path, folder: Path) -> tuple[str, str]:
    environment = {**os.environ, "PYTHONPATH": str(repository / "src"), _cache.PLACE: str(folder)}
    environment.pop("NUMBA_DISABLE_JIT", None)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=environment
    )
    return done.stdout, done.stderr


def test_a_damaged_cache_says_so_and_mends_itself(tmp_path: Path, repository: Path) -> None:
    assert run_program(repository, tmp_path) == ("1500000\n", "")
    files = [file for file in tmp_path.rglob("*.nb?") if file.stat().st_size]
    assert {file.suffix for file in files} == {".nbi", ".nbc"}
    for suffix in (".nbi", ".nbc"):
        for file in (file for file in tmp_path.rglob(f"*{suffix}")):
            content = bytearray(file.read_bytes())
            content[len(content) // 2] ^= 0x20
            file.write_bytes(content)
        answer, said = run_program(repository, tmp_path)
        assert answer == "1500000\n"
        assert said.count("\n") == 1 and str(tmp_path) in said
        assert "compiled kernels were damaged and are compiled again" in said
        assert run_program(repository, tmp_path) == ("1500000\n", "")
