"""`delivery.receivers.http` and `delivery.receivers.tls`: what a status means, and that nothing leaks or hangs."""

import gzip
import os
import pty
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from scanner.delivery.receivers import http
from scanner.delivery.receivers.http import (
    HttpClient,
    HttpResponse,
    describe,
    header_secret,
    retry_after_s,
)
from scanner.delivery.receivers.receiver import AccessDeniedError, TooLargeError, TryLaterError
from scanner.delivery.redaction import Redaction
from scanner.errors import InputError
from scanner.version import VERSION
from tests.receivers.http_server import Say, ScriptedServer, raw_server
from tests.support.certificates import make_certificate, server_context
from tests.support.http_sinks import url_of

ROOT = Path(__file__).parents[3]
NOW = 1_795_342_616.0  # 22 Nov 2026 10:16:56 UTC


@asynccontextmanager
async def client_of(text: str, *, default_port: int | None = None) -> AsyncIterator[HttpClient]:
    client = HttpClient(url_of(text), default_port=default_port)
    await client.open()
    try:
        yield client
    finally:
        await client.close()


async def answer_to(say: Say) -> HttpResponse:
    async with ScriptedServer(say) as server, client_of(f"t+http://127.0.0.1:{server.port}") as client:
        return await client.post("/", b"{}", {})


@pytest.mark.parametrize("status", [200, 201, 202, 204, 400, 404, 405, 406, 409, 410, 415, 422, 431])
async def test_what_a_server_dealt_with_is_the_receivers_to_judge(status: int) -> None:
    assert (await answer_to(Say(status, b"" if status == 204 else b"why"))).status == status


@pytest.mark.parametrize("status", [401, 403, 407])
async def test_who_is_not_let_in_needs_a_person(status: int) -> None:
    with pytest.raises(AccessDeniedError, match=f"^HTTP {status} not you$"):
        await answer_to(Say(status, b"not you"))


async def test_413_asks_for_less() -> None:
    with pytest.raises(TooLargeError, match=r"^HTTP 413$"):
        await answer_to(Say(413))


@pytest.mark.parametrize("status", [408, 425, 429, 500, 501, 502, 503, 504, 507, 599])
async def test_what_may_pass_is_tried_later(status: int) -> None:
    with pytest.raises(TryLaterError, match=f"^HTTP {status} busy$") as caught:
        await answer_to(Say(status, b"busy"))
    assert caught.value.after_s is None


async def test_the_pause_that_a_server_asks_for_is_passed_on() -> None:
    with pytest.raises(TryLaterError) as caught:
        await answer_to(Say(429, headers={"Retry-After": "17"}))
    assert caught.value.after_s == 17.0


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
async def test_a_redirect_is_never_followed(status: int) -> None:
    async with ScriptedServer() as other:
        where = f"http://127.0.0.1:{other.port}/"
        with pytest.raises(TryLaterError, match=f"HTTP {status}: it redirects to '{where}'"):
            await answer_to(Say(status, headers={"Location": where}))
        assert other.got == []


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("99999999999999999999", 999999999999.0),
        ("-5", None),
        ("1.5", None),
        ("\u0661", None),
        ("soon", None),
        ("Sun, 22 Nov 2026 10:17:26 GMT", 30.0),
        ("Sun, 22 Nov 2026 10:17:26 -0000", 30.0),
        ("Sun, 22 Nov 2026 10:00:00 GMT", 0.0),
        ("Sun, 99 Nov 2026 10:17:26 GMT", None),
        ("Sun, 22 Nov 99999999 10:17:26 GMT", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after_s(value, NOW) == seconds


def test_a_date_without_a_zone_is_utc_wherever_we_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert retry_after_s("Sun, 22 Nov 2026 10:17:26 -0000", NOW) == 30.0
    finally:
        monkeypatch.undo()
        time.tzset()


async def test_a_request_says_who_we_are_and_arrives_as_it_was_meant() -> None:
    async with ScriptedServer() as server, client_of(f"t+http://127.0.0.1:{server.port}") as client:
        await client.post("/a%20b/c?d=%2F", b"x" * 600, {"X-One": "1"})
        await client.request("PUT", "/t", b"short", {})
        await client.request("GET", "/t", None, {})

    first, second, third = server.got
    assert (first.method, first.path, first.body, first.headers["x-one"]) == ("POST", "/a%20b/c?d=%2F", b"x" * 600, "1")
    assert first.headers["user-agent"] == f"smtpsweep/{VERSION}"
    assert first.headers["accept-encoding"] == "identity"
    assert (first.wire, first.headers["content-encoding"]) == (gzip.compress(b"x" * 600, 5, mtime=0), "gzip")
    assert (second.method, second.wire, second.headers.get("content-encoding")) == ("PUT", b"short", None)
    assert (third.method, third.body) == ("GET", b"")


async def test_compress_none_sends_bodies_as_they_are() -> None:
    async with ScriptedServer() as server, client_of(f"t+http://127.0.0.1:{server.port}?compress=none") as client:
        await client.post("/", b"x" * 600, {})
    assert server.got[0].wire == b"x" * 600


async def test_headers_are_read_by_lower_case_name() -> None:
    assert (await answer_to(Say(headers={"X-Some-Thing": "v"}))).headers["x-some-thing"] == "v"


async def test_cookies_are_not_kept() -> None:
    async with ScriptedServer(Say(headers={"Set-Cookie": "a=b"})) as server:
        async with client_of(f"t+http://127.0.0.1:{server.port}") as client:
            await client.post("/", b"", {})
            await client.post("/", b"", {})
        assert "cookie" not in server.got[1].headers


async def test_the_environment_sets_no_proxy(monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{unused_tcp_port}")
    assert (await answer_to(Say(200, b"direct"))).body == b"direct"


async def test_an_endless_answer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_MAX_ANSWER_BYTES", 100_000)
    assert (await answer_to(Say(200, b"x" * 5_000_000))).body == b"x" * 100_000


@pytest.mark.parametrize(
    ("answer", "reset"),
    [
        (b"", False),
        (b"", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope", False),
        (b"HTTP/1.1 \xff\x00\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", False),
        (b"220 mail.example.com ESMTP\r\n", False),
    ],
)
async def test_an_answer_that_is_none_or_not_whole_proves_nothing(answer: bytes, reset: bool) -> None:
    async with raw_server(answer, reset=reset) as port, client_of(f"t+http://127.0.0.1:{port}") as client:
        with pytest.raises(TryLaterError) as caught:
            await client.post("/", b"{}", {})
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()


async def test_a_server_that_says_nothing_does_not_hold_us() -> None:
    async with (
        raw_server(b"", keep_open=True) as port,
        client_of(f"t+http://127.0.0.1:{port}?timeout=0.1") as client,
    ):
        with pytest.raises(TryLaterError, match="no answer in time"):
            await client.post("/", b"{}", {})


async def test_nobody_there_is_a_matter_of_time(unused_tcp_port: int) -> None:
    async with client_of(f"t+http://127.0.0.1:{unused_tcp_port}") as client:
        with pytest.raises(TryLaterError, match=r"^Connection refused$"):
            await client.post("/", b"{}", {})


async def test_the_next_host_is_asked_when_one_fails_and_kept_while_it_is_well(unused_tcp_port: int) -> None:
    async with ScriptedServer() as server:
        hosts = f"127.0.0.1:{unused_tcp_port},127.0.0.1:{server.port}"
        async with client_of(f"t+http://{hosts}") as client:
            with pytest.raises(TryLaterError):
                await client.post("/", b"", {})
            await client.post("/", b"", {})
            await client.post("/", b"", {})
            server.script = [Say(503)]
            with pytest.raises(TryLaterError, match="HTTP 503"):
                await client.post("/", b"", {})
            with pytest.raises(TryLaterError, match="Connection refused"):
                await client.post("/", b"", {})


async def test_two_requests_that_fail_together_move_on_by_one_host(unused_tcp_port: int) -> None:
    async with client_of(f"t+http://127.0.0.1:{unused_tcp_port},127.0.0.2:{unused_tcp_port}") as client:
        turn = client._turn
        for _ in range(2):
            client._another_host(turn)
        assert client._turn == turn + 1


def test_ports_are_the_usual_ones_unless_a_kind_has_its_own() -> None:
    assert HttpClient(url_of("t+https://h"))._bases == ["https://h:443"]
    assert HttpClient(url_of("t+http://[::1],h:81"))._bases == ["http://[::1]:80", "http://h:81"]
    assert HttpClient(url_of("t+https://h,i:1"), default_port=9200)._bases == ["https://h:9200", "https://i:1"]


def test_without_aiohttp_the_user_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs aiohttp: pip install 'smtpsweep\[http\]'"):
        HttpClient(url_of("t+https://h"))


def test_what_others_wrote_is_shown_as_one_printable_line() -> None:
    answer = HttpResponse(400, b"\x1b[31mred\r\nforged line \xff\xe2\x80\xae " + b"x" * 1000, {}, Redaction())
    assert describe(answer).startswith(r"HTTP 400 \x1b[31mred\x0d\x0aforged line \xff\xe2\x80\xae xxx")
    assert len(answer.body) > 1000
    assert len(describe(answer)) < 300
    assert answer.shown("\ud800 \u202e\n") == r"\\ud800 \xe2\x80\xae"


@pytest.mark.parametrize("secret", ["two\nlines", "a\r\nX-Forged: 1", "nul\0"])
def test_a_secret_that_would_forge_a_header_is_refused_and_not_shown(
    secret: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_bytes(secret.encode())
    with pytest.raises(InputError, match="token: holds line ends or control characters") as caught:
        header_secret(url_of(f"t+http://h?token_file={tmp_path / 'token'}"), "token")
    assert secret[:3] not in str(caught.value).partition("control characters")[2]
    monkeypatch.setenv("T", "good-one")
    assert header_secret(url_of("t+http://h?token_env=T"), "token") == "good-one"
    assert header_secret(url_of("t+http://h"), "token") is None


def test_records_that_leave_the_machine_in_clear_are_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    for local in ("127.0.0.1", "127.9.9.9", "[::1]", "localhost"):
        HttpClient(url_of(f"t+http://{local}"))
    HttpClient(url_of("t+https://siem.example.com"))
    assert caplog.messages == []
    HttpClient(url_of("t+http://127.0.0.1,siem.example.com/path"))
    (message,) = caplog.messages
    assert message.startswith("-o t+http://127.0.0.1,siem.example.com/path: without TLS, anyone on the way can")


# TLS


@pytest.fixture(scope="module")
def pair() -> tuple[bytes, bytes]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    return make_certificate(names=("127.0.0.1",))


async def post_over_tls(context: ssl.SSLContext, query: str) -> list[str]:
    async with ScriptedServer(tls=context) as server:
        async with client_of(f"t+https://127.0.0.1:{server.port}?{query}") as client:
            await client.post("/", b"x", {})
        return [got.path for got in server.got]


async def test_a_certificate_nobody_vouches_for_is_not_trusted(pair: tuple[bytes, bytes], tmp_path: Path) -> None:
    with pytest.raises(AccessDeniedError, match="CERTIFICATE_VERIFY_FAILED"):
        await post_over_tls(server_context(*pair), "")
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(pair[0])
    assert await post_over_tls(server_context(*pair), f"ca_file={trusted}") == ["/"]


async def test_a_certificate_for_another_name_is_not_trusted(tmp_path: Path) -> None:
    pair = make_certificate(names=("127.0.0.2", "mx.example.org"))
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(pair[0])
    with pytest.raises(AccessDeniedError, match="IP address mismatch"):
        await post_over_tls(server_context(*pair), f"ca_file={trusted}")


async def test_verify_no_takes_any_certificate_and_says_so(
    pair: tuple[bytes, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    assert await post_over_tls(server_context(*pair), "verify=no") == ["/"]
    assert "verify=no: anyone on the way can read and change what is sent" in caplog.text


async def test_a_server_can_ask_for_our_certificate(pair: tuple[bytes, bytes], tmp_path: Path) -> None:
    theirs, ours, key = tmp_path / "ca.pem", tmp_path / "ours.pem", tmp_path / "ours.key"
    certificate, private = make_certificate("scanner.example")
    theirs.write_bytes(pair[0])
    ours.write_bytes(certificate)
    key.write_bytes(private)
    context = server_context(*pair)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(ours)

    with pytest.raises(TryLaterError):
        await post_over_tls(context, f"ca_file={theirs}")
    assert await post_over_tls(context, f"ca_file={theirs}&cert_file={ours}&key_file={key}") == ["/"]
    ours.write_bytes(certificate + private)
    assert await post_over_tls(context, f"ca_file={theirs}&cert_file={ours}") == ["/"]


async def test_tls_older_than_1_2_is_refused(pair: tuple[bytes, bytes], tmp_path: Path) -> None:
    context = HttpClient(url_of("t+https://h"))._tls
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("option", ["ca_file", "cert_file"])
@pytest.mark.parametrize("content", [None, b"", b"no certificate\n"])
def test_a_certificate_file_that_is_none_is_said_at_once(option: str, content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "file.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=rf"^-o t\+https://h: {option}='.*file\.pem': cannot be used \("):
        HttpClient(url_of(f"t+https://h?{option}={file}"))


ON_A_TERMINAL = """
import os, sys
os.login_tty(int(sys.argv[1]))
from scanner.errors import InputError
from scanner.delivery.receivers.http import HttpClient
from tests.support.http_sinks import url_of
try:
    HttpClient(url_of(f"t+https://h?cert_file={sys.argv[2]}"))
except InputError as error:
    print(error)
"""


def test_an_encrypted_key_is_refused_instead_of_asking_the_terminal(pair: tuple[bytes, bytes], tmp_path: Path) -> None:
    certificate, key = pair
    encrypted = serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"phrase"),
    )
    (tmp_path / "both.pem").write_bytes(certificate + encrypted)
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL, str(theirs), tmp_path / "both.pem"], pass_fds=[theirs], cwd=ROOT
    ) as process:
        os.close(theirs)
        said = b""
        while b"pass phrase" not in said and b"cannot be used" not in said and (more := os.read(ours, 1000)):
            said += more
        process.kill()
        os.close(ours)
    assert b"cannot be used" in said


def test_a_key_without_its_certificate_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs cert_file"):
        HttpClient(url_of(f"t+https://h?key_file={tmp_path / 'key.pem'}"))
