"""Every behaviour of the lab on a real socket, and what it counts of its clients."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner, Result

from scanner.cli.lab import lab as lab_command
from scanner.errors import InputError, LocalError
from scanner.lab.behaviours import BEHAVIOURS, ScriptEnd
from scanner.lab.conversation import MAX_INPUT_BYTES, Conversation
from scanner.lab.listeners import _has_default_route, listen
from scanner.lab.personality import Personality, personality, population
from scanner.lab.process import LabProcess
from scanner.lab.server import Lab, LabSettings
from scanner.lab.statistics import Statistics

NETWORK = int(ip_address("127.1.0.0"))
#: Pauses of 6 s become 60 ms.
SCALE = 0.01
#: Long enough for an answer on a loaded machine; only silence is waited for less.
PATIENCE_S = 20.0
SILENCE_S = 0.15


@contextmanager
def running(settings: LabSettings) -> Iterator[Lab]:
    """A lab that serves in a thread."""
    with Lab(settings) as lab:
        thread = Thread(target=lab.run)
        thread.start()
        try:
            yield lab
        finally:
            lab.stop()
            thread.join()


@pytest.fixture(scope="module")
def mixed() -> Iterator[Lab]:
    with running(LabSettings(port=0, profile="mixed", time_scale=SCALE)) as lab:
        yield lab


@pytest.fixture
def dense() -> Iterator[Lab]:
    with running(LabSettings(port=0, profile="dense", count_visits=True)) as lab:
        yield lab


def address_of(behaviour: str, form: str | None = None) -> str:
    """The first host of 127.1.0.0/16 in the mixed profile that behaves so (and carries this form)."""
    hosts = population("mixed")
    for offset in range(2**16):
        host = hosts.personality(NETWORK + offset)
        if host.behaviour.name == behaviour and (form is None or (host.form is not None and host.form.id == form)):
            return str(ip_address(NETWORK + offset))
    raise LookupError(behaviour)


def connect(lab: Lab | LabProcess, address: str) -> socket.socket:
    return socket.create_connection((address, lab.port), timeout=PATIENCE_S)


def read(sock: socket.socket, size: int) -> bytes:
    """Read until so many bytes have come, or the end."""
    data = b""
    while len(data) < size and (piece := sock.recv(65_536)):
        data += piece
    return data


def read_all(sock: socket.socket) -> bytes:
    return read(sock, 2**30)


def read_line(sock: socket.socket, line_end: bytes = b"\n") -> bytes:
    data = b""
    while not data.endswith(line_end) and (piece := sock.recv(1)):
        data += piece
    return data


def is_quiet(sock: socket.socket) -> bool:
    """Whether nothing comes, not even an end."""
    sock.settimeout(SILENCE_S)
    try:
        sock.recv(1)
    except TimeoutError:
        return True
    finally:
        sock.settimeout(PATIENCE_S)
    return False


def quit_politely(lab: Lab | LabProcess, address: str) -> bytes:
    """Read the greeting of a plain host, say QUIT, return all that was said."""
    with connect(lab, address) as sock:
        greeting = sock.recv(65_536)
        sock.sendall(b"QUIT\r\n")
        return greeting + read_all(sock)


def host_name_of(address: str) -> bytes:
    return personality(int(ip_address(address))).hostname.encode()


# --- each behaviour on the wire ------------------------------------------------------------------------------

SERVING = [name for name, behaviour in BEHAVIOURS.items() if behaviour.ending in {ScriptEnd.SERVE, ScriptEnd.REFUSE}]


@pytest.mark.parametrize("name", SERVING)
def test_a_host_that_serves_sends_its_whole_script_and_answers_quit(mixed: Lab, name: str) -> None:
    address = address_of(name)
    script = b"".join(step.data for step in personality(int(ip_address(address))).steps)

    with connect(mixed, address) as sock:
        greeting = read(sock, len(script))
        sock.sendall(b"QUIT\r\n")
        goodbye = read_all(sock)

    assert greeting == script
    assert goodbye.startswith(b"221 ")
    assert goodbye.endswith(b"\r\n")


#: What each host with bytes of its own sends, {host} being its name. None: see the tests below.
OWN_BYTES = {
    "no_service": b"554 {host} No SMTP service here\r\n",
    "no_mail_host": b"521 {host} does not accept mail\r\n",
    "blocklisted": b"554-{host}\r\n554 5.7.1 Service unavailable; Client host [127.0.0.1] blocked using dnsbl.example; "
    b"see https://dnsbl.example/query?ip=127.0.0.1\r\n",
    "gbk": b"550 black ip. (\xb7\xa2\xd0\xc5\xc8\xcbIP)\r\n",
    "bare_code": b"220\r\n",
    "bare_code_space": b"220 \r\n",
    "blank_line_first": b"\r\n220 {host} ESMTP\r\n",
    "mixed_codes": b"220-{host} ESMTP\r\n554 no\r\n",
    "nul": b"220 {host} ESMTP a\x00b\r\n",
    "latin_1": b"220 {host} ESMTP M\xfcller Gie\xdferei\r\n",
    "utf_8": b"220 {host} ESMTP b\xc3\xbccher \xe6\x9b\xb8\xe7\xb1\x8d\r\n",
    "line_separator": b"220 {host} ESMTP a\xe2\x80\xa8b\xe2\x80\xa9c\xe2\x80\xaed\r\n",
    "c1_controls": b"220 {host} ESMTP \x80\x85\x9b31m\x7f\r\n",
    "ansi_escapes": b"220 {host} ESMTP \x1b[2J\x1b[31mowned\x1b]0;title\x07\x1b[0m\r\n",
    "csv_formula": b"220 =cmd|'/C calc'!A0 ESMTP +1+1 @SUM(A1)\r\n",
    "html": b"220 {host} ESMTP <script>alert(1)</script><img src=x onerror=alert(2)>\r\n",
    "jndi": b"220 {host} ESMTP ${jndi:ldap://{host}/a} {{7*7}} %s%n $(id) `id`\r\n",
    "long_line": b"220 {host} " + b"A" * 65_536 + b"\r\n",
    "busy": b"421 {host} Service not available, closing transmission channel\r\n",
    "busy_sendmail": b"421 4.3.2 Connection rate limit exceeded.\r\n",
    "rejecting_sendmail": b"554 {host} ESMTP not accepting messages\r\n",
    "temporary": b"452 syntax error (connecting)\r\n",
    "close_inside_line": b"220 {host} ES",
    "close_between_lines": b"220-{host} ESMTP\r\n",
    "close_at_once": b"",
    "close_later": b"",
    "stall_inside": b"220-{host} ESMTP\r\n220 ",
    "silent": b"",
    "ssh": b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n",
    "tls_alert": b"\x15\x03\x01\x00\x02\x02\x28",
    "ftp": b"220 ProFTPD 1.3.8 Server (Debian) [127.0.0.1]\r\n",
    "ftp_vs": b"220 (vsFTPd 3.0.3)\r\n",
    "pop3": b"+OK POP3 server ready\r\n",
    "imap": b"* OK [CAPABILITY IMAP4rev1] IMAP4 ready\r\n",
    "no_newline": b"220 {host} " + b"B" * 2**20,
}


@pytest.mark.parametrize("name", OWN_BYTES)
def test_a_host_with_bytes_of_its_own_sends_exactly_these(mixed: Lab, name: str) -> None:
    address = address_of(name)
    want = OWN_BYTES[name].replace(b"{host}", host_name_of(address))

    with connect(mixed, address) as sock:
        got = read(sock, len(want)) if want else b""
        ending = BEHAVIOURS[name].ending
        if ending is ScriptEnd.CLOSE:
            got += read_all(sock)
        else:
            assert is_quiet(sock)

    assert got == want


def test_every_behaviour_is_proven_on_a_socket() -> None:
    elsewhere = {"endless_drip", "tarpit", "endless_lines", "reset_before", "reset_inside", "binary", "http"}

    assert set(SERVING) | set(OWN_BYTES) | elsewhere == set(BEHAVIOURS)


def test_a_pix_shows_stars_and_keeps_twos_and_zeros(mixed: Lab) -> None:
    with connect(mixed, address_of("pix_mask")) as sock:
        line = read_line(sock)

    assert line.startswith(b"220 ***")
    assert set(line.strip()) == set(b"20* ")


def test_a_web_server_answers_like_one_and_closes(mixed: Lab) -> None:
    with connect(mixed, address_of("http")) as sock:
        head, _, body = read_all(sock).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"Content-Length: %d\r\n" % len(body) in head


def test_binary_has_no_reply_code_and_many_high_bytes(mixed: Lab) -> None:
    with connect(mixed, address_of("binary")) as sock:
        data = read_all(sock)

    assert not data[:1].isdigit()
    assert b"\x00" in data
    assert sum(byte >= 0x80 for byte in data) >= 200


def test_line_ends_can_be_wrong(mixed: Lab) -> None:
    with (
        connect(mixed, address_of("lf_only", "postfix")) as lf,
        connect(mixed, address_of("cr_cr_lf", "postfix")) as cr,
    ):
        lines = read_line(lf), read_line(cr)

    assert lines[0].endswith(b" ESMTP Postfix\n")
    assert lines[1].endswith(b" ESMTP Postfix\r\r\n")


def test_a_multi_line_greeting_has_one_code_and_the_product_on_its_first_line(mixed: Lab) -> None:
    with connect(mixed, address_of("multi_line", "postfix")) as sock:
        lines = [read_line(sock) for _ in range(4)]

    assert [line[:4] for line in lines] == [b"220-", b"220-", b"220-", b"220 "]
    assert lines[0].endswith(b" ESMTP Postfix\r\n")


def test_a_reset_before_the_greeting_leaves_no_byte(mixed: Lab) -> None:
    with pytest.raises(ConnectionResetError), connect(mixed, address_of("reset_before")) as sock:
        read_all(sock)


def test_a_reset_inside_the_greeting_comes_after_its_first_bytes(mixed: Lab) -> None:
    address = address_of("reset_inside")
    with connect(mixed, address) as sock:
        got = sock.recv(8)
        with pytest.raises(ConnectionResetError):
            read_all(sock)

    assert (b"220-" + host_name_of(address) + b" ES").startswith(got)


@pytest.mark.parametrize(("name", "count"), [("endless_drip", 300), ("tarpit", 300), ("endless_lines", 300_000)])
def test_an_endless_greeting_does_not_end(mixed: Lab, name: str, count: int) -> None:
    with connect(mixed, address_of(name)) as sock:
        data = read(sock, count)

    assert len(data) >= count
    assert b"\n220 " not in data


def test_a_drip_arrives_whole(mixed: Lab) -> None:
    with connect(mixed, address_of("drip")) as sock:
        assert read_line(sock).startswith(b"220 h-")


# --- after the greeting --------------------------------------------------------------------------------------


def test_a_plain_host_converses(mixed: Lab) -> None:
    address = address_of("plain", "postfix")
    with connect(mixed, address) as sock:
        read_line(sock)
        sock.sendall(b"EHLO scanner.example\r\n")
        ehlo = [read_line(sock) for _ in range(5)]
        answers = []
        for command in (b"noop", b"HELP", b"FOO bar", b"", b"RSET", b"HELO x"):
            sock.sendall(command + b"\r\n")
            answers.append(read_line(sock)[:4])
        sock.sendall(b"quit\r\n")
        goodbye = read_all(sock)

    assert ehlo[0] == b"250-" + host_name_of(address) + b"\r\n"
    assert [line[:4] for line in ehlo] == [b"250-"] * 4 + [b"250 "]
    assert answers == [b"250 ", b"214 ", b"500 ", b"500 ", b"250 ", b"250 "]
    assert goodbye[:4] == b"221 "


def test_a_command_may_arrive_in_pieces_and_several_at_once(mixed: Lab) -> None:
    with connect(mixed, address_of("plain")) as sock:
        sock.recv(65_536)
        sock.sendall(b"NO")
        assert is_quiet(sock)
        sock.sendall(b"OP\nNOOP\r\nQUIT\r\nQUIT\r\nNOOP\r\n")
        said = read_all(sock).split(b"\r\n")

    assert [line[:3] for line in said[:3]] == [b"250", b"250", b"221"]


def test_a_refusing_host_answers_everything_but_quit_with_503(mixed: Lab) -> None:
    with connect(mixed, address_of("no_service")) as sock:
        read_line(sock)
        sock.sendall(b"EHLO scanner.example\r\n")
        refusal = read_line(sock)
        sock.sendall(b"QUIT\r\n")
        goodbye = read_all(sock)

    assert refusal.startswith(b"503 ")
    assert goodbye.startswith(b"221 ")


def talk(behaviour: str, *, at: int = NETWORK) -> tuple[Conversation, Statistics]:
    """A conversation without a socket, at its first step."""
    host = Personality(BEHAVIOURS[behaviour], at, *personality(int(ip_address(address_of(behaviour))))[2:])
    statistics = Statistics()
    return Conversation(host, statistics), statistics


def test_a_late_goodbye_waits_and_a_second_quit_changes_nothing() -> None:
    conversation, statistics = talk("late_quit")
    conversation.outbox.clear()

    conversation.receive(b"QUIT\r\nQUIT\r\n")
    waiting = conversation.wait_s, conversation.ending, bytes(conversation.outbox)
    conversation.resume()

    assert waiting == (0.2, None, b"")
    assert conversation.outbox.startswith(b"221 ")
    assert conversation.ending is ScriptEnd.CLOSE
    assert statistics.quits == 1


def test_an_early_talker_is_counted_once_and_not_answered() -> None:
    conversation, statistics = talk("pause_6s")

    conversation.receive(b"EHLO me\r\n")
    conversation.receive(b"QUIT\r\n")

    assert (statistics.early_talkers, statistics.quits, statistics.bytes_received) == (1, 0, 15)
    assert not conversation.outbox


def test_an_endless_command_line_is_refused_not_stored() -> None:
    conversation, statistics = talk("plain")
    conversation.outbox.clear()

    conversation.receive(b"A" * (MAX_INPUT_BYTES + 1))

    assert conversation.outbox == b"500 Line too long\r\n"
    assert statistics.bytes_received == MAX_INPUT_BYTES + 1


def test_the_steps_of_a_split_greeting_are_sent_one_by_one() -> None:
    conversation, _ = talk("split")
    pieces = []
    while not conversation.greeted:
        conversation.resume()
        pieces.append(bytes(conversation.outbox))
        conversation.outbox.clear()

    assert len(pieces) == 4
    assert pieces[-1] == b"\n"


# --- what it counts ------------------------------------------------------------------------------------------


def test_clean_quits_are_counted_with_every_byte(dense: Lab) -> None:
    addresses = [str(ip_address(NETWORK + offset)) for offset in range(50)]
    said = [quit_politely(dense, address) for address in (*addresses, addresses[0])]

    statistics = dense.statistics
    assert (statistics.connections, statistics.quits) == (51, 51)
    assert (statistics.hangups, statistics.resets, statistics.early_talkers) == (0, 0, 0)
    assert statistics.bytes_received == 51 * len(b"QUIT\r\n")
    assert statistics.bytes_sent == sum(len(words) for words in said)
    assert statistics.visits["127.1.0.0"] == 2
    assert len(statistics.visits) == 50


def test_a_client_that_hangs_up_is_no_clean_quit(dense: Lab) -> None:
    with connect(dense, "127.1.0.1") as sock:
        sock.recv(65_536)
    quit_politely(dense, "127.1.0.2")  # events are served in order: the first one has been seen

    assert (dense.statistics.hangups, dense.statistics.quits) == (1, 1)


def test_a_client_that_resets_is_counted(dense: Lab) -> None:
    with connect(dense, "127.1.0.1") as sock:
        sock.recv(65_536)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    quit_politely(dense, "127.1.0.2")

    assert (dense.statistics.resets, dense.statistics.hangups) == (1, 0)


@pytest.mark.parametrize("name", ["silent", "pause_6s", "endless_lines"])
def test_a_client_that_resets_before_the_greeting_is_counted(name: str) -> None:
    with running(LabSettings(port=0)) as lab:
        with connect(lab, address_of(name)) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        quit_politely(lab, address_of("plain"))

        assert (lab.statistics.resets, lab.statistics.hangups) == (1, 0)


def test_a_client_that_does_not_read_a_flood_stops_it_and_nothing_else(mixed: Lab) -> None:
    with socket.socket() as sock:
        sock.settimeout(PATIENCE_S)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # so that little is on its way
        sock.connect((address_of("endless_lines"), mixed.port))
        while not any(peer.watched & select.EPOLLOUT for peer in list(mixed._peers.values())):
            quit_politely(mixed, address_of("plain"))  # the others are served until the kernel takes no more

        name, *lines, _rest = read(sock, 1_000_000).split(b"\r\n")

    assert name.startswith(b"220-h-")
    assert len(lines) > 50_000
    assert set(lines) == {b"220-and so on"}


def test_closing_a_lab_closes_every_connection() -> None:
    with running(LabSettings(port=0)) as lab:
        clients = [connect(lab, address_of(name)) for name in ("plain", "silent")]
        clients[0].recv(65_536)
        quit_politely(lab, address_of("plain"))

    assert [client.recv(1) for client in clients] == [b"", b""]
    for client in clients:
        client.close()


@pytest.mark.parametrize("name", ["pause_6s", "teaser"])
def test_a_client_that_talks_before_the_greeting_is_an_early_talker(name: str) -> None:
    with running(LabSettings(port=0, time_scale=0.05)) as lab:
        with connect(lab, address_of(name)) as sock:
            sock.sendall(b"EHLO me\r\n")
            sock.sendall(b"NOOP\r\n")
            while not read_line(sock).startswith(b"220 "):
                pass
            sock.sendall(b"QUIT\r\n")
            read_all(sock)

        assert (lab.statistics.early_talkers, lab.statistics.quits) == (1, 1)


def test_a_patient_client_is_no_early_talker() -> None:
    with running(LabSettings(port=0, time_scale=SCALE)) as lab:
        for name in ("pause_6s", "teaser", "split", "drip", "plain"):
            with connect(lab, address_of(name)) as sock:
                while not read_line(sock).startswith(b"220 "):
                    pass
                sock.sendall(b"QUIT\r\n")
                read_all(sock)

        assert (lab.statistics.early_talkers, lab.statistics.quits) == (0, 5)


def test_a_client_may_leave_at_any_time(mixed: Lab) -> None:
    """Closing into pauses, drips and floods leaves the lab serving."""
    for name in BEHAVIOURS:
        with suppress(ConnectionError):
            connect(mixed, address_of(name)).close()

    assert quit_politely(mixed, address_of("plain")).startswith(b"220")


# --- where it listens ----------------------------------------------------------------------------------------


ANYWHERE = "0.0.0.0"  # noqa: S104 - what is tested is that it is kept to loopback


def refusal(**settings: object) -> str:
    """The one line with which a lab refuses these settings."""
    with pytest.raises(InputError) as raised:
        Lab(LabSettings(**settings))  # type: ignore[arg-type]  # the tests below pass values of the right types
    return str(raised.value)


@pytest.mark.parametrize("address", [ANYWHERE, "127.0.0.1"])
def test_a_listener_is_kept_to_the_loopback_device(address: str) -> None:
    [sock] = listen((address,), 0, in_namespace=False)
    with sock:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0") == b"lo"


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "2001:db8::1", "255.255.255.255"])
def test_an_address_beyond_loopback_is_refused(address: str) -> None:
    assert (
        refusal(port=0, bind=(address,)) == f"lab: --bind {address}: only loopback addresses, 0.0.0.0 and :: are served"
    )


def test_what_is_no_address_is_refused() -> None:
    assert refusal(port=0, bind=("localhost",)) == "lab: --bind localhost: not an IP address"


def test_a_port_in_use_is_named_and_nothing_stays_open(dense: Lab) -> None:
    free = Lab(LabSettings(port=0, bind=("127.0.0.9",)))
    free.close()

    assert refusal(port=dense.port) == (
        f"lab: cannot listen on 0.0.0.0 port {dense.port}: it is in use: choose another --port, 0 for any"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"port": 65_536}, "lab: --port 65536: must be 0 to 65535"),
        ({"port": -1}, "lab: --port -1: must be 0 to 65535"),
        ({"time_scale": -1.0}, "lab: --time-scale -1: must be 0 or more"),
        ({"time_scale": float("nan")}, "lab: --time-scale nan: must be 0 or more"),
        ({"profile": "none"}, "lab: profile 'none' is unknown: use dense, mixed, slow, hostile"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(settings: dict[str, object], message: str) -> None:
    assert refusal(**settings) == message


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this machine has no IPv6")
def test_ipv6_and_ipv4_share_a_port() -> None:
    with running(LabSettings(port=0, bind=(ANYWHERE, "::1"), profile="dense", count_visits=True)) as lab:
        assert quit_politely(lab, "::1").startswith(b"220")
        assert quit_politely(lab, "127.0.0.2").startswith(b"220")
        assert lab.statistics.as_dict()["visits"] == {"::1": 1, "127.0.0.2": 1}


NO_ROUTES = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
LOCAL_6 = "0" * 32 + " 00 " + "0" * 32 + " 00 " + "0" * 32 + " ffffffff 00000001 00000000 00200200 lo\n"


@pytest.mark.parametrize(
    ("route", "ipv6_route", "has_way_out"),
    [
        (NO_ROUTES, None, False),
        (NO_ROUTES + "veth 0000C70A 0200C70A 0003 0 0 0 0000FFFF 0 0 0\n", LOCAL_6, False),
        (NO_ROUTES + "eth0 00000000 0100A8C0 0003 0 0 0 00000000 0 0 0\n", None, True),
        (NO_ROUTES, LOCAL_6.replace(" lo", " eth0"), True),
    ],
)
def test_a_default_route_of_either_family_is_a_way_out(
    tmp_path: Path, route: str, ipv6_route: str | None, has_way_out: bool
) -> None:
    Path(tmp_path, "route").write_text(route)
    if ipv6_route is not None:
        Path(tmp_path, "ipv6_route").write_text(ipv6_route)

    assert _has_default_route(tmp_path) is has_way_out


# --- as a program --------------------------------------------------------------------------------------------


def test_a_lab_process_says_its_port_counts_and_leaves_nothing_behind() -> None:
    with LabProcess(LabSettings(port=0, profile="dense", count_visits=True)) as lab:
        quit_politely(lab, "127.1.0.1")
        first = lab.statistics()
        quit_politely(lab, "127.1.0.2")
        second = lab.statistics()
        folder = lab._statistics_path().parent

    assert (first["quits"], second["quits"]) == (1, 2)
    assert second["visits"] == {"127.1.0.1": 1, "127.1.0.2": 1}
    assert not folder.exists()
    with pytest.raises(LocalError, match="not running"):
        lab.statistics()


def test_a_lab_process_that_cannot_start_says_why() -> None:
    with (
        running(LabSettings(port=0)) as lab,
        pytest.raises(LocalError, match=f"cannot listen on 0.0.0.0 port {lab.port}"),
        LabProcess(LabSettings(port=lab.port)),
    ):
        pass


def test_a_lab_without_descriptors_waits_and_goes_on() -> None:
    prefix = ("sh", "-c", 'ulimit -n 40; exec "$@"', "sh")
    with LabProcess(LabSettings(port=0, profile="dense", silent=1.0), prefix=prefix) as lab:
        clients = [connect(lab, "127.1.0.1") for _ in range(30)]  # the kernel's queue takes the rest
        starved = lab.statistics()
        for client in clients:
            client.close()
        while lab.statistics()["connections"] < 30:
            pass

    assert starved["connections"] == 40 - 16
    assert starved["out_of_descriptors"] > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_its_statistics_written(tmp_path: Path, number: signal.Signals) -> None:
    statistics = tmp_path / "statistics.json"
    program = "from scanner.cli.lab import lab; lab()"
    command = [sys.executable, "-c", program, "--port", "0", "--profile", "dense", "--statistics", str(statistics)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        ready = process.stderr.readline()
        os.kill(process.pid, number)
        rest = process.stderr.read()

    assert ready.startswith("lab: listening on 0.0.0.0 port ")
    assert (process.returncode, rest) == (0, "")
    assert json.loads(statistics.read_bytes())["connections"] == 0


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(lab_command, arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--bind", "192.0.2.1"), "lab: --bind 192.0.2.1: only loopback addresses, 0.0.0.0 and :: are served"),
        (("--truth", "t.jsonl"), "lab: --truth and --truth-for belong together: give both or none"),
        (
            ("--truth", "/nowhere/t", "--truth-for", "127.1.0.0/30"),
            "lab: --truth /nowhere/t: cannot be written (its folder does not exist)",
        ),
        (
            ("--port", "0", "--statistics", "/nowhere/s"),
            "lab: --statistics /nowhere/s: cannot be written (its folder does not exist)",
        ),
        (
            ("--statistics", "s.gz"),
            "lab: --statistics s.gz: its name promises gzip, it would hold one JSON document: choose another name",
        ),
        (
            ("--truth", "a", "--truth-for", "127.1.0.0/30", "--statistics", "a"),
            "--truth a would overwrite --statistics a: name another file",
        ),
        (("--statistics", __file__), f"lab: --statistics {__file__}: exists: use --overwrite, or another name"),
    ],
)
def test_the_command_refuses_with_one_line(arguments: tuple[str, ...], message: str) -> None:
    error = invoke(*arguments).exception

    assert isinstance(error, InputError)
    assert str(error) == message


@pytest.mark.parametrize("arguments", [("--profile", "fast"), ("--silent", "2"), ("--port", "x"), ("--seed", "-1")])
def test_the_command_line_is_checked(arguments: tuple[str, ...]) -> None:
    assert invoke(*arguments).exit_code == 2


def test_the_truth_is_written_before_the_first_client(tmp_path: Path, dense: Lab) -> None:
    """A lab that then cannot listen ends it: the file is there."""
    truth = tmp_path / "truth.jsonl"

    invoke(
        "--port", str(dense.port), "--truth", str(truth), "--truth-for", "127.1.0.0/28", "--truth-for", "127.2.0.0/31"
    )

    lines = [json.loads(line) for line in truth.read_bytes().splitlines()]
    assert [line["ip"] for line in lines[:2] + lines[-2:]] == ["127.1.0.0", "127.1.0.1", "127.2.0.0", "127.2.0.1"]
    assert len(lines) == 18
    assert lines[0]["behaviour"] == personality(NETWORK).behaviour.name
