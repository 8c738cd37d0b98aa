"""Claims about what goes into a comparison and comes out of it: files, order, lines, room on the disk."""

import json
import sys
import tempfile
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.analysis import diff_query
from scanner.analysis.change_schema import change_schema
from scanner.analysis.changes import ChangeKind, encode_change
from scanner.analysis.diff import compare
from scanner.analysis.history import Observation, target_key, target_of
from scanner.errors import InputError, LocalError
from scanner.record import encode
from scanner.record.schema_terms import schema_text
from tests.support.command_line import ROOT
from tests.support.records import record_of
from tests.support.sweeps import (
    HIDDEN,
    SENDMAIL_HOST,
    TUESDAY,
    VALIDATOR,
    A,
    compared,
    dialogue,
    finished,
    later,
    visit,
    write,
)


@pytest.fixture(scope="module", autouse=True)
def duckdb_in_a_module_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Whatever a comparison puts aside is looked for here."""
    folder = tmp_path_factory.mktemp("aside")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        yield folder
    assert list(folder.iterdir()) == []


def test_records_without_address_or_port_are_left_out_and_said(tmp_path: Path) -> None:
    changes, comparison = finished(tmp_path, [SENDMAIL_HOST._replace(ip=None), SENDMAIL_HOST._replace(port=None)], [])
    assert changes == []
    assert comparison.counts.compared == 0
    assert comparison.warnings == [f"{tmp_path / 'monday.jsonl'}: 2 records without address or port were left out"]


def test_changes_come_by_address_ipv4_first_and_mapped_addresses_are_ipv4(tmp_path: Path) -> None:
    addresses = ["2001:db8::10", "192.0.2.100", "::1", "192.0.2.20", "2001:db8::9", "10.0.0.1", "::ffff:192.0.2.3"]
    before = [visit(ip, "Sendmail", "8.14.7", port=port) for ip in addresses for port in (587, 25)]
    after = [visit(ip, scan=TUESDAY, port=port) for ip in [*addresses[:-1], "192.0.2.3"] for port in (25, 587)]
    changes = compared(tmp_path, before, after)
    in_order = ["10.0.0.1", "192.0.2.3", "192.0.2.20", "192.0.2.100", "::1", "2001:db8::9", "2001:db8::10"]
    assert [(change.ip, change.port) for change in changes] == [(ip, port) for ip in in_order for port in (25, 587)]


@given(ip=st.ip_addresses(), other=st.ip_addresses(), port=st.integers(1, 65535), other_port=st.integers(1, 65535))
def test_keys_sort_like_addresses_and_ports_and_give_them_back(ip: Any, other: Any, port: int, other_port: int) -> None:
    def number(address: Any) -> tuple[int, int]:
        plain = getattr(address, "ipv4_mapped", None) or address
        return plain.version, int(plain)

    key, other_key = target_key(str(ip), port), target_key(str(other), other_port)
    assert (key < other_key) == ((number(ip), port) < (number(other), other_port))
    assert (number(ip_address(target_of(key)[0])), target_of(key)[1]) == (number(ip), port)


def test_equal_texts_of_an_address_are_one_target() -> None:
    texts = ["2001:db8::1", "2001:DB8:0:0::1", IPv6Address("2001:db8::1").exploded]
    assert {target_key(text, 25) for text in texts} == {target_key("2001:db8::1", 25)}
    assert target_of(target_key("::ffff:c000:201", 25)) == ("192.0.2.1", 25)


@pytest.mark.parametrize(
    "changes",
    [
        {"ip": "192.0.2.256"},
        {"ip": "\x1b[2Jmail.example.com"},
        {"ip": "fe80::1%eth0"},
        {"ip": 5},
        {"port": 0},
        {"port": 65536},
        {"port": True},
        {"port": "25"},
        {"event_id": 7},
        {"scan_id": None},
        {"error": 5, "status": "unreachable"},
        {"observed_at": "9999-12-31T23:59:59.999-23:59"},
        {"disclosure": [[]], "software": json.loads(encode(SENDMAIL_HOST))["software"]},
        {"software": json.loads(encode(SENDMAIL_HOST))["software"] | {"confidence": "high"}},
    ],
)
def test_a_record_that_no_sweep_writes_is_an_error_with_file_and_line(tmp_path: Path, changes: dict[str, Any]) -> None:
    write(tmp_path / "before", [SENDMAIL_HOST])
    bad = json.dumps(json.loads(encode(SENDMAIL_HOST)) | changes)
    (tmp_path / "after").write_text(f"\n{encode(SENDMAIL_HOST).decode()}{bad}\n")
    with (
        pytest.raises(InputError, match=f"^{tmp_path / 'after'}:3: ") as caught,
        compare(tmp_path / "before", tmp_path / "after"),
    ):
        pytest.fail("was compared")
    assert str(caught.value).isprintable()


def test_text_of_another_type_in_a_hand_made_file_does_no_harm(tmp_path: Path) -> None:
    document = json.loads(encode(SENDMAIL_HOST))
    document["software"] |= {"product": ["Sendmail"], "version": {"a": 1}}
    document["host"] = 5
    (tmp_path / "before").write_text(json.dumps(document) + "\n")
    write(tmp_path / "after", [SENDMAIL_HOST])
    with compare(tmp_path / "before", tmp_path / "after") as comparison:
        (change,) = comparison.changes()
    assert (change.kind, change.before and change.before.product) == (ChangeKind.SOFTWARE_REPLACED, ("['Sendmail']",))
    VALIDATOR.validate(json.loads(encode_change(change)))


def test_a_damaged_file_is_an_error_before_the_first_change(tmp_path: Path) -> None:
    write(tmp_path / "before", [SENDMAIL_HOST])
    (tmp_path / "after").write_bytes(encode(later(HIDDEN)) + b"{")
    with (
        pytest.raises(InputError, match=r"after:2: the line is cut"),
        compare(tmp_path / "before", tmp_path / "after"),
    ):
        pytest.fail("was compared")


def test_standard_input_can_be_one_of_the_files_only() -> None:
    with pytest.raises(InputError, match="can be read only once"), compare("-", "-"):
        pytest.fail("was compared")


def test_a_change_is_one_line_of_the_published_schema_with_hostile_text_as_it_is(tmp_path: Path) -> None:
    hostile = "<script>\x1b[2J]]>=cmd|' /C calc'!A0${jndi:ldap://x}\u2028`::error::`\n{{ 1 }}"
    (change,) = compared(tmp_path, [SENDMAIL_HOST], [later(visit(A, hostile, hostile, host="mail.example.com"))])
    line = encode_change(change)
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert line.endswith(b"\n")
    document = json.loads(line)
    assert (document["kind"], document["after"]["product"], document["host"]) == (
        "software_replaced",
        [hostile],
        "mail.example.com",
    )
    assert document["at"] == document["after"]["observed_at"] == "2026-11-22T10:16:56.123Z"
    assert document["before"]["event_id"] == SENDMAIL_HOST.event_id


def test_the_published_schema_is_the_programs_and_closed() -> None:
    assert (ROOT / "docs" / "change.schema.json").read_bytes() == schema_text(change_schema())
    assert not VALIDATOR.is_valid({"schema": "smtpsweep.change/1", "kind": "gone"})


def test_no_room_for_the_sorting_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    many = (visit(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", "x" * 200, str(n)) for n in range(20_000))
    with pytest.raises(LocalError, match=r"^the comparison failed in DuckDB: Out of Memory Error") as caught:
        compared(tmp_path, many, [], memory_limit="1MB")
    assert str(caught.value).isprintable()


def test_a_folder_for_temporary_files_that_is_not_there_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent/smtpsweep-diff-folder")
    with pytest.raises(LocalError, match=r"no room to compare .*; set TMPDIR"), diff_query.observation_table():
        pytest.fail("was opened")


def test_an_error_of_somebody_else_goes_through_unchanged() -> None:
    with pytest.raises(BrokenPipeError), diff_query.observation_table():
        raise BrokenPipeError


def test_without_duckdb_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(InputError, match=r"^comparing needs DuckDB.*: pip install 'smtpsweep\[analysis\]'$"):
        diff_query.observation_table().__enter__()


def test_duckdb_gets_a_limit_its_own_folder_and_nothing_from_outside(
    monkeypatch: pytest.MonkeyPatch, duckdb_in_a_module_folder: Path
) -> None:
    asked: list[Any] = []
    connections: list[Any] = []
    connect = duckdb.connect

    def spy(database: str, config: dict[str, Any]) -> Any:
        asked.append((database, config))
        connections.append(connect(database, config=config))
        return connections[0]

    monkeypatch.setattr(duckdb, "connect", spy)
    with diff_query.observation_table("64MB"):
        ((database, config),) = asked
        assert Path(database).parent.parent == duckdb_in_a_module_folder
        assert Path(database).parent.stat().st_mode & 0o077 == 0
        limit = connections[0].execute("SELECT current_setting('memory_limit')").fetchall()
        assert limit == [("61.0 MiB",)]
    assert (config["autoinstall_known_extensions"], config["autoload_known_extensions"]) == (False, False)
    assert not Path(database).parent.exists()


def test_a_look_comes_back_from_its_text_as_it_was() -> None:
    for record in (SENDMAIL_HOST, HIDDEN, record_of(), visit(A, dialogue=dialogue("a"), host="h")):
        observation = Observation.of(record)
        assert Observation.unpacked(observation.packed()) == observation


def test_records_without_a_time_are_compared_like_any_others(tmp_path: Path) -> None:
    """An imported banner may have no time."""
    (change,) = compared(
        tmp_path, [SENDMAIL_HOST._replace(observed_at=None)], [later(HIDDEN)._replace(observed_at=None)]
    )
    assert (change.kind, change.at) == (ChangeKind.NOW_HIDDEN, None)


def test_rows_come_by_target_then_sweep_then_visit_then_line_whatever_their_order_was() -> None:
    rows = [
        diff_query.ObservationRow(target, side, event, line, f"{target}{side}{event}{line}")
        for line in (11, 2, 100)
        for event in ("b", "a")
        for side in (1, 0)
        for target in ("6", "4")
    ]
    with diff_query.observation_table() as table:
        for row in rows:
            table.add(row)
        found = list(table.in_order())
    assert found == [(row.target, row.side, row.event, row.observation) for row in sorted(rows)]
