"""Claims about what a file of another scanner says beside the greeting: which service, when, where, which name."""

import json

import pytest

from scanner.importers import ImportedBanner
from tests.support.imported_banners import greetings, read


def masscan(name: str | None, banner: str, port: int = 25) -> bytes:
    service = {"banner": banner} | ({} if name is None else {"name": name})
    return json.dumps({"ip": "192.0.2.1", "ports": [{"port": port, "service": service}]}).encode()


@pytest.mark.parametrize(
    ("name", "banner", "port", "is_one"),
    [
        ("smtp", "220 h ESMTP\n", 25, True),
        ("smtp", "220 h ESMTP\n", 10025, True),
        ("unknown", "554 no\n", 587, True),
        (None, "220 h\n", 25, True),
        ("ftp", "220-h ESMTP Exim\n220 h\n", 25, True),
        ("ftp", "220 h FTP server ready\n", 25, False),
        ("ftp", "220 h ESMTP\n", 21, False),
        ("unknown", "220 h ESMTP\n", 26, False),
        ("ssl", "TLS/1.2 cipher:0xc030", 25, False),
        ("X509", "MIIDBzCC", 465, False),
        ("http", "HTTP/1.0 400", 587, False),
        ("ssh", "SSH-2.0-x", 25, False),
        ("vnc", "RFB", 2525, False),
        ("title", "Welcome", 25, False),
    ],
)
def test_the_service_that_masscan_names_is_believed(name: str | None, banner: str, port: int, is_one: bool) -> None:
    assert (
        len([each for each in read("masscan", masscan(name, banner, port)) if isinstance(each, ImportedBanner)])
        == is_one
    )


def nmap(service: str, port: int = 25, banner: str = "220 h ESMTP") -> bytes:
    return (
        f'<nmaprun><host><address addr="192.0.2.1" addrtype="ipv4"/><ports><port portid="{port}">{service}'
        f'<script id="banner" output="{banner}"/></port></ports></host></nmaprun>'
    ).encode()


@pytest.mark.parametrize(
    ("service", "port", "is_one"),
    [
        ('<service name="smtp" method="table"/>', 25, True),
        ('<service name="smtp" method="probed"/>', 10025, True),
        ('<service name="smtp" tunnel="ssl" method="probed"/>', 10465, True),
        ('<service name="smtp-proxy" method="probed"/>', 25, True),
        ('<service name="tcpwrapped" method="probed"/>', 25, True),
        ('<service name="ms-v-worlds" method="table"/>', 2525, True),
        ('<service name="urd" method="table"/>', 465, True),
        ("", 25, True),
        ('<service name="http" tunnel="ssl" method="probed"/>', 465, False),
        ('<service name="ssl" method="probed"/>', 465, False),
        ('<service name="imap" tunnel="ssl" method="probed"/>', 25, False),
        ('<service name="ssh" method="probed"/>', 25, False),
        ('<service name="unknown" method="table"/>', 10025, False),
    ],
)
def test_a_service_that_nmap_probed_is_believed(service: str, port: int, is_one: bool) -> None:
    found = read("nmap-xml", nmap(service, port))

    assert len([each for each in found if isinstance(each, ImportedBanner)]) == is_one


def zgrab2(protocol: str, banner: str, number: int | None = 25, /, **more: object) -> bytes:
    grab = {"protocol": protocol, "result": {"banner": banner}} | ({} if number is None else {"port": number})
    return json.dumps({"ip": "192.0.2.1", "data": {"x": grab}, **more}).encode()


@pytest.mark.parametrize(
    ("protocol", "banner", "port", "is_one"),
    [
        ("smtp", "220 h\r\n", 10025, True),
        ("banner", "220 h\r\n", 25, True),
        ("banner", "220 h ESMTP x\r\n", 10025, True),
        ("banner", "554 no SMTP service here\r\n", 26, True),
        ("banner", "220 h ready\r\n", 10025, False),
        ("banner", "220 h FTP\r\n", 21, False),
        ("banner", "SSH-2.0-x\r\n", 22, False),
        ("banner", "HTTP/1.1 400 Bad Request: SMTP\r\n", 80, False),
        ("banner", "220 h\r\n", None, True),
        ("banner", "SSH-2.0-x\r\n", None, False),
        ("banner", "220 h FTP server\r\n", None, False),
        ("ftp", "220 h ESMTP\r\n", 25, False),
    ],
)
def test_the_banner_module_is_believed_where_port_or_words_say_mail(
    protocol: str, banner: str, port: int | None, is_one: bool
) -> None:
    found = read("zgrab2", zgrab2(protocol, banner, port))

    assert len([each for each in found if isinstance(each, ImportedBanner)]) == is_one


def test_the_port_of_the_whole_entry_counts_and_what_was_not_tried_is_passed_over() -> None:
    (banner,) = read("zgrab2", zgrab2("banner", "220 h\r\n", None, port=587))

    assert isinstance(banner, ImportedBanner)
    assert banner.port == 587
    assert len(read("zgrab2", b'{"ip":"192.0.2.1","error":"blocked"}\n' + zgrab2("smtp", "220 h\r\n"))) == 1


@pytest.mark.parametrize(
    ("length", "banner", "raw"),
    [
        (3, "414243", b"ABC"),
        (3, "QUJD", b"ABC"),
        (3, "QUJ!", b"QUJ!"),
        (9, "QUJD", b"QUJD"),
        (4, "QUJD", b"QUJD"),
        ("3", "414243", b"414243"),
    ],
)
def test_an_encoded_banner_is_told_by_its_length(length: object, banner: str, raw: bytes) -> None:
    grab = {"protocol": "banner", "port": 25, "result": {"banner": banner, "length": length}}

    assert greetings("zgrab2", json.dumps({"ip": "192.0.2.1", "data": {"x": grab}}).encode()) == [raw]


@pytest.mark.parametrize(
    ("stamp", "seconds"),
    [
        ("2026-11-23T17:52:11Z", 1795456331.0),
        ("2026-11-23T17:52:11", 1795456331.0),
        ("2026-11-23T18:52:11+01:00", 1795456331.0),
        ("2026-11-23T17:52:11.123456789Z", 1795456331.123456),
        ("0001-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59-10:00", None),
        ("2100-01-01T00:00:00Z", None),
        ("yesterday", None),
    ],
)
def test_a_moment_is_in_reason_or_noted(stamp: str, seconds: float | None) -> None:
    grab = {"protocol": "smtp", "port": 25, "result": {"banner": "220 h\r\n"}, "timestamp": stamp}
    (banner,) = read("zgrab2", json.dumps({"ip": "192.0.2.1", "data": {"x": grab}}).encode())

    assert isinstance(banner, ImportedBanner)
    assert banner.observed_at == seconds
    assert banner.notes == (() if seconds is not None else (f"the time '{stamp}' is implausible, left out",))


@pytest.mark.parametrize(
    ("stamp", "seconds"),
    [
        ("1727151706", 1727151706.0),
        ("1727151706.5", 1727151706.5),
        ("4102444799", 4102444799.0),
        ("4102444800", None),
        ("999999999999", None),
        ("1727151706000", None),
        ("1727151706000000", None),
        ("0", None),
        ("-1", None),
        ("1e308", None),
        ("now", None),
    ],
)
def test_seconds_are_in_reason_or_noted(stamp: str, seconds: float | None) -> None:
    document = nmap("").replace(b"<host>", f'<host endtime="{stamp}">'.encode())
    (banner,) = read("nmap-xml", document)

    assert isinstance(banner, ImportedBanner)
    assert banner.observed_at == seconds
    assert banner.notes == (() if seconds is not None else (f"the time '{stamp}' is implausible, left out",))


def test_a_name_that_is_none_is_noted_and_nmaps_user_named_the_host() -> None:
    names = b'<hostname name="ptr.example.com" type="PTR"/><hostname name="MX.example.com" type="user"/>'
    (banner,) = read("nmap-xml", nmap("").replace(b"<ports>", names + b"<ports>"))
    (bad,) = read("zgrab2", zgrab2("smtp", "220 h\r\n", domain="<b>\n"))
    (numeric,) = read("zgrab2", zgrab2("smtp", "220 h\r\n", domain=""))

    assert isinstance(banner, ImportedBanner)
    assert banner.host == "mx.example.com"
    assert isinstance(bad, ImportedBanner)
    assert (bad.host, bad.notes) == (None, (r"'<b>\n' is not a host name: left out",))
    assert isinstance(numeric, ImportedBanner)
    assert (numeric.host, numeric.notes) == (None, ())


def test_xml_in_utf_16_is_read_whatever_it_says_of_itself() -> None:
    text = '<?xml version="1.0" encoding="UTF-8"?>' + nmap("").decode()
    for said in (text, text.replace("UTF-8", "UTF-16"), text.replace("UTF-8", "utf-16le")):
        assert greetings("nmap-xml", said.encode("utf-16")) == [b"220 h ESMTP\r\n"]
    latin = text.replace("UTF-8", "iso-8859-1").replace("220 h", "220 h\u00fc")
    assert greetings("nmap-xml", latin.encode("latin-1")) == [b"220 h\xfc ESMTP\r\n"]
