"""`delivery.receivers.syslog`, against real rsyslog and syslog-ng, over TCP and TLS with certificates on both
sides."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import orjson
import pytest

from scanner.delivery.receivers.receiver import AccessDeniedError, Receiver, TryLaterError
from scanner.delivery.relay.destination import make_destinations
from scanner.formats import FORMATS, Event, make_format
from tests.receivers import hostile
from tests.receivers.contract import RECORDS, TARGETS, deliver_under_fire
from tests.receivers.rsyslog import Rsyslog
from tests.receivers.syslog_daemon import Certificates, Stored, SyslogDaemon, data_of
from tests.receivers.syslog_ng import SyslogNg

pytestmark = pytest.mark.real

DAEMONS = {"rsyslog": Rsyslog, "syslog-ng": SyslogNg}
FORMATS_OF_SYSLOG = [name for name in FORMATS if name != "gelf"]
#: What neither daemon cuts as it is configured here.
WHOLE = "max_bytes=524288"


@pytest.fixture(params=["tcp", "tls"])
def certificates(request: pytest.FixtureRequest, tmp_path: Path) -> Certificates | None:
    return Certificates(tmp_path) if request.param == "tls" else None


@pytest.fixture(params=DAEMONS)
async def daemon(
    request: pytest.FixtureRequest, tmp_path: Path, unused_tcp_port: int, certificates: Certificates | None
) -> AsyncIterator[SyslogDaemon]:
    one = await DAEMONS[request.param](tmp_path / "daemon", unused_tcp_port, certificates).start()
    yield one
    one.kill()


def url_of(daemon: SyslogDaemon, *options: str) -> str:
    scheme, tls = "tcp", daemon.tls
    if tls is not None:
        scheme, options = "tls", (*options, f"ca_file={tls.certificate}", f"cert_file={tls.both}")
    return f"syslog+{scheme}://127.0.0.1:{daemon.port}?{'&'.join(options)}"


def receiver(daemon: SyslogDaemon, *options: str) -> Receiver:
    (one,) = make_destinations([url_of(daemon, *options)])
    return one.receiver


async def through(daemon: SyslogDaemon, events: Sequence[Event], *options: str) -> list[Stored | None]:
    """Send events in one batch; return what the daemon has stored when it was ended in good order."""
    one = receiver(daemon, *options)
    await one.open("run")
    receipt = await one.send(events)
    await one.close()
    daemon.stop()
    assert not receipt.refused
    return list(daemon.messages())


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_all_records_arrive_in_order_while_daemon_and_relay_are_killed(
    daemon: SyslogDaemon, tmp_path: Path
) -> None:
    delivered = await deliver_under_fire(
        tmp_path / "run", url_of(daemon, WHOLE), seed=20261123, receiver=daemon, relay_kills=1, receiver_kills=2
    )
    daemon.stop()

    last = dict.fromkeys(range(TARGETS), 0)
    seen: set[int] = set()
    cut = repeats = 0
    for stored in daemon.messages():
        if stored is None:
            cut += 1
            continue
        number = int(data_of(stored)["id"], 16)
        if number in seen:
            repeats += 1
            continue
        assert int(orjson.loads(stored.text)["event_id"], 16) == number
        assert last[number % TARGETS] < number
        last[number % TARGETS] = number
        seen.add(number)
    print(f"repeats: {repeats}, cut lines: {cut}")  # noqa: T201  a measurement, shown with -s
    assert seen == set(range(1, RECORDS + 1))
    assert not delivered.dead
    assert cut <= delivered.receiver_kills
    assert repeats < RECORDS // 2


@pytest.mark.parametrize("name", FORMATS_OF_SYSLOG)
@pytest.mark.parametrize("certificates", ["tcp"], indirect=True)
async def test_hostile_greetings_arrive_equal_and_forge_no_message(daemon: SyslogDaemon, name: str) -> None:
    form = make_format(name)
    events = [one for line in hostile.lines() for one in form.events(orjson.loads(line), line.rstrip(b"\n"))]
    stored = await through(daemon, events, WHOLE, f"format={name}")

    assert None not in stored
    said = [(one.msgid, data_of(one), one.text) for one in stored if one is not None]
    expected = []
    for event in events:
        ip, _, port = event.key.partition(" ")
        expected.append((name, {"id": event.id, "ip": ip, "port": port}, event.body.decode()))
    assert said == expected


@pytest.mark.parametrize("certificates", ["tcp"], indirect=True)
async def test_structured_data_cannot_be_broken_out_of(daemon: SyslogDaemon) -> None:
    ids = ['a"b', "a]b", "a\\b", '\\"', "\\]", '"] <134>1 - forged', 'x" ip="10.0.0.1', '] [forged@1 a="b"]', "\\\\"]
    events = [Event(one, "192.0.2.1 25", None, 6, b'{"a":1}') for one in ids]
    stored = await through(daemon, events)

    assert [(data_of(one), one.text) for one in stored if one is not None] == [
        ({"id": one, "ip": "192.0.2.1", "port": "25"}, '{"a":1}') for one in ids
    ]


@pytest.mark.parametrize("certificates", ["tcp"], indirect=True)
async def test_what_is_too_long_arrives_cut_and_marked_and_the_next_message_whole(daemon: SyslogDaemon) -> None:
    long, short = Event("1", "192.0.2.1 25", None, 6, b"x" * 9000), Event("2", "192.0.2.1 25", None, 6, b"y")
    first, second = await through(daemon, [long, short], "long=cut")

    assert first is not None
    assert second is not None
    assert data_of(first)["truncated"] == "1"
    assert set(first.text) == {"x"}
    assert 7900 < len(first.text) < 8192
    assert (data_of(second), second.text) == ({"id": "2", "ip": "192.0.2.1", "port": "25"}, "y")


@pytest.mark.parametrize("certificates", ["tls"], indirect=True)
@pytest.mark.parametrize("certificate", [False, True])
async def test_a_daemon_that_does_not_know_us_gets_nothing_and_nothing_counts_as_taken(
    daemon: SyslogDaemon, certificate: bool
) -> None:
    assert daemon.tls is not None
    options = f"?ca_file={daemon.tls.certificate}" + (f"&cert_file={daemon.tls.stranger}" if certificate else "")
    (one,) = make_destinations([f"syslog+tls://127.0.0.1:{daemon.port}{options}"])
    with pytest.raises((AccessDeniedError, TryLaterError)):
        await one.receiver.open("run")
    await one.receiver.close()
    daemon.stop()
    assert not daemon.output.exists() or not daemon.output.stat().st_size


@pytest.mark.parametrize("certificates", ["tls"], indirect=True)
async def test_a_daemon_that_we_do_not_know_gets_nothing(daemon: SyslogDaemon) -> None:
    assert daemon.tls is not None
    (one,) = make_destinations([f"syslog+tls://127.0.0.1:{daemon.port}?ca_file={daemon.tls.stranger}"])
    with pytest.raises(AccessDeniedError, match="CERTIFICATE_VERIFY_FAILED"):
        await one.receiver.open("run")
    await one.receiver.close()
