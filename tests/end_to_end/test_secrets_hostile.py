"""Receivers that repeat all they were told: not a trace of a secret in any output, file, log or process list."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from scanner.cli.entry import run
from scanner.delivery.receivers.discreet import DiscreetReceiver
from scanner.delivery.relay.destination import make_destinations
from scanner.delivery.relay.supervisor import RelaySupervisor
from scanner.delivery.spool import Quota, RunFolder
from scanner.errors import SinkError
from tests.support import echo_servers
from tests.support.command_line import ROOT, Done
from tests.support.echo_servers import Serve, http, listening, traces

TOKEN = "hec-3f/9a+b7=c1~d2&e4"  # noqa: S105  a made-up one
PASSWORD = "p%40 s/w\"o\\r'd-\u00e9\u20ac&<x>"  # noqa: S105  as above
ACCESS_KEY = "AKIA0SMTPSWEEP0KEY00"
SESSION = "session/token+of=the-store/that-is/long"
SECRETS = {"TOKEN": TOKEN, "PASSWORD": PASSWORD, "KEY": ACCESS_KEY, "SECRET": "unsent-" + TOKEN, "SESSION": SESSION}
QUICK = ("--drain", "3s", "--log-level", "debug")

#: What answers, and how it is asked for. The last are the same with an answer that is cut in the middle of the secret.
KINDS: Mapping[str, tuple[Serve, str]] = {
    "webhook": (http(400), "http://127.0.0.1:{}/in?token_env=TOKEN"),
    "webhook denied": (http(403), "http://127.0.0.1:{}/in?token_env=TOKEN&token_header=X-Own-Token"),
    "webhook later": (http(503), "http://127.0.0.1:{}/in?token_env=TOKEN"),
    "webhook redirected": (http(302, headers={"Location": "/in?{}"}), "http://127.0.0.1:{}/in?token_env=TOKEN"),
    "splunk": (http(403, '{"text":"{}","code":4}'), "splunk+http://127.0.0.1:{}?token_env=TOKEN"),
    "splunk busy": (http(503, '{"text":"{}","code":9}'), "splunk+http://127.0.0.1:{}?token_env=TOKEN&ack=none"),
    "opensearch": (http(400), "opensearch+http://joe@127.0.0.1:{}/idx?password_env=PASSWORD"),
    "opensearch key": (http(401), "opensearch+http://127.0.0.1:{}/idx?api_key_env=TOKEN"),
    "postgresql": (echo_servers.postgresql, "postgresql://joe@127.0.0.1:{}/db?password_env=PASSWORD&timeout=5"),
    "nats": (echo_servers.nats, "nats://127.0.0.1:{}/S?token_env=TOKEN&timeout=5"),
    "nats user": (echo_servers.nats, "nats://joe@127.0.0.1:{}/S?password_env=PASSWORD&timeout=5"),
    "kafka": (echo_servers.kafka, "kafka://joe@127.0.0.1:{}/t?password_env=PASSWORD&sasl=PLAIN&timeout=3"),
    "s3": (
        http(403, "<Error><Code>AccessDenied</Code><Message>{}</Message></Error>"),
        "s3+http://127.0.0.1:{}/bucket?access_key_env=KEY&secret_key_env=SECRET&session_token_env=SESSION",
    ),
    **{
        f"webhook cut at {at}": (http(404, cut_at=at), "http://127.0.0.1:{}/in?token_env=TOKEN")
        for at in (175, 185, 191, 199)
    },
}


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


def found(data: bytes) -> list[tuple[str, str]]:
    return [(name, form) for name, secret in SECRETS.items() for form in traces(secret, data)]


@pytest.mark.parametrize("kind", KINDS)
def test_trying_a_sink_shows_no_secret_that_it_repeats(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    serve, url = KINDS[kind]

    with listening(serve) as port:
        assert run(["sinks", "test", url.format(port), "--timeout", "8s", "--log-level", "debug"]) == 1

    out, err = capfd.readouterr()
    assert found((out + err).encode()) == []
    last = err.splitlines()[-1]
    assert last.startswith("smtpsweep: ")
    assert "***" in last or "cut at" in kind


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


@pytest.fixture
def outputs() -> Iterator[list[str]]:
    with ExitStack() as stack:
        yield [
            word
            for number, (serve, url) in enumerate(KINDS.values())
            for word in ("-o", f"{url.format(stack.enter_context(listening(serve)))}&name=n{number}")
        ]


def smtpsweep(*arguments: str) -> Done:
    done = subprocess.run(
        [sys.executable, "-m", "scanner", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=100,
        check=False,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_a_sweep_and_its_replay_keep_no_secret_anywhere(outputs: list[str], tmp_path: Path) -> None:
    files = ("--state", "s", "--summary", "sum.json", "--metrics-file", "metrics")
    swept = smtpsweep("sweep", "127.0.0.1", "-p", str(closed_port()), "--all", *outputs, *files, *QUICK)
    dead = smtpsweep("replay", "s.run", "--sink", "n0", "--drain", "20s", "--log-level", "debug")
    denied = smtpsweep("replay", "s.run", "--sink", "n1", *QUICK)
    letters = smtpsweep("replay", "s.run", "--sink", "n0", "--dead-letters", *QUICK)

    written = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    assert {path.name for path in written} >= {"s", "sum.json", "run.json", "n0.dead.jsonl"}
    for done in (swept, dead, denied, letters):
        assert found(f"{done.out}{done.err}".encode()) == []
    assert {path.name: found(data) for path, data in written.items() if found(data)} == {}
    assert swept.code == 3
    assert "***" in denied.err
    assert b"Bearer ***" in next(data for path, data in written.items() if path.name == "n0.dead.jsonl")


async def test_the_relay_is_told_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[tuple[object, ...]] = []

    async def start(*command: object, **_: object) -> None:
        commands.append(command)
        raise OSError

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
    destinations = make_destinations([url.format(9) + f"&name=n{n}" for n, (_, url) in enumerate(KINDS.values())])
    service = RelaySupervisor(RunFolder(tmp_path / "run"), "id", destinations, Quota(), lambda: None)

    with pytest.raises(SinkError):
        await service.start()

    assert commands == [(sys.executable, "-m", "scanner.delivery.relay.process")]
    assert found(repr(service._order).encode()) == []
    for each in destinations:
        assert isinstance(each.receiver, DiscreetReceiver)
        assert found(repr((each, each.receiver, each.receiver.inner, each.redaction)).encode()) == []
