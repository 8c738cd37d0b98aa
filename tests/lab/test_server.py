"""Every behaviour of the lab on a real socket."""

import socket
from contextlib import suppress
from ipaddress import ip_address

import pytest

from scanner.lab.behaviours import BEHAVIOURS, ScriptEnd
from scanner.lab.conversation import MAX_INPUT_BYTES, Conversation
from scanner.lab.personality import Personality, personality
from scanner.lab.server import Lab
from scanner.lab.statistics import Statistics
from tests.support.lab_clients import NETWORK, address_of, connect, host_name_of, is_quiet, read, read_all, read_line

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


def connect_before_its_reset(lab: Lab, address: str) -> socket.socket:
    """Connect; on a busy machine the reset can be there before `connect` returns, and is its error then."""
    for _ in range(20):
        with suppress(ConnectionResetError):
            return connect(lab, address)
    raise AssertionError("every connection was reset before it was made")


def test_a_reset_inside_the_greeting_comes_after_its_first_bytes(mixed: Lab) -> None:
    address = address_of("reset_inside")
    with connect_before_its_reset(mixed, address) as sock:
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
