"""Services are known by their provider's own host names together with its words; neither alone names one.

Most of these tests are generated from the files of services: every mask of hosts with every wording of its service, at
the provider's own hosts and at foreign ones that only have the name in theirs.
"""

import tomllib
from collections.abc import Iterator
from itertools import product
from typing import Any, Final

import pytest

from scanner.errors import RuleError
from scanner.identify import Fingerprints
from scanner.identify.rule_files import FOLDER, load_services, read_rules
from scanner.model import Software
from scanner.smtp import parse_banner

RULES: Final = read_rules()
SHIPPED: Final = Fingerprints(RULES)
TABLES: Final[list[dict[str, Any]]] = [
    table
    for file in sorted((FOLDER / "services").glob("*.toml"))
    for table in tomllib.loads(file.read_text("ascii"))["service"]
]
WITH_HOSTS: Final = [table for table in TABLES if "hosts" in table and "urls" not in table]
DATE: Final = "Sun, 22 Nov 2026 09:51:55 +0000"
#: What programs say; at a provider's host it is still the program that answers.
PROGRAMS: Final = {
    "Postfix": "ESMTP Postfix (Debian/GNU)",
    "Exim": f"ESMTP Exim 4.96 {DATE}",
    "Sendmail": f"ESMTP Sendmail 8.17.1/8.17.1; {DATE}",
    "Haraka": "ESMTP Haraka/3.0.1 ready",
}


def identified(greeting: str) -> Software | None:
    return SHIPPED.identify(parse_banner(greeting.encode() + b"\r\n"))


def service_of(greeting: str) -> str | None:
    """Return the service that a greeting is taken for; None for no product and for programs."""
    software = identified(greeting)
    return software.product if software is not None and software.kind == "service" else None


def own_host(mask: str) -> str:
    """Return a host that is one of the mask's."""
    return mask.replace("*.", "mx7.", 1).replace("*", "a1") if mask.startswith("*.") else mask.replace("*", "a1")


def foreign_hosts(mask: str) -> Iterator[str]:
    """Yield hosts of somebody else that have the provider's name in theirs."""
    own = own_host(mask)
    labels = own.split(".")
    registered = 3 if labels[-2] in {"ad", "co", "com", "ne", "or"} and len(labels) > 2 else 2
    yield f"{own}.example"
    yield f"{own}.evil.example"
    yield ".".join((*labels[:-registered], f"not{labels[-registered]}", *labels[1 - registered :]))
    yield f"{own.replace('.', '-')}.example.org"
    yield f"{labels[-registered]}.example.net"


def examples(table: dict[str, Any]) -> Iterator[str]:
    for each in table["examples"]:
        yield each if isinstance(each, str) else each["greeting"]


def wordings(table: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the code, with its separator, and the words behind the host of each example that begins with one."""
    for example in examples(table):
        host, space, words = example[4:].partition(" ")
        if space and "." in host and not host.startswith(("4.", "5.", "2.")):
            yield example[:4], words


@pytest.mark.parametrize(
    ("greeting", "name"),
    [
        ("421 4.7.1 : (DYN:T1) http://postmaster.info.aol.com/errors/421dynt1.html", "AOL Mail"),
        (
            (
                "550-203.0.113.9 blocked by ldap:ou=rblmx,dc=att,dc=net\r\n"
                "550 Error - Blocked for abuse. See http://att.net/blocks"
            ),
            "AT&T Mail",
        ),
        ("220 smtp.aliyun-inc.com MX AliMail Server(10.147.42.135)", "Alibaba Mail"),
        (
            (
                "554 p3plibsmtp03-07.prod.phx3.secureserver.net CMGW IB103. Connection refused. 203.0.113.9 has a poor "
                "reputation on Cloudmark Sender Intelligence (CSI). Please visit "
                "http://csi.cloudmark.com/reset-request/?ip=203.0.113.9 to request a delisting."
            ),
            "Cloudmark Gateway",
        ),
        ("220 mail.messagingengine.com ESMTP ready", "Fastmail"),
        ("220 Mail.Ru ESMTP", "Mail.ru"),
        ("220 smtp.mailtrap.io ESMTP ready", "Mailtrap"),
        (
            f"220 BMXPR01CA0083.outlook.office365.com Microsoft ESMTP MAIL Service ready at {DATE} [08DD842467C8274D]",
            "Microsoft 365",
        ),
        (f"220 BN1NAM02FT010.mail.eo.outlook.com Microsoft ESMTP MAIL Service ready at {DATE}", "Microsoft 365"),
        ("220 mta1008.mail.mud.yahoo.com ESMTP YSmtp service ready", "Yahoo Mail"),
        (
            (
                "220 iva1-db9fc35c0844.qloud-c.yandex.net ESMTP (Want to use Yandex.Mail for your domain? "
                "Visit http://pdd.yandex.ru)"
            ),
            "Yandex Mail",
        ),
        ("220 smtp.mandrillapp.com ESMTP", "Mandrill"),
        ("220 smtpin.rzone.de ESMTP RZmta 55.6.2 ready", "RZmta"),
        ("220 Welcome to Nemesis ESMTP server on mx7.example.org", "Nemesis"),
    ],
)
def test_greetings_of_providers_that_were_not_named_or_named_wrong(greeting: str, name: str) -> None:
    software = identified(greeting)

    assert software is not None
    assert software.product == name


def test_a_service_is_its_own_kind_of_product_and_has_no_system() -> None:
    software = identified(f"220 A1.outlook.office365.com Microsoft ESMTP MAIL Service ready at {DATE}")
    exchange = identified(f"220 mail.example.org Microsoft ESMTP MAIL Service ready at {DATE}")

    assert software is not None
    assert exchange is not None
    assert (software.kind, software.product_line, software.os) == ("service", "Exchange Online", None)
    assert (exchange.kind, exchange.product, exchange.os) == ("software", "Microsoft Exchange Server", "Windows")


def test_there_are_more_than_400_products_and_services() -> None:
    assert len({rule.fixed["product"] for rule in RULES}) >= 400
    assert len({rule.fixed["product"] for rule in RULES if rule.fixed.get("kind") == "service"}) >= 200


@pytest.mark.parametrize("table", WITH_HOSTS, ids=lambda table: table["id"])
def test_every_own_host_with_the_service_s_words_is_the_service(table: dict[str, Any]) -> None:
    greetings = [f"{code}{own_host(mask)} {words}" for mask, (code, words) in product(table["hosts"], wordings(table))]

    assert {greeting: service_of(greeting) for greeting in greetings} == dict.fromkeys(greetings, table["product"])


@pytest.mark.parametrize("table", WITH_HOSTS, ids=lambda table: table["id"])
def test_a_foreign_host_with_the_provider_s_name_in_its_own_is_no_service(table: dict[str, Any]) -> None:
    greetings = [
        f"{code}{host} {words}"
        for mask, (code, words) in product(table["hosts"], wordings(table))
        for host in (*foreign_hosts(mask), "mx.example.org")
    ]

    assert {greeting: service_of(greeting) for greeting in greetings} == dict.fromkeys(greetings)


@pytest.mark.parametrize("table", WITH_HOSTS, ids=lambda table: table["id"])
def test_a_program_that_names_itself_at_a_provider_s_host_is_the_program(table: dict[str, Any]) -> None:
    for mask, (name, words) in product(table["hosts"], PROGRAMS.items()):
        software = identified(f"220 {own_host(mask)} {words}")
        assert software is not None
        assert (software.product, software.kind) == (name, "software")


@pytest.mark.parametrize("table", [table for table in TABLES if "urls" in table], ids=lambda table: table["id"])
def test_a_refusal_that_quotes_its_owner_is_nobody_else_s(table: dict[str, Any]) -> None:
    for url in table["urls"]:
        host, slash, path = url.partition("/")
        assert service_of(f"554 5.7.1 Refused (192.0.2.1). See https://{url}") == table["product"]
        assert service_of(f"554 5.7.1 Refused, see {url} for more") == table["product"]
        for greeting in (
            f"554 mx.example.org Refused. See https://{url}",
            f"554 5.7.1 mx.example.org: Refused. See https://{url}",
            f"554 Refused. See https://{host}.example{slash}{path}",
            f"554 Refused. See https://not{url}",
            f"554 Refused. See https://evil.example/{url}",
            f"554 Refused. See https://{host}@evil.example{slash}{path}",
            f"220 Welcome. See https://{url}",
        ):
            assert service_of(greeting) is None, greeting


@pytest.mark.parametrize(
    "text",
    [
        "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
        "550 192.0.2.1 is listed at bl.spamcop.net; see https://www.spamcop.net/bl.shtml?192.0.2.1",
        "554 Blocked by SORBS, see http://www.sorbs.net/lookup.shtml?192.0.2.1",
        "550 Rejected: 192.0.2.1, listed at http://csi.cloudmark.com/reset-request for remediation.",
        "521 5.7.1 Your host is listed in dnsbl-1.uceprotect.net",
        "554 5.7.1 192.0.2.1 listed in combined.mail.abusix.zone, see https://lookup.abusix.com/",
        "554 Client host blocked using b.barracudacentral.org, see http://www.barracudacentral.org/reputation?r=1",
        "554 mx.example.org has a poor reputation on Cloudmark Sender Intelligence (CSI).",
    ],
)
def test_the_list_that_a_server_uses_is_not_what_it_is(text: str) -> None:
    assert identified(text) is None


def test_words_of_nobody_name_nobody_at_a_thousand_hosts() -> None:
    """Hosts of customers, of universities, of words that are names of providers; what they say may be anybody's."""
    names = ["google", "yahoo", "orange", "free", "sky", "me", "web", "mail", "terra", "naver", "gmx", "qq", "bt", "au"]
    forms = ["{}.example.com", "mx.{}.example.org", "{}", "mail-{}.example.net", "{}-mx1.example.com", "mx1.my{}.com"]
    words = ["ESMTP", "ESMTP ready", "SMTP Server ready", f"ESMTP; {DATE}", "ESMTP service ready", "ready"]
    customers = [
        *("c-192-0-2-1.hsd1.pa.comcast.net", "static-192-0-2-1.nycmny.fios.verizon.net", "cpe-1.socal.res.rr.com"),
        *("ec2-192-0-2-1.compute-1.amazonaws.com", "vps-1a2b3c4d.vps.ovh.net", "1.2.0.192.host.secureserver.net"),
        *("p5b0f1a2b.dip0.t-ipconnect.de", "192-0-2-1.hinet-ip.hinet.net", "1.0.192.in-addr.btopenworld.example"),
        *("lfbn-par-1-1.w92-1.abo.wanadoo.fr", "mail.dsl.xs4all.nl", "1.2.0.192.cust.bluewin.ch", "vm.mcs.mail.ru"),
        *("host1-2-0-192.serverdedicati.aruba.it", "host1.business.telecomitalia.it", "a.adsl.skynet.be"),
        *("ppp1-2.static.internode.on.net", "1.jetstream.xtra.co.nz", "1.adsl-dyn.isp.belgacom.be", "x.abo.bbox.fr"),
        *("ov-1a2b.infomaniak.ch", "p1.tokyo.ocn.ne.jp", "1-2-0-192.dclient.hispeed.ch", "adsl-1.dsl.prodigy.net"),
        *("1.2.0.192.bc.googleusercontent.com", "adsl-192-0-2-1.dsl.pltn13.pacbell.net", "mail.sophos.example"),
    ]
    hosts = [form.format(name) for form, name in product(forms, names)] + customers
    greetings = [f"220 {host} {said}" for host, said in product(hosts, words)]
    greetings += [f"220 {name}" for name in hosts]

    assert {greeting: service_of(greeting) for greeting in greetings} == dict.fromkeys(greetings)


def test_the_examples_of_programs_are_no_services() -> None:
    programs = [rule for rule in RULES if "kind" not in rule.fixed]
    texts = [example.greeting for rule in programs for example in rule.examples]

    assert len(texts) > 400
    assert [text for text in texts if service_of(text) is not None] == []


def test_a_greeting_without_a_host_has_a_counterexample() -> None:
    for table in TABLES:
        assert "nameless" not in table or table.get("counterexamples"), table["id"]


GOOD: Final = {
    "id": '"foo.mail"',
    "product": '"Foo Mail"',
    "vendor": '"Foo"',
    "hosts": '["*.foo.example", "mx*.foo.test"]',
    "examples": '["220 mx.foo.example ESMTP ready"]',
}


def service_file(**changes: str | None) -> str:
    """Return a file with one good service, some keys changed or (None) left out."""
    table = {**GOOD, **changes}
    return "[[service]]\n" + "".join(f"{key} = {value}\n" for key, value in table.items() if value is not None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("220 mx.foo.example ESMTP ready", True),
        ("220 a.b.foo.example ESMTP", True),
        ("220 MX.FOO.EXAMPLE SMTP Server ready", True),
        (f"220 mx.foo.example ESMTP; {DATE}", True),
        (f"220 mx.foo.example Service ready at {DATE}", True),
        ("220 mx.foo.example SMTP Server ready November 22, 2026 1:51:55 AM PST", True),
        ("220 mx.foo.example ESMTP 2026-11-22 09:51:55", True),
        ("554 mx.foo.example ESMTP server not available", True),
        ("220 mx12.foo.test ESMTP", True),
        ("220 mx.foo.test ESMTP", True),
        ("220 mx1.a.foo.test ESMTP", False),
        ("220 foo.example ESMTP", False),
        ("220 mx.notfoo.example ESMTP", False),
        ("220 mx.foo.example.org ESMTP", False),
        ("220 mx.foo.example. ESMTP", True),
        ("220 mx.foo.example", False),
        ("220 mx.foo.example ESMTP Bar", False),
        ("220 mx.foo.example ESMTP Bar 4.96", False),
        ("220 mx.foo.example ESMTP ready for Bar", False),
    ],
)
def test_a_host_is_matched_whole_and_words_of_others_are_not_its_own(text: str, *, expected: bool) -> None:
    rules = Fingerprints(load_services(service_file(), "own.toml"))

    assert (rules.identify(parse_banner(text.encode() + b"\r\n")) is not None) is expected


def test_a_service_becomes_a_rule() -> None:
    (rule,) = load_services(service_file(line='"Foo"', says="['Foo (?P<build>[0-9]{1,9})']"), "own.toml")

    assert (rule.id, rule.words, rule.confidence, rule.specificity) == ("foo.mail", ("foo",), 0.9, 60)
    assert rule.fixed == {"product": "Foo Mail", "vendor": "Foo", "product_line": "Foo", "kind": "service"}
    software = Fingerprints([rule]).identify(parse_banner(b"220 mx.foo.example Foo 17\r\n"))
    assert software is not None
    assert (software.build, software.kind, software.product_line) == ("17", "service", "Foo")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"hosts": None}, "hosts, nameless or urls must be given"),
        ({"hosts": '["foo"]'}, "hosts: 'foo' is not a host name"),
        ({"hosts": '["foo.*"]'}, "hosts: 'foo.*' is not a host name"),
        ({"hosts": '["*a*.foo.example"]'}, "hosts: '*a*.foo.example' is not a host name"),
        ({"hosts": '["*.mx*.foo.example"]'}, "has a star behind one that stands for any labels"),
        ({"urls": '["https://foo.example/"]'}, "urls: 'https://foo.example/' is not a host name"),
        ({"hosts": '["163.example"]'}, "words or flags must be given"),
        ({"product": None}, "software.product is missing"),
        ({"says": "['(Foo)']"}, "the pattern has a group without a name"),
        ({"colour": '"red"'}, "unknown key 'colour'"),
        ({"id": None}, "id is missing"),
    ],
)
def test_a_mistake_in_a_service_is_found_with_file_and_service_named(
    changes: dict[str, str | None], problem: str
) -> None:
    with pytest.raises(RuleError) as error:
        load_services(service_file(**changes), "own.toml")

    assert problem in str(error.value)
    assert str(error.value).startswith("own.toml: rule ")
