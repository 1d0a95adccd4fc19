"""The tape: what goes in comes out, however cut; a killed run is refused; nothing is overwritten."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from undertow.errors import DataError, InputError, InvariantError
from undertow.tape import RunFolder, Tape, TapeWriter, seal
from undertow.tape.schema import TABLES, Stage
from undertow.venue.records import EVENT, FILL, POSTING, EventKind, Origin

LISTED = {
    "instrument": [0, 1],
    "name": ["BTC-PERP", "ETHUSD-INVERSE"],
    "kind": ["linear", "inverse"],
    "class": ["BTC", "ETH"],
    "tick_usd": [0.1, 0.01],
    "lot_coins": [0.001, 0.0],
    "unit": [100, 5_000_000],
    "lots_per_coin": [1000, 1],
    "is_collateral": [False, False],
    "outside_start_ticks": [1_000_000, 400_000],
    "maker_depth": [0, 0],
}


def some_fills(count: int = 1000) -> NDArray[np.void]:
    rng = np.random.default_rng(3)
    rows = np.zeros(count, FILL)
    rows["time"] = np.sort(rng.integers(0, 60_000, count))
    rows["price"] = rng.integers(1, 2**40, count)
    rows["size"] = rng.integers(1, 2**30, count)
    rows["taker"] = rng.integers(0, 2**31 - 1, count)
    rows["side"] = rng.choice([-1, 1], count)
    return rows


def write(folder: Path, chunk: int, part_rows: int = 1 << 20) -> tuple[RunFolder, str]:
    run = RunFolder.create(folder, {"case": "x", "step_seconds": 1})
    writer = TapeWriter(run, part_rows=part_rows)
    rows = some_fills()
    for start in range(0, len(rows), chunk):
        writer.fills(rows[start : start + chunk])
    return run, writer.finish()


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    run, _ = write(tmp_path / "run", 77)
    rows = some_fills()
    columns = Tape(run).fetch("select * from fills")
    assert list(columns) == ["time_ms", *(name for name in FILL.names or () if name != "time")]
    for name, values in columns.items():
        given = rows["time" if name == "time_ms" else name]
        assert values.dtype == given.dtype
        np.testing.assert_array_equal(values, given)


def test_a_held_table_and_a_kept_answer_say_the_same(tmp_path: Path) -> None:
    run, _ = write(tmp_path / "run", 77)
    question = "select price, size from fills order by time_ms, price limit 5"
    with Tape(run) as plain, Tape(run) as held:
        held.hold("fills")
        first = held.rows(question)
        assert first == plain.rows(question)
        first.clear()
        assert held.rows(question) == plain.rows(question)


@pytest.mark.parametrize(("chunk", "part_rows"), [(1, 100), (77, 300), (1000, 10), (999, 1 << 20)])
def test_hash_and_bytes_ignore_the_cut(tmp_path: Path, chunk: int, part_rows: int) -> None:
    whole, expected = write(tmp_path / "whole", 1000)
    run, given = write(tmp_path / "cut", chunk, part_rows)
    assert given == expected == Tape(run).content_hash() == Tape(whole).content_hash()
    assert not (run.path / "parts").exists()
    if part_rows > 1000:  # unmerged: the bytes of the file are the same too
        assert (run.path / "fills.parquet").read_bytes() == (whole.path / "fills.parquet").read_bytes()


def test_hash_sees_one_changed_value(tmp_path: Path) -> None:
    hashes = set()
    for change in (0, 1):
        writer = TapeWriter(RunFolder.create(tmp_path / "run", {}))
        rows = some_fills(10)
        rows["size"][4] += change
        writer.fills(rows)
        hashes.add(writer.finish())
    assert len(hashes) == 2


def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    first, _ = write(tmp_path / "run", 100, part_rows=250)
    second, _ = write(tmp_path / "run", 100, part_rows=250)
    assert first.path.name == "run" and second.path.name == "run-2"
    assert (first.path / "fills.parquet").read_bytes() == (second.path / "fills.parquet").read_bytes()


def test_a_killed_run_is_refused(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", {"case": "x", "step_seconds": 1})
    writer = TapeWriter(run, part_rows=300)
    rows = some_fills()
    for start in range(0, 900, 100):
        writer.fills(rows[start : start + 100])
    # The process ends here: no finish.
    assert run.status == "partial" and list((run.path / "parts").iterdir())
    with pytest.raises(DataError, match=r"run: holds no tape: the run was killed, or is still going; run it"):
        Tape(tmp_path / "run")


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    run, _ = write(tmp_path / "run", 1000)
    assert run.read()["tables"] == ["fills"]
    (run.path / "fills.parquet").unlink()
    with pytest.raises(DataError, match=r"fills\.parquet: missing, and the run recorded it; bring it back"):
        Tape(run)


def test_events_are_numbered_across_flushes(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", {})
    writer = TapeWriter(run)
    for count in (3, 0, 4):
        writer.events(np.zeros(count, EVENT))
    writer.postings(np.zeros(2, POSTING))
    writer.finish()
    tape = Tape(run)
    assert tape.fetch("select sequence from events")["sequence"].tolist() == list(range(7))
    assert tape.tables == ("events", "postings")


def test_waterfall_values_by_kind_of_contract(tmp_path: Path) -> None:
    """Linear: price x lots x unit. Inverse: unit x lots / price, in the coin's smallest unit."""
    run = RunFolder.create(tmp_path / "run", {"step_seconds": 1})
    writer = TapeWriter(run, step_ms=1000)
    writer.instruments(LISTED)
    fills = np.zeros(4, FILL)
    fills["time"] = [500, 500, 1500, 1500]
    fills["price"] = [1_000_000, 1_000_000, 400_000, 400_000]
    fills["size"] = [3, 4, 10, 10]
    fills["instrument"] = [0, 0, 1, 1]
    fills["side"] = -1
    fills["origin"] = [Origin.LIQUIDATION, Origin.LIQUIDATION, Origin.DISPOSAL, Origin.CUSTOMER]
    writer.fills(fills)
    events = np.zeros(2, EVENT)
    events["time"], events["kind"], events["size"] = 2500, [EventKind.ADL_CLOSE, EventKind.HALT_START], 6
    events["price"], events["amount"], events["side"] = 900_000, 11, 1
    writer.events(events)
    writer.finish()
    rows = Tape(run).rows("select step, stage, instrument, lots, notional, count, amount from waterfall")
    assert rows == [
        (0, Stage.ORDERS, 0, 7, 7 * 1_000_000 * 100, 2, 0),
        (1, Stage.DISPOSAL, 1, 10, 5_000_000 * 10 // 400_000, 1, 0),
        (2, Stage.ADL, 0, 6, 6 * 900_000 * 100, 1, 11),
    ]


def test_sums_are_exact_beyond_double_precision(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", {})
    writer = TapeWriter(run)
    rows = np.zeros(3, FILL)
    rows["price"] = [2**60 - 1, 2**60 - 1, 1]
    writer.fills(rows)
    writer.finish()
    assert Tape(run).value("select sum(price) from fills") == 2**61 - 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda w: w.series(np.zeros((2, 15), np.int64)),
            r"series takes rows of 16 columns, was given \(2, 15\)",
        ),
        (lambda w: w.causes(np.array([[0, 70_000, 0, 0]])), r"causes\.settlement: values do not fit int16"),
        (lambda w: w.accounts({"account": [1]}), "accounts was given other columns than it has: adl_lots, "),
        (lambda w: (w.finish(), w.fills(some_fills(1))), "rows for fills after the tape was finished"),
    ],
)
def test_rows_that_do_not_fit_are_refused(tmp_path: Path, call: object, message: str) -> None:
    writer = TapeWriter(RunFolder.create(tmp_path / "run", {}))
    with pytest.raises(InvariantError, match=message):
        call(writer)  # type: ignore[operator]


def test_a_folder_that_is_no_run_is_refused_with_a_hint(tmp_path: Path) -> None:
    write(tmp_path / "crash-1", 1000)
    with pytest.raises(InputError, match=r"crash-2: no such run folder; runs in .*: crash-1$"):
        Tape(tmp_path / "crash-2")
    with pytest.raises(InputError, match=r"not a run folder: it has no run\.json; runs in .*: crash-1$"):
        Tape(tmp_path)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    run, _ = write(tmp_path / "run", 1000)
    (run.path / "fills.parquet").write_bytes(b"PAR1 not really PAR1")
    with pytest.raises(DataError, match=r"fills\.parquet: its bytes are not those that the run wrote; "):
        Tape(run)
    run.update(files={})  # a run that told no hashes
    with pytest.raises(DataError, match=r"run: cannot read fills\.parquet: "):
        Tape(run)
    (run.path / "run.json").write_text("{")
    with pytest.raises(DataError, match=r"run\.json: not valid JSON"):
        run.read()


def test_a_draw_without_its_tape_says_so(tmp_path: Path) -> None:
    run, _ = write(tmp_path / "run", 1000)
    (run.path / "fills.parquet").unlink()
    run.update(tape="dropped")
    with pytest.raises(DataError, match=r"run: its tape was dropped, as it is one draw of several; run its"):
        Tape(run)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "status: is missing; must be 'complete' or 'partial', as a run writes it"),
        ('{"status": "complete", "groups": 3}', "groups: must be a list, is 3"),
        ('{"status": "complete", "settlement": "USDT"}', "settlement: must be an object, is 'USDT'"),
        ('{"status": "complete", "groups": [null]}', r"groups: must be a list of names, is \[None\]"),
        ('{"status": "complete", "below_at_start": 1e300}', "below_at_start: must be an object, is 1e"),
        (
            f'{{"status": "complete", "hashes": "{"x" * 9999}"}}',
            r"hashes: must be an object, is 'x{59}\.\.\.;",
        ),
        ("[]", "must hold one JSON object, holds a list"),
        ("[" * 5000, "not valid JSON: nests too deep to be a record of a run"),
    ],
)
def test_a_record_that_is_none_says_what_is_wrong(tmp_path: Path, content: str, message: str) -> None:
    run, _ = write(tmp_path / "run", 1000)
    (run.path / "run.json").write_text(content)
    with pytest.raises(DataError, match=rf"run\.json: {message}"):
        Tape(run)


def test_run_json_carries_the_record_and_changes_whole(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "deep" / "run", {"case": "x", "seed": 3})
    assert run.read() == {"case": "x", "seed": 3, "status": "partial"}
    run.update(status="complete", steps_done=7)
    assert run.status == "complete"
    assert run.read()["steps_done"] == 7
    assert sorted(path.name for path in run.path.iterdir()) == ["run.json"]


FOLDERS = (
    "x*",
    "a?b",
    "[ab]",
    "it's",
    'quo"te',
    "two words",
    "größe",
    "~",
    "{a,b}",
    "day=1",
    "per%cent",
    "#1",
)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_run_reads_itself_and_no_neighbour(name: str, tmp_path: Path) -> None:
    """Whatever its folder is called; every neighbour's name is one that the name would match as a pattern."""
    for neighbour in ("x1", "xy", "aab", "a", "b", "day=2"):
        write(tmp_path / neighbour, 1000)
    run, _ = write(tmp_path / name, 1000)
    spilled, _ = write(tmp_path / "parts" / name, 7, part_rows=100)
    assert spilled.path.name == run.path.name == name
    with Tape(run) as tape, Tape(spilled) as again, Tape(tmp_path / "x1") as neighbour_tape:
        for table in tape.tables:
            columns = [row[0] for row in tape.rows(f"describe select * from {table}")]
            assert columns == list(TABLES[table])
            rows = tape.value(f"select count(*) from {table}")
            assert rows == again.value(f"select count(*) from {table}")
            assert rows == neighbour_tape.value(f"select count(*) from {table}")
        assert tape.content_hash() == again.content_hash() == neighbour_tape.content_hash()


def test_flipped_bytes_are_named_and_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERTOW_CACHE_DIR", str(tmp_path / "cache"))
    run, _ = write(tmp_path / "run", 1000)
    file = run.path / "fills.parquet"
    sealed = run.read()["files"]
    assert set(sealed) == {path.name for path in run.path.glob("*.parquet")}
    hashed: list[str] = []
    plain = seal._digest

    def counted(path: Path) -> str:
        hashed.append(path.name)
        return plain(path)

    monkeypatch.setattr(seal, "_digest", counted)
    Tape(run).close()
    assert sorted(hashed) == sorted(sealed)
    Tape(run).close()
    assert sorted(hashed) == sorted(sealed)  # remembered
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"run/fills\.parquet: its bytes are not those that the run wrote"):
        Tape(run)
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    Tape(run).close()
    assert hashed.count("fills.parquet") == 3


def test_without_a_folder_to_remember_in_every_opening_hashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = write(tmp_path / "run", 1000)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)  # others can write it, so nothing is believed that stands there
    monkeypatch.setenv("UNDERTOW_CACHE_DIR", str(tmp_path / "cache"))
    Tape(run).close()
    assert list((tmp_path / "cache").iterdir()) == []
