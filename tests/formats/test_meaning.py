"""What formats conclude from a record: suspicions, weaknesses, outcomes, sentences, severities."""

import json
from hashlib import sha256
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.formats.banner import banner_bytes, banner_sha256
from scanner.formats.certificate import ecs_tls, maybe_ocsf_certificate, maybe_ocsf_tls
from scanner.formats.outcome import OUTCOMES, Result, sentence
from scanner.formats.severity import severity_of_finding, worst
from scanner.formats.suspicion import Suspicion, suspicions
from scanner.formats.weaknesses import weaknesses_of
from scanner.model import Dialogue, Exchange, Names, Status, Tls
from tests.receivers import hostile
from tests.support.formats_corpus import CERTIFICATE, Line, dialogue_of, line_of, record_of, records

if TYPE_CHECKING:
    from scanner.record.document import FindingDocument

CORPUS = records()
S = Suspicion


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("plain", ()),
        ("version", ()),
        ("ansi_colour", (S.ANSI,)),
        ("ansi_title", (S.ANSI, S.CONTROL)),
        ("c1_csi", (S.C1,)),
        ("csv_formula", (S.FORMULA,)),
        ("csv_plus", (S.FORMULA,)),
        ("csv_minus", (S.FORMULA,)),
        ("csv_at", (S.FORMULA,)),
        ("csv_full_width", (S.FORMULA,)),
        ("html_script", (S.MARKUP,)),
        ("html_entity", (S.MARKUP,)),
        ("xml_cdata_end", (S.MARKUP,)),
        ("jndi", (S.JNDI,)),
        ("jndi_nested", (S.JNDI,)),
        ("line_separator", (S.SEPARATOR,)),
        ("next_line", (S.SEPARATOR,)),
        ("file_separator", (S.SEPARATOR, S.CONTROL)),
        ("bidi", (S.BIDI,)),
        ("zero_width", (S.INVISIBLE,)),
        ("nul", (S.CONTROL,)),
        ("latin_1", ()),
        ("utf_8", ()),
        ("cef_field", (S.FORGED_LOG,)),
        ("cef_header", ()),
        ("leef_tab", (S.FORGED_LOG,)),
        ("leef_header", (S.FORGED_LOG,)),
        ("syslog_header", (S.FORGED_LOG,)),
        ("percent", ()),
        ("long_word", (S.OVERSIZE,)),
        ("lf_inside", (S.FORGED_LOG,)),
        ("too_long", (S.OVERSIZE,)),
        ("dialogue_jndi", (S.JNDI,)),
        ("dialogue_csv_formula", (S.FORMULA,)),
        ("dialogue_bidi", (S.BIDI,)),
        ("postfix", ()),
        ("tls", ()),
    ],
)
def test_words_that_are_meant_for_readers_of_logs_are_named(name: str, found: tuple[Suspicion, ...]) -> None:
    assert suspicions(*CORPUS[name]) == found


@pytest.mark.parametrize(
    "raw",
    [
        b"220 mail.example.com ESMTP <12345.678@mail.example.com>\r\n",
        b"220 ----- Welcome -----\r\n",
        b"220-mail.example.com ESMTP\r\n220-No spam here\r\n220 end\r\n",
        b"220 mail.example.com\tESMTP\r\n",
        "220 Schöne Grüße, 你好 😀\r\n".encode(),
        b"220 a < b && c > d\r\n",
    ],
)
def test_honest_greetings_are_not_suspicious(raw: bytes) -> None:
    assert suspicions(*line_of(record_of(raw))) == ()


@pytest.mark.parametrize("place", ["reply", "tls_extension", "subject", "injected", "reverse_name"])
def test_suspicious_words_are_found_wherever_a_server_says_them(place: str) -> None:
    bad = "\\x1b[31m"
    certificate = CERTIFICATE._replace(subject=bad if place == "subject" else "CN=x")
    dialogue = Dialogue(
        exchanges=(Exchange("EHLO x", 250, (bad if place == "reply" else "x",), 0.1),),
        tls_extensions=(bad if place == "tls_extension" else "x",),
        tls=Tls("TLSv1.3", "X", (certificate,), injected=bad if place == "injected" else None),
    )
    names = Names("x", (bad if place == "reverse_name" else "x",))

    assert suspicions(*line_of(record_of(b"220 ok\r\n", dialogue=dialogue, names=names))) == (Suspicion.ANSI,)


def test_a_text_that_is_not_escaped_is_looked_at_as_it_is() -> None:
    record, line = line_of(record_of(b"220 ok\r\n", names=Names("x", ("\\xzz ${x}",))))

    assert suspicions(record, line) == (Suspicion.JNDI,)


def test_every_suspicion_has_a_meaning() -> None:
    assert all(each.meaning for each in Suspicion)
    assert [each.value for each in Suspicion][:2] == ["ansi", "c1"]


def weak(line: Line) -> dict[str, str | None]:
    return {each.id: each.evidence for each in weaknesses_of(line.record)}


def test_a_version_that_is_shown_is_a_weakness_with_its_places() -> None:
    assert weak(CORPUS["tls"])["VERSION-DISCLOSED"] == "version, config_version in greeting, help"
    assert weak(CORPUS["imported"])["VERSION-DISCLOSED"] == "version, config_version"
    assert "VERSION-DISCLOSED" not in weak(CORPUS["postfix"])


@pytest.mark.parametrize(
    ("name", "weakness"),
    [
        ("no_tls", "STARTTLS-MISSING"),
        ("tls_old", "TLS-OLD"),
        ("tls_failed", "TLS-FAILED"),
        ("tls_injected", "STARTTLS-INJECTION"),
    ],
)
def test_what_is_wrong_with_tls_is_one_weakness(name: str, weakness: str) -> None:
    assert [each for each in weak(CORPUS[name]) if "TLS" in each] == [weakness]


@pytest.mark.parametrize("name", ["ready", "tls", "ehlo_refused", "certificate_unreadable"])
def test_starttls_is_not_missed_where_it_was_not_asked_for_or_works(name: str) -> None:
    assert [each for each in weak(CORPUS[name]) if "TLS" in each] == []


def test_findings_without_a_verdict_are_weaknesses_unless_they_only_inform() -> None:
    found = {each.id: each for each in weaknesses_of(CORPUS["exim_old"].record)}
    informing = {each["id"] for each in CORPUS["exim_old"].record["findings"] if each["severity"] == "info"}

    assert "END-OF-LIFE" in found
    assert found["END-OF-LIFE"].remedy is not None
    assert informing
    assert informing.isdisjoint(found)
    assert not any(each.startswith("CVE-") for each in found)


def test_every_status_has_an_outcome_with_its_class() -> None:
    assert list(OUTCOMES) == [status.value for status in Status]
    for status in Status:
        spoke = status.value in {"ready", "busy", "rejected", "temporary", "malformed", "not_smtp"}
        assert (OUTCOMES[status.value].result is Result.SUCCESS) is spoke


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("postfix", "192.0.2.10 port 25: an SMTP server is ready, Postfix"),
        ("full", "192.0.2.10 port 25: an SMTP server is ready, Sendmail 8.14.7, 1 known flaw, 1 known to be exploited"),
        ("status_refused", "192.0.2.10 port 25: the connection was refused"),
        ("imported_nameless", "an imported banner: an SMTP server is ready"),
    ],
)
def test_a_record_in_one_sentence(name: str, expected: str) -> None:
    assert sentence(CORPUS[name].record) == expected


def test_no_sentence_has_hostile_words() -> None:
    for name in hostile.TEXTS:
        assert sentence(CORPUS[name].record).count(":") <= 1, name


def test_a_severity_nobody_knows_is_for_information() -> None:
    odd, low, high = (cast("FindingDocument", {"severity": word}) for word in ("odd", "low", "high"))

    assert severity_of_finding(odd).syslog == 6
    assert worst([]).points == 1
    assert worst([low, high]).caption == "High"


@given(st.binary(min_size=1, max_size=300))
def test_the_bytes_of_a_greeting_come_back_from_its_record(raw: bytes) -> None:
    record = line_of(record_of(raw)).record

    assert banner_bytes(record["banner"]) == raw
    assert banner_sha256(record["banner"]) == sha256(raw).hexdigest()


@pytest.mark.parametrize(
    ("version", "protocol", "number"),
    [("TLSv1.3", "tls", "1.3"), ("TLSv1", "tls", "1.0"), ("SSLv3", "ssl", "3.0"), ("odd", None, None)],
)
def test_ecs_has_the_name_and_the_number_of_a_protocol_apart(
    version: str, protocol: str | None, number: str | None
) -> None:
    fields = ecs_tls(json.loads(line_of(record_of(dialogue=dialogue_of(Tls(version, "X")))).line)["dialogue"]["tls"])

    assert (fields.get("version_protocol"), fields.get("version")) == (protocol, number)
    assert fields["established"] is True


def test_a_handshake_that_failed_is_not_established_in_ecs_and_left_out_of_ocsf() -> None:
    tls = CORPUS["tls_failed"].record["dialogue"]["tls"]

    assert ecs_tls(tls) == {"established": False}
    assert maybe_ocsf_tls(tls) is None


def test_a_certificate_that_cannot_be_read_keeps_its_check_sum_in_ecs_and_is_left_out_of_ocsf() -> None:
    tls = CORPUS["certificate_unreadable"].record["dialogue"]["tls"]

    assert ecs_tls(tls)["server"] == {"hash": {"sha256": "CD" * 32}}
    assert maybe_ocsf_tls(tls) == {"version": "TLSv1.2", "cipher": "X"}


def test_ocsf_has_the_names_of_a_certificate_with_their_kind() -> None:
    made = maybe_ocsf_certificate(CORPUS["tls"].record["dialogue"]["tls"]["certificates"][0])

    assert made is not None
    assert made["sans"] == [{"name": "mail.example.com", "type": "DNS"}, {"name": "192.0.2.1", "type": "IP"}]
    assert made["created_time"] == 1_767_225_600_000
    assert made["is_self_signed"] is False
