"""The fresh look over real connections on loopback: every state, pools, exclusions, and what is read from files."""

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest

from scanner.errors import InputError, LocalError
from scanner.model import Attempt, Status, Target
from scanner.record import encode
from scanner.settings import Probe, RefusalAction, Settings
from scanner.smoke.received import software_in_headers
from scanner.sweeps.record_builder import RecordBuilder
from scanner.targets import COMMAND_LINE, Spec, TextSource, parse_spec
from scanner.verification import visiting as visiting_module
from scanner.verification.baseline import MessageHeaders, leaks_of, read_baseline, read_headers
from scanner.verification.evidence import EvidencePlace, Opinion
from scanner.verification.states import Subject, VerificationState, Verified, judge
from scanner.verification.verdicts import document
from scanner.verification.verify import VerificationProgress, VerificationRequest, verify
from tests.support.dialogues import HARDENED_REPLIES, POSTFIX_REPLIES, SENDMAIL_REPLIES, dialogue_of
from tests.support.greetings import NO_PRODUCT_LAB, SENDMAIL_8_17
from tests.support.mail_hosts import MailHost
from tests.support.servers import Peer, Script, free_port, greets, in_turn, serving

LEAKING, HARDENED = MailHost(SENDMAIL_8_17, SENDMAIL_REPLIES), MailHost(NO_PRODUCT_LAB, HARDENED_REPLIES)
POSTFIX_HOST = MailHost(b"220 mail2.lab.example ESMTP Postfix\r\n", POSTFIX_REPLIES)
BUILDER = RecordBuilder("scan-1", Settings(probe=Probe.DIALOGUE))


def settings(**changes: Any) -> Settings:
    values: dict[str, Any] = {
        "rate": 0,
        "subnet_rate": 0,
        "samples": 3,
        "ehlo_name": "scanner.example.net",
        "connect_timeout_s": 2.0,
        "greeting_timeout_s": 0.4,
        "dialogue_timeout_s": 2.0,
        "total_timeout_s": 6.0,
        "retries": 0,
    }
    return Settings(**values | changes)


def spec(*texts: str) -> Spec:
    return parse_spec([TextSource(COMMAND_LINE, texts)])


def stored(ip: str, port: int, server: MailHost | bytes = LEAKING, at: float = 1795342616.0, **changes: Any) -> bytes:
    """Return the line that a sweep with a dialogue would have stored of a server."""
    raw = server if isinstance(server, bytes) else server.greeting
    dialogue = dialogue_of(SENDMAIL_REPLIES if server is LEAKING else HARDENED_REPLIES, unknown_verb=False)
    attempt = Attempt(Target(0, ip, port), None if raw else Status.REFUSED, raw, at, 0.1, 0.1, 0.2)
    return encode(BUILDER.record(attempt._replace(dialogue=dialogue if raw else None))._replace(**changes))


def sweep_file(folder: Path, *lines: bytes) -> Path:
    path = folder / "sweep.jsonl"
    path.write_bytes(b"".join(lines))
    return path


async def look(script: Script, **options: Any) -> tuple[Verified, int]:
    """Verify one host that runs this script; `before` is what was stored of it. Return the result and its port."""
    with serving(script) as server:
        folder, before = options.pop("folder", None), options.pop("before", None)
        changes = options.pop("settings", {})
        baseline = {}
        if before is not None:
            baseline = read_baseline([sweep_file(folder, stored("127.0.0.9", server.port, before))])
        fresh = await verify(
            VerificationRequest(
                settings=settings(**changes),
                targets=spec("127.0.0.9"),
                ports=(server.port,),
                baseline=baseline,
                **options,
            )
        )
    (result,) = fresh.results
    return result, server.port


def _silent(peer: Peer) -> None:
    peer.read_end()


STATES: dict[str, tuple[Script, MailHost | None, VerificationState]] = {
    "fixed": (HARDENED, LEAKING, VerificationState.FIXED),
    "still": (LEAKING, LEAKING, VerificationState.STILL_DISCLOSES),
    "nothing known before": (LEAKING, None, VerificationState.STILL_DISCLOSES),
    "regressed": (LEAKING, HARDENED, VerificationState.REGRESSED),
    "only help": (MailHost(NO_PRODUCT_LAB, SENDMAIL_REPLIES), LEAKING, VerificationState.STILL_DISCLOSES),
    "recognisable": (POSTFIX_HOST, None, VerificationState.HIDDEN_BUT_RECOGNISABLE),
    "masked": (greets(b"220 ****************************0*2******0****\r\n"), LEAKING, VerificationState.MASKED),
    "replaced": (POSTFIX_HOST, LEAKING, VerificationState.REPLACED),
    "another service": (greets(b"SSH-2.0-OpenSSH_9.2p1\r\n"), LEAKING, VerificationState.REPLACED),
    "refused us": (
        greets(b"554 5.7.1 blocked, your host [127.0.0.1] is listed by zen\r\n"),
        LEAKING,
        VerificationState.REFUSED_US,
    ),
    "silent": (_silent, LEAKING, VerificationState.INCONCLUSIVE),
    "cut": (lambda peer: peer.send(b"220 mail1"), LEAKING, VerificationState.INCONCLUSIVE),
    "reset": (lambda peer: peer.reset(), LEAKING, VerificationState.INCONCLUSIVE),
    "malformed": (greets(b"\x00\x01\x02\r\n"), LEAKING, VerificationState.INCONCLUSIVE),
    "hangs up at HELP": (
        MailHost(NO_PRODUCT_LAB, {"EHLO": b"250 mail1\r\n", "HELP": b""}),
        LEAKING,
        VerificationState.INCONCLUSIVE,
    ),
}


@pytest.mark.parametrize("case", STATES)
async def test_each_state_is_reached_over_a_connection(case: str, tmp_path: Path) -> None:
    script, before, state = STATES[case]

    result, port = await look(script, before=before, folder=tmp_path)

    assert result.state is state
    assert (result.ip, result.port, result.asked) == ("127.0.0.9", port, 3)
    assert (result.before is None) == (before is None)
    assert result.evidence


async def test_a_host_on_which_nothing_listens_is_unreachable_and_its_before_is_shown(tmp_path: Path) -> None:
    port = free_port()
    baseline = read_baseline([sweep_file(tmp_path, stored("127.0.0.9", port))])

    fresh = await verify(VerificationRequest(settings=settings(), baseline=baseline))

    (result,) = fresh.results
    assert (result.state, result.agreed) == (VerificationState.UNREACHABLE, 3)
    assert result.before is not None
    assert (result.before.product, result.before.version) == ("Sendmail", "8.17.1.9")
    assert [each.what for each in result.evidence] == ["refused (ECONNREFUSED)"]


async def test_help_that_leaks_behind_a_hidden_greeting_is_shown_with_its_line(tmp_path: Path) -> None:
    result, _ = await look(MailHost(NO_PRODUCT_LAB, SENDMAIL_REPLIES), before=LEAKING, folder=tmp_path)

    assert [(each.place, each.line) for each in result.evidence] == [
        (EvidencePlace.HELP, "214-2.0.0 This is sendmail version 8.17.1.9")
    ]


async def test_one_of_three_visits_that_leaks_is_enough_and_is_counted() -> None:
    result, _ = await look(in_turn(HARDENED, LEAKING, HARDENED, HARDENED))

    assert (result.state, result.agreed, result.asked) == (VerificationState.STILL_DISCLOSES, 1, 3)
    assert all("in 1 of 3 visits" in each.what for each in result.evidence)


async def test_one_of_three_visits_that_is_cut_is_inconclusive_unless_two_are_enough() -> None:
    def cut(peer: Peer) -> None:
        peer.send(b"220 mail1")

    result, _ = await look(in_turn(HARDENED, cut, HARDENED, HARDENED))
    lenient, _ = await look(in_turn(HARDENED, cut, HARDENED, HARDENED), agree=2)

    assert (result.state, result.agreed) == (VerificationState.INCONCLUSIVE, 2)
    assert (lenient.state, lenient.agreed) == (VerificationState.FIXED, 2)


async def test_a_second_reader_that_meets_a_leak_makes_it_inconclusive() -> None:
    result, _ = await look(in_turn(HARDENED, HARDENED, HARDENED, LEAKING))

    assert (result.state, result.shows_version) == (VerificationState.INCONCLUSIVE, True)
    assert {each.place for each in result.evidence} == {EvidencePlace.GREETING, EvidencePlace.SECOND_OPINION}


async def test_the_second_reader_is_one_connection_more_or_none() -> None:
    def of(script: MailHost) -> int:
        return sum(line == "QUIT" for line in script.heard)

    with_it, without = (
        MailHost(NO_PRODUCT_LAB, HARDENED_REPLIES),
        MailHost(NO_PRODUCT_LAB, HARDENED_REPLIES),
    )
    await look(with_it)
    await look(without, ask_second_reader=False)

    assert (of(with_it), of(without)) == (4, 3)
    assert set(with_it.heard) == {"EHLO scanner.example.net", "HELP", "QUIT"}


async def test_only_the_ports_of_the_stored_sweep_are_visited_each_at_its_own_address(tmp_path: Path) -> None:
    with (
        serving(MailHost(NO_PRODUCT_LAB, HARDENED_REPLIES)) as one,
        serving(MailHost(NO_PRODUCT_LAB, HARDENED_REPLIES)) as two,
    ):
        baseline = read_baseline(
            [sweep_file(tmp_path, stored("127.0.0.9", one.port, host="a.example"), stored("127.0.0.10", two.port))]
        )

        fresh = await verify(
            VerificationRequest(settings=settings(samples=1), baseline=baseline, ask_second_reader=False)
        )
        narrowed = await verify(
            VerificationRequest(
                settings=settings(samples=1), baseline=baseline, ports=(two.port,), ask_second_reader=False
            )
        )

    assert [(each.ip, each.port, each.host) for each in fresh.results] == [
        ("127.0.0.9", one.port, "a.example"),
        ("127.0.0.10", two.port, None),
    ]
    assert [each.ip for each in narrowed.results] == ["127.0.0.10"]
    assert (len(one.peers), len(two.peers)) == (1, 2)


async def test_progress_counts_visits_and_hosts_read_again_and_results_can_be_gone_through_twice() -> None:
    said: list[VerificationProgress] = []
    with serving(MailHost(NO_PRODUCT_LAB, HARDENED_REPLIES)) as server:
        fresh = await verify(
            VerificationRequest(
                settings=settings(), targets=spec("127.0.0.9-127.0.0.12"), ports=(server.port, free_port())
            ),
            said.append,
        )

    assert said[-1] == VerificationProgress(visits=24, to_visit=24, read_again=4, to_read_again=4)
    assert [each.visits for each in said] == sorted(each.visits for each in said)
    assert len(fresh.results) == 8
    assert list(fresh.results) == list(fresh.results)


async def test_an_excluded_host_is_neither_visited_nor_judged_but_counted(tmp_path: Path) -> None:
    with serving(MailHost(NO_PRODUCT_LAB, HARDENED_REPLIES)) as server:
        baseline = read_baseline(
            [sweep_file(tmp_path, stored("127.0.0.9", server.port), stored("127.0.1.9", server.port))]
        )
        fresh = await verify(VerificationRequest(settings=settings(), baseline=baseline, exclude=spec("127.0.1.0/24")))

    assert ([each.ip for each in fresh.results], fresh.excluded) == (["127.0.0.9"], 1)
    assert len(server.peers) == 4  # three visits and the second reader, all to the other one


async def test_a_network_that_is_closed_after_refusals_leaves_its_hosts_unseen() -> None:
    refusing = greets(b"421 too many connections from your host\r\n")
    with serving(refusing) as server:
        fresh = await verify(
            VerificationRequest(
                settings=settings(refusal_limit=1, refusal_action=RefusalAction.STOP, subnet_rate=20, samples=1),
                targets=spec("127.0.0.1-127.0.0.9"),
                ports=(server.port,),
            )
        )

    states = [each.state for each in fresh.results]
    assert len(states) == 9
    assert set(states) <= {VerificationState.REFUSED_US, VerificationState.INCONCLUSIVE}
    assert VerificationState.INCONCLUSIVE in states
    assert len(server.peers) < 9


async def test_a_machine_without_sockets_for_the_second_reader_still_has_its_visits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def no_descriptor(*_arguments: object) -> Opinion:
        raise LocalError("this machine cannot open a connection: EMFILE")

    monkeypatch.setattr(visiting_module, "second_opinion", no_descriptor)

    result, _ = await look(HARDENED)

    assert result.state is VerificationState.FIXED
    assert result.evidence[-1].what == "not to be had: this machine cannot open a connection: EMFILE"


async def test_a_source_address_of_another_machine_is_an_input_error() -> None:
    with pytest.raises(InputError, match=r"--source-address 192\.0\.2\.77"):
        await verify(VerificationRequest(settings=settings(source_address="192.0.2.77"), targets=spec("127.0.0.9")))


async def test_nothing_to_verify_is_an_input_error(tmp_path: Path) -> None:
    baseline = read_baseline([sweep_file(tmp_path, stored("127.0.0.9", 25))])

    with pytest.raises(InputError, match="no server has sent a greeting before"):
        await verify(VerificationRequest(settings=settings()))
    with pytest.raises(InputError, match="no server on port 26 has sent a greeting before"):
        await verify(VerificationRequest(settings=settings(), baseline=baseline, ports=(26,)))


# What was there before


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


# Headers of a delivered message

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
