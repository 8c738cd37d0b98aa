"""Claims about `scanner.sweeps.single_check` and `smtpsweep check`: one host, every byte shown, then the verdict."""

import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest

import scanner
from scanner.cli.description import describe
from scanner.cli.entry import run
from scanner.errors import InputError, SettingsError
from scanner.lab import personality
from scanner.model import Attempt, Status, Target
from scanner.settings import Settings
from scanner.sweeps.record_builder import RecordBuilder
from scanner.sweeps.single_check import Transcript, check_host
from tests.support.command_line import smtpsweep
from tests.support.greetings import SENDMAIL_8_14
from tests.support.servers import Peer, Script, free_port, greets, serving

TARGET, OTHER = Target(0, "127.0.0.1", 25), Target(1, "127.0.0.2", 25)


class Line(NamedTuple):
    kind: str
    text: str
    seconds: float


@pytest.fixture
def root_logger() -> Iterator[None]:
    """Take back what the command does to logging."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def shown() -> list[Line]:
    return []


@pytest.fixture
def dialogue(shown: list[Line]) -> Transcript:
    return Transcript(lambda target, kind, text, seconds: shown.append(Line(kind, text, seconds)))


def quick(port: int, **changes: float) -> Settings:
    return Settings(ports=(port,), rate=0, subnet_rate=0, greeting_timeout_s=3, retry_delay_s=0.02, **changes)  # type: ignore[arg-type]  # times only


def test_each_line_is_shown_once_when_its_last_byte_comes(dialogue: Transcript, shown: list[Line]) -> None:
    dialogue(TARGET, "connected", b"", 0.1)
    dialogue(TARGET, "<", b"220-mx", 0.2)
    assert shown == [("connected", "", 0.1)]
    dialogue(TARGET, "<", b".example.org\r", 0.3)
    dialogue(TARGET, "<", b"\n220 a\r\n22", 0.4)
    assert shown[1:] == [("<", "220-mx.example.org", 0.4), ("<", "220 a", 0.4)]


def test_a_cut_line_is_shown_before_what_comes_after_it(dialogue: Transcript, shown: list[Line]) -> None:
    dialogue(TARGET, "<", b"220 mx.exam", 0.2)
    dialogue(TARGET, "closed", b"", 0.3)

    assert shown == [("<", "220 mx.exam", 0.3), ("closed", "", 0.3)]


def test_bytes_of_a_peer_are_shown_as_printable_text(dialogue: Transcript, shown: list[Line]) -> None:
    dialogue(TARGET, "<", b"220 \x1b[2J\x00\xff\\ [bold]x[/bold]\r\n", 0.1)

    assert shown == [("<", r"220 \x1b[2J\x00\xff\\ [bold]x[/bold]", 0.1)]


def test_two_connections_do_not_mix(dialogue: Transcript, shown: list[Line]) -> None:
    dialogue(TARGET, "<", b"220 fir", 0.1)
    dialogue(OTHER, "<", b"220 second\n", 0.2)
    dialogue(TARGET, "<", b"st\n", 0.3)

    assert [line.text for line in shown] == ["220 second", "220 first"]


async def test_a_check_is_the_dialogue_and_the_record(dialogue: Transcript, shown: list[Line]) -> None:
    with serving(greets(b"220-mx.exa", b"mple.org\r\n220 ESMTP Postfix\r\n")) as server:
        records = await check_host("127.0.0.1", quick(server.port), trace=dialogue)
        server.join()

    assert [(line.kind, line.text) for line in shown] == [
        ("connected", ""),
        ("<", "220-mx.example.org"),
        ("<", "220 ESMTP Postfix"),
        (">", "QUIT"),
        ("<", "221 2.0.0 bye"),
        ("closed", ""),
    ]
    assert [line.seconds for line in shown] == sorted(line.seconds for line in shown)
    assert [(record.ip, record.port, record.status) for record in records] == [("127.0.0.1", server.port, Status.READY)]
    assert server.peers[0].received == b"QUIT\r\n"


async def test_a_name_is_checked_at_each_of_its_addresses_that_is_not_excluded() -> None:
    with serving(greets(SENDMAIL_8_14)) as server:
        records = await check_host("localhost", quick(server.port), exclude=["::1", "2001:db8::/32"])

    assert [(record.ip, record.host, record.status) for record in records] == [("127.0.0.1", "localhost", Status.READY)]


@pytest.mark.parametrize(
    ("host", "exclude", "message"),
    [
        ("127.0.0.1", ["127.0.0.0/8"], "the only address is excluded: nothing to do"),
        ("0.0.0.0", [], "the only address is excluded: nothing to do (unspecified)"),  # noqa: S104  refused
        ("127.0.0.0/30", [], "'127.0.0.0/30' is more than one host: networks are visited"),
        ("127.0.0.1 127.0.0.2", [], "'127.0.0.1 127.0.0.2' is more than one host: "),
        ("localhost 127.0.0.2", [], "'localhost 127.0.0.2' is more than one host: "),
        ("", [], "command line: '': a target that names nothing: is a variable unset?"),
        ("127.0.0.300", [], "command line: '127.0.0.300': 300 is more than 255"),
    ],
)
async def test_what_is_not_one_host_that_may_be_visited_is_not_visited(
    host: str, exclude: list[str], message: str
) -> None:
    with serving(greets(SENDMAIL_8_14)) as server, pytest.raises(InputError) as caught:
        await check_host(host, quick(server.port), exclude=exclude)

    assert str(caught.value).startswith(message)
    assert server.peers == []


async def test_a_source_address_is_tried_first() -> None:
    settings = Settings(ports=(25,), source_address="192.0.2.1")

    with pytest.raises(SettingsError, match="not an address of this machine"):
        await check_host("127.0.0.1", settings)


def test_the_verdict_names_only_what_is_known(tmp_path: Path) -> None:
    done = smtpsweep("check", "127.0.0.1", "-p", str(free_port()), cwd=tmp_path)
    lines = [line.split(maxsplit=1) for line in done.out.splitlines() if line]

    assert (done.code, done.err) == (1, "")
    assert [line[0] for line in lines[1:]] == ["address", "status", "discloses"]
    assert lines[-2:] == [["status", "refused (ECONNREFUSED)"], ["discloses", "not seen"]]


def test_the_command_prints_the_dialogue_and_then_the_verdict(tmp_path: Path) -> None:
    with serving(greets(SENDMAIL_8_14)) as server:
        done = smtpsweep("check", "127.0.0.1", "-p", str(server.port), cwd=tmp_path)
    dialogue, _, meaning = done.out.partition("\n\n")
    told = {line[:12].strip(): line[12:] for line in meaning.splitlines()}

    assert (done.code, done.err) == (0, "")
    assert [line.split(" s  ", 1)[1] for line in dialogue.splitlines()] == [
        f"connected to 127.0.0.1 port {server.port}",
        f"< {SENDMAIL_8_14.decode().strip()}",
        "> QUIT",
        "< 221 2.0.0 bye",
        f"closed 127.0.0.1 port {server.port}",
    ]
    assert told["address"] == f"127.0.0.1 port {server.port}"
    assert told["status"] == "ready"
    assert told["greets as"] == "mail1.example.com"
    assert told["product"] == "Sendmail 8.14.7"
    assert told["config"] == "8.13.8"
    assert told["CPE"].startswith("cpe:2.3:a:")
    assert "config_version" in told["discloses"]
    assert not told.keys() & {"host", "line", "patch", "package", "system", "flags"}


def after(greeting: bytes) -> Script:
    def script(peer: Peer) -> None:
        peer.send(greeting)

    return script


@pytest.mark.usefixtures("root_logger")
@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        (greets(SENDMAIL_8_14), "ready", 0),
        (greets(b"421 4.3.2 later\r\n"), "busy", 0),
        (greets(b"554 no\r\n"), "rejected", 0),
        (greets(b"450 later\r\n"), "temporary", 0),
        (after(b"220-mx.example.org\r\n"), "cut", 1),
        (after(b"220 files.example.com FTP server ready.\r\n"), "not_smtp", 1),
        (after(b"SSH-2.0-OpenSSH_9.2\r\n"), "not_smtp", 1),
        (after(b"\x00\x01\x02"), "malformed", 1),
        (after(b""), "closed", 1),
    ],
)
def test_json_is_one_record_and_the_exit_code_says_whether_smtp_was_spoken(
    script: Script, status: str, code: int, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    with serving(script) as server:
        returned = run(["check", "127.0.0.1", "-p", str(server.port), "--json", "--retries", "0"])
    out, err = capfdbinary.readouterr()

    assert (returned, err) == (code, b"")
    assert out.count(b"\n") == 1
    record = orjson.loads(out)
    assert (record["schema"], record["ip"], record["status"]) == ("smtpsweep.record/1", "127.0.0.1", status)


@pytest.mark.usefixtures("root_logger")
def test_what_a_server_says_cannot_move_the_cursor_or_forge_lines(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    hostile = b"220 \x1b[2J\x9b31m[bold]x[/bold] :smile:\r\r\n"
    with serving(greets(hostile)) as server:
        run(["check", "127.0.0.1", "-p", str(server.port)])
    out, _ = capfdbinary.readouterr()

    assert out.replace(b"\n", b"").isascii()
    assert out.replace(b"\n", b"").decode().isprintable()
    assert rb"< 220 \x1b[2J\x9b31m[bold]x[/bold] :smile:" in out


async def test_an_unnamed_server_is_said_to_name_nothing() -> None:
    with serving(greets(b"220 mx.example.org ESMTP\r\n")) as server:
        (record,) = await check_host("127.0.0.1", quick(server.port))

    assert describe(record) == {
        "address": f"127.0.0.1 port {server.port}",
        "status": "ready",
        "greets as": "mx.example.org",
        "product": "not named in the greeting",
        "discloses": "nothing",
    }


def test_whoever_looks_on_and_leaves_does_not_disturb_the_visit(shown: list[Line]) -> None:
    def show(target: Target, kind: str, text: str, seconds: float) -> None:
        if len(shown) == 1:
            raise BrokenPipeError(32, "Broken pipe")
        shown.append(Line(kind, text, seconds))

    dialogue = Transcript(show)
    for number in range(3):
        dialogue(TARGET, "<", b"line %d\r\n" % number, 0.1)

    assert [line.text for line in shown] == ["line 0"]
    assert isinstance(dialogue.failure, BrokenPipeError)


def test_a_connection_that_was_never_made_is_not_said_to_be_closed(tmp_path: Path) -> None:
    port = free_port()
    done = smtpsweep("check", "127.0.0.1", "-p", str(port), cwd=tmp_path)

    assert done.out.splitlines()[0].endswith(f" s  no connection to 127.0.0.1 port {port}")


@pytest.mark.parametrize(
    ("skew_s", "said"),
    [
        (-1_044_584, "1,044,584 s behind ours, by the time in the greeting"),
        (2, "2 s ahead of ours, by the time in the greeting"),
        (0, "as ours"),
    ],
)
def test_the_clock_of_a_server_is_told_in_words(skew_s: int, said: str) -> None:
    target, times = Target(0, "127.0.0.1", 25), (0.0, 0.001, 0.003)
    attempt = Attempt(target, None, b"220 mx.example.org ESMTP\r\n", 0.0, *times)
    record = RecordBuilder("id", Settings()).record(attempt)

    assert describe(record._replace(clock_skew_s=skew_s))["clock"] == said


def test_the_quick_start_shows_every_line_that_the_command_prints() -> None:
    """The time in a greeting of the lab is fixed, so that how far it is behind is the one number that changes."""
    greeting = personality(int(IPv4Address("127.1.0.249"))).greeting
    target, times = Target(0, "127.1.0.249", 2525), (0.0, 0.001, 0.003)
    record = RecordBuilder("id", Settings()).record(
        Attempt(target, None, greeting, datetime.now(UTC).timestamp(), *times)
    )
    printed = "".join(f"{name:<12}{value}\n" for name, value in describe(record).items())
    page = (Path(scanner.__file__).parent.parent / "docs/quickstart.md").read_text()

    def anyhow(text: str) -> str:
        text = re.sub(r"covered since [^)]*", "covered", text)  # which facts there are changes often
        return re.sub(r"[\d,]+ s (behind|ahead of) ours", "N s off", text)

    assert anyhow(printed) in anyhow(page)
