"""What a verification reads: stored sweeps, results of earlier ones, headers of delivered messages."""

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest

from scanner.errors import InputError
from scanner.model import Attempt, Status, Target
from scanner.smoke.received import software_in_headers
from scanner.verification.baseline import MessageHeaders, leaks_of, read_baseline, read_headers
from scanner.verification.evidence import EvidencePlace
from scanner.verification.states import Subject, VerificationState, judge
from scanner.verification.verdicts import document
from scanner.verification.verify import VerificationRequest, verify
from tests.support.servers import in_turn, serving
from tests.support.verifications import BUILDER, HARDENED, LEAKING, POSTFIX_HOST, settings, spec, stored, sweep_file


def test_the_last_scan_counts_and_of_its_visits_the_one_that_showed_most(tmp_path: Path) -> None:
    path = sweep_file(
        tmp_path,
        stored("127.0.0.9", 25, HARDENED, at=200.0, scan_id="second"),
        stored("127.0.0.9", 25, LEAKING, at=201.0, scan_id="second", sample=1),
        stored("127.0.0.9", 25, HARDENED, at=202.0, scan_id="second", sample=2),
        stored("127.0.0.9", 25, POSTFIX_HOST, at=100.0, scan_id="first"),
    )

    (baseline,) = read_baseline([path]).values()

    assert (baseline.visit.product, baseline.visit.versions_in) == (
        "Sendmail",
        (EvidencePlace.GREETING, EvidencePlace.HELP),
    )


def test_who_was_not_heard_to_speak_smtp_is_not_to_be_verified(tmp_path: Path) -> None:
    path = sweep_file(
        tmp_path,
        stored("127.0.0.1", 25, b""),
        stored("127.0.0.2", 25, b"SSH-2.0-OpenSSH_9.2\r\n"),
        stored("127.0.0.3", 25).replace(b'"127.0.0.3"', b"null"),
        stored("127.0.0.4", 25, b"554 mail.example.com Sendmail 8.14.4 says no\r\n"),
    )

    assert [ip for ip, _ in read_baseline([path])] == ["127.0.0.4"]


async def test_a_result_can_be_the_before_of_the_next_and_a_leak_is_then_a_regression(tmp_path: Path) -> None:
    with serving(in_turn(*[HARDENED] * 4, *[LEAKING] * 4)) as server:
        request = VerificationRequest(settings=settings(), targets=spec("127.0.0.9"), ports=(server.port,))
        first = await verify(request)
        path = tmp_path / "verified.jsonl.gz"
        path.write_bytes(gzip.compress(orjson.dumps(document(next(iter(first.results)))) + b"\n"))
        second = await verify(VerificationRequest(settings=settings(), baseline=read_baseline([path])))

    assert [each.state for fresh in (first, second) for each in fresh.results] == [
        VerificationState.FIXED,
        VerificationState.REGRESSED,
    ]
    assert next(iter(second.results)).before == next(iter(first.results)).after


def test_a_result_of_a_host_that_was_down_passes_on_what_was_known_before_it(tmp_path: Path) -> None:
    down = BUILDER.record(Attempt(Target(0, "127.0.0.9", 25), Status.REFUSED, b"", 300.0, None, None, 0.1))
    (known,) = read_baseline([sweep_file(tmp_path, stored("127.0.0.9", 25))]).values()
    path = tmp_path / "verified.jsonl"
    path.write_bytes(orjson.dumps(document(judge(Subject("127.0.0.9", 25, None, known.visit), [down]))) + b"\n")

    (again,) = read_baseline([path]).values()

    assert again.visit == known.visit


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{}\n", "sweep.jsonl:2: not a record of schema"),
        (b"[]\n", "sweep.jsonl:2: not a record of schema"),
        (b"nonsense\n", "sweep.jsonl:2: not a record: not valid JSON"),
        (b'{"schema":"smtpsweep.verify/1","ip":5,"port":25}\n', "sweep.jsonl:2: not a result of verify: ip"),
        (b'{"schema":"smtpsweep.verify/1","ip":"127.0.0.1","port":25,"after":7}\n', "sweep.jsonl:2: not a result"),
        (
            stored("127.0.0.9", 25).replace(b'"127.0.0.9"', b'"no address"'),
            "sweep.jsonl:2: 'no address' is not an address",
        ),
        (stored("127.0.0.9", 25)[:-1], "sweep.jsonl:2: the line is cut"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(line: bytes, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        read_baseline([sweep_file(tmp_path, stored("127.0.0.9", 25), line)])

    assert problem in str(raised.value)


HEADERS = (
    b"Received: from a by mail1.lab.example (8.17.1.9/8.17.1.9/Debian-2+deb12u2) with ESMTP id 2; now\r\n"
    b"Received: from b by relay.example.com (Postfix) with ESMTP id 1; now\r\n"
    b"X-Spam-Checker-Version: SpamAssassin 4.0.0\r\n\r\nReceived: by mail1.lab.example (Exim 4.96)\r\n"
)


async def test_a_header_line_by_the_host_is_a_leak_and_those_of_others_are_not_its_own(tmp_path: Path) -> None:
    path = tmp_path / "headers.eml"
    path.write_bytes(HEADERS)
    with serving(HARDENED) as server:
        fresh = await verify(
            VerificationRequest(
                settings=settings(),
                targets=spec("127.0.0.9"),
                ports=(server.port,),
                messages=[read_headers(path)],
            )
        )

    (result,) = fresh.results
    assert result.state is VerificationState.STILL_DISCLOSES
    assert [(each.place, each.what) for each in result.evidence] == [(EvidencePlace.RECEIVED, "shows version 8.17.1.9")]
    assert [leak.product for leak in fresh.unclaimed] == ["Postfix", "SpamAssassin"]


def smoke_result(**changes: Any) -> bytes:
    leaks = [leak._asdict() for leak in software_in_headers(HEADERS)]
    result = {"schema": "smtpsweep.smoke/1", "state": "delivered", "ip": "127.0.0.9", "port": 25, "leaks": leaks}
    return orjson.dumps(result | changes)


def test_the_first_hop_of_a_smoke_test_is_the_server_it_was_given_to(tmp_path: Path) -> None:
    path = tmp_path / "smoke.json"
    path.write_bytes(smoke_result())

    headers = read_headers(path)

    assert headers == MessageHeaders(software_in_headers(HEADERS), ("127.0.0.9", 25))
    assert [leak.product for leak in leaks_of(("127.0.0.9", 25), (), [headers])] == ["Postfix"]
    assert leaks_of(("127.0.0.9", 587), (), [headers]) == []
    assert [leak.version for leak in leaks_of(("127.0.0.1", 25), ["MAIL1.lab.example."], [headers])] == ["8.17.1.9"]


def test_a_smoke_test_s_result_of_before_there_were_doubts_is_read_and_a_doubt_stays_one(tmp_path: Path) -> None:
    fields = {"header": "Received", "number": 1, "hop": 1, "by": "h", "product": None, "version": "3.2.1", "text": "x"}
    path = tmp_path / "smoke.json"

    path.write_bytes(smoke_result(leaks=[fields, fields | {"is_sure": False}]))

    assert [leak.is_sure for leak in read_headers(path).leaks] == [True, False]
    path.write_bytes(smoke_result(leaks=[fields | {"is_sure": "no"}]))
    with pytest.raises(InputError, match="is not a result of 'smtpsweep smoke --json'"):
        read_headers(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \r\n",
        b"{",
        b"{}",
        smoke_result(state="not_arrived"),
        smoke_result(leaks=[{"text": 5}]),
        smoke_result(leaks=[{"text": "x", "by": 5, "product": None, "version": None}]),
        smoke_result(leaks=5),
        smoke_result(port="x"),
    ],
)
def test_headers_that_cannot_be_read_are_an_input_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "smoke.json"
    path.write_bytes(content)

    with pytest.raises(InputError, match=r"smoke\.json: is "):
        read_headers(path)


@pytest.mark.parametrize(
    "content",
    [
        b"192.0.2.1\n192.0.2.2\n",
        bytes(range(256)) * 40,
        gzip.compress(HEADERS),
        b"Subject: x\r\nFrom: a@example.org\r\n\r\nReceived: by mail1.lab.example (Exim 4.96)\r\n",
    ],
    ids=["addresses", "noise", "packed", "only in the body"],
)
def test_what_is_no_header_of_a_delivered_message_does_not_pass_for_a_clean_one(content: bytes, tmp_path: Path) -> None:
    """A host was fixed, by a file that has nothing to say of it."""
    path = tmp_path / "m.eml"
    path.write_bytes(content)

    with pytest.raises(InputError, match=r"m\.eml: has no Received: line: name a delivered message"):
        read_headers(path)


def test_a_file_of_headers_that_is_missing_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_headers(tmp_path / "none.eml")
