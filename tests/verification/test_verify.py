"""Verification over real connections on loopback: every state, pools, exclusions."""

from pathlib import Path
from typing import Any

import pytest

from scanner.errors import InputError, LocalError
from scanner.settings import RefusalAction
from scanner.verification import visiting as visiting_module
from scanner.verification.baseline import read_baseline
from scanner.verification.evidence import EvidencePlace, Opinion
from scanner.verification.states import VerificationState, Verified
from scanner.verification.verify import VerificationProgress, VerificationRequest, verify
from tests.support.dialogues import HARDENED_REPLIES, SENDMAIL_REPLIES
from tests.support.greetings import NO_PRODUCT_LAB
from tests.support.mail_hosts import MailHost
from tests.support.servers import Peer, Script, free_port, greets, in_turn, serving
from tests.support.verifications import HARDENED, LEAKING, POSTFIX_HOST, settings, spec, stored, sweep_file


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
