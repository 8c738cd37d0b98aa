"""Claims about `scanner.delivery.receivers.postgresql` without a server: URLs, and what its errors mean."""

import logging
from pathlib import Path

import psycopg
import psycopg.errors
import pytest

from scanner.delivery.receivers import postgresql
from scanner.delivery.receivers.postgresql import (
    COLUMNS,
    KIND,
    PostgresqlOptions,
    PostgresqlReceiver,
    meaning_of,
    row_of,
    table_names,
    tls_parameters,
)
from scanner.delivery.receivers.receiver import AccessDeniedError, BatchRefusedError, TryLaterError
from scanner.delivery.receivers.urls import SinkUrl
from scanner.delivery.redaction import Redaction
from scanner.errors import InputError
from scanner.formats import Event
from tests.support.certificates import make_certificate
from tests.support.sink_receivers import receiver_of

WHERE = "postgresql://user@127.0.0.1:5432/mail"


def receiver(url: str) -> PostgresqlReceiver:
    return receiver_of(url, PostgresqlReceiver)


def sink_url(text: str) -> SinkUrl[PostgresqlOptions]:
    return SinkUrl(text, KIND)


@pytest.mark.parametrize("path", ["", "/", "//", "/a/b", "/%00", "/a%0a"])
def test_the_path_must_name_a_database(path: str) -> None:
    with pytest.raises(InputError, match="the path must name a database"):
        receiver(f"postgresql://127.0.0.1{path}")


@pytest.mark.parametrize("table", ["", "a.b.c", ".a", "a.", "a%00", "a%0ab", "x" * 64, "%C3%A4" * 32])
def test_a_table_that_cannot_exist_is_refused(table: str) -> None:
    with pytest.raises(InputError, match=r"table=.*must be NAME or SCHEMA\.NAME"):
        receiver(f"{WHERE}?table={table}")


def test_a_hostile_table_name_is_one_quoted_name() -> None:
    names = table_names(sink_url(f"{WHERE}?table=a%22;%20DROP%20TABLE%20b;%20--"))
    assert psycopg.sql.Identifier(*names).as_string() == '"a""; DROP TABLE b; --"'
    assert table_names(sink_url(f"{WHERE}?table=siem.mail")) == ["siem", "mail"]


def test_other_formats_than_native_are_refused() -> None:
    with pytest.raises(InputError, match="format='ecs': must be one of native"):
        receiver(f"{WHERE}?format=ecs")


def test_a_password_in_the_url_is_refused_and_not_shown() -> None:
    with pytest.raises(InputError, match="a password must not stand in a URL") as caught:
        receiver("postgresql://user:s3cret@127.0.0.1/mail")
    assert "s3cret" not in str(caught.value)


def test_without_psycopg_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs psycopg: pip install 'smtpsweep\[postgresql\]'"):
        receiver(WHERE)


def test_tls_is_checked_in_full_unless_told_otherwise(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "ca.pem").write_bytes(make_certificate("127.0.0.1")[0])
    checked = tls_parameters(sink_url(f"postgresql+tls://127.0.0.1/mail?ca_file={tmp_path / 'ca.pem'}"))
    assert checked == {"sslmode": "verify-full", "sslrootcert": str(tmp_path / "ca.pem")}
    assert not caplog.records

    with caplog.at_level(logging.WARNING):
        unchecked = tls_parameters(sink_url("postgresql+tls://127.0.0.1/mail?verify=no"))
    assert unchecked == {"sslmode": "require", "sslrootcert": ""}
    assert "verify=no" in caplog.text


def test_mutual_tls_hands_over_certificate_and_key(tmp_path: Path) -> None:
    certificate, key = make_certificate("127.0.0.1")
    (tmp_path / "both.pem").write_bytes(certificate + key)
    (tmp_path / "ca.pem").write_bytes(certificate)
    files = f"ca_file={tmp_path / 'ca.pem'}&cert_file={tmp_path / 'both.pem'}"
    parameters = tls_parameters(sink_url(f"postgresql+tls://127.0.0.1/mail?{files}"))
    assert parameters["sslcert"] == parameters["sslkey"] == str(tmp_path / "both.pem")


def test_tls_without_any_trusted_certificates_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(postgresql, "_SYSTEM_CERTIFICATES", (str(tmp_path / "none"),))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    with pytest.raises(InputError, match="name one with ca_file="):
        receiver("postgresql+tls://127.0.0.1/mail")
    monkeypatch.setattr(postgresql, "_SYSTEM_CERTIFICATES", (str(tmp_path / "none"), str(tmp_path)))
    assert tls_parameters(sink_url("postgresql+tls://127.0.0.1/mail"))["sslrootcert"] == str(tmp_path)


def test_plain_text_to_another_machine_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    receiver(WHERE)
    assert not caplog.records
    receiver("postgresql://192.0.2.1/mail")
    assert "without TLS" in caplog.text


def test_a_row_has_what_is_picked_and_the_whole_record() -> None:
    body = (
        b'{"event_id":"x","ip":"192.0.2.1","port":25,"software":{"product":"Exim","version":"4.97"},"status":"ready"}'
    )
    row = dict(zip(COLUMNS, row_of(Event("id", "192.0.2.1 25", None, 6, body)), strict=True))
    assert row == {
        "event_id": "id", "scan_id": None, "observed_at": None, "ip": "192.0.2.1", "port": 25, "host": None,
        "status": "ready", "product": "Exim", "version": "4.97", "record": body.decode(),
    }  # fmt: skip


def meaning(error: BaseException) -> Exception:
    return meaning_of(error, Redaction())


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("22P05", BatchRefusedError),  # untranslatable character: \u0000 in jsonb
        ("22P02", BatchRefusedError),  # invalid text representation
        ("23514", BatchRefusedError),  # check violation
        ("54000", BatchRefusedError),  # an index entry that is too long
        ("28P01", AccessDeniedError),
        ("42501", AccessDeniedError),
        ("42P01", AccessDeniedError),
        ("42P10", AccessDeniedError),
        ("42703", AccessDeniedError),
        ("3D000", AccessDeniedError),
        ("3F000", AccessDeniedError),
        ("08006", TryLaterError),
        ("25006", TryLaterError),  # a standby
        ("40001", TryLaterError),
        ("40P01", TryLaterError),
        ("53100", TryLaterError),  # disk full
        ("53300", TryLaterError),
        ("55P03", TryLaterError),
        ("42P07", TryLaterError),  # made by somebody else at the same time
        ("57P01", TryLaterError),  # admin shutdown
        ("57P03", TryLaterError),
        ("57014", TryLaterError),
        ("XX000", TryLaterError),
    ],
)
def test_an_sqlstate_says_what_becomes_of_the_batch(error: str, kind: type[Exception]) -> None:
    said = meaning(psycopg.errors.lookup(error)("what it said"))
    assert type(said) is kind
    assert error in str(said)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('FATAL:  password authentication failed for user "x"', AccessDeniedError),
        ("fe_sendauth: no password supplied", AccessDeniedError),
        ('FATAL:  no pg_hba.conf entry for host "127.0.0.1"', AccessDeniedError),
        ('FATAL:  database "x" does not exist', AccessDeniedError),
        ('FATAL:  role "x" is not permitted to log in', AccessDeniedError),
        ("server does not support SSL, but SSL was required", AccessDeniedError),
        ("SSL error: certificate verify failed", AccessDeniedError),
        ("Connection refused", TryLaterError),
        ("FATAL:  the database system is starting up", TryLaterError),
        ("FATAL:  sorry, too many clients already", TryLaterError),
        ("server closed the connection unexpectedly", TryLaterError),
    ],
)
def test_a_connection_that_failed_is_judged_by_its_text(text: str, kind: type[Exception]) -> None:
    assert type(meaning(psycopg.OperationalError(f"connection failed: {text}"))) is kind


def test_what_the_library_cannot_encode_is_the_records_fault_and_a_time_out_is_not() -> None:
    nul = psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    assert isinstance(meaning(nul), BatchRefusedError)
    assert isinstance(meaning(TimeoutError()), TryLaterError)


def test_messages_are_one_printable_line() -> None:
    text = str(meaning(psycopg.OperationalError("a\nb \x1b[31m" + "c" * 1000)))
    assert text.isprintable()
    assert text.startswith("'OperationalError: a b ")
    assert len(text) < 450
