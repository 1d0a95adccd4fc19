"""Compiled kernels against their own source run as plain Python: the same stream, the same bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.stream import SEED, STEPS, hashes
from undertow._plain import Numbers, Record, Word, plain_zeros, word
from undertow.rulebook.load import preset_names


@pytest.fixture(scope="module")
def plain(repository: Path) -> dict[str, list[str]]:
    """What a process without a compiler finds."""
    path = os.pathsep.join([str(repository / "src"), str(repository / "tests")])
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": path}
    command = [sys.executable, "-W", "ignore", str(repository / "tests" / "support" / "stream.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("preset", preset_names())
def test_a_stream_leads_to_the_same_state(plain: dict[str, list[str]], preset: str) -> None:
    compiled = hashes(preset, SEED)
    assert compiled == plain[preset]
    assert len(set(compiled)) == STEPS + 1
    assert compiled[-1] != "0 liquidations"


INTEGERS = st.integers(-(1 << 63), (1 << 63) - 1)


@given(INTEGERS, INTEGERS, st.integers(0, 63))
def test_plain_integers_wrap_like_int64(left: int, right: int, shift: int) -> None:
    def low(value: int) -> int:
        return (value + (1 << 63)) % (1 << 64) - (1 << 63)

    one, other = Word(left), Word(right)
    assert one + right == left + other == low(left + right)
    assert one - right == left - other == low(left - right)
    assert one * right == left * other == low(left * right)
    assert (one << shift, one >> shift) == (low(left << shift), left >> shift)
    assert (one & other, one | other, one ^ other, ~one) == (left & right, left | right, left ^ right, ~left)
    assert (-one, abs(one)) == (low(-left), low(abs(left)))
    assert one // other == (low(left // right) if right else 0)
    assert {type(value) for value in (one + 1, 1 + one, -one, one >> 1, 5 // one)} == {Word}
    assert word(left + (1 << 64)) == left


@given(INTEGERS)
def test_plain_zero_bits(value: int) -> None:
    bits = f"{value % (1 << 64):064b}"
    assert plain_zeros(True)(value) == len(bits) - len(bits.lstrip("0"))
    assert plain_zeros(False)(value) == len(bits) - len(bits.rstrip("0"))


def test_plain_records_keep_what_their_fields_have_room_for() -> None:
    array = np.zeros(2, [("small", np.int8), ("share", np.float64), ("pair", np.int64, (2,))])
    record = Record(array, 1)
    record.small = 130
    record.share = 0.5
    record.pair[1] = (1 << 63) + 4
    assert (record.small, record["share"], int(array["small"][1])) == (-126, 0.5, -126)
    assert list(record.pair) == [0, 4 - (1 << 63)]
    assert isinstance(Numbers(np.arange(4))[1:3][0], Word)
