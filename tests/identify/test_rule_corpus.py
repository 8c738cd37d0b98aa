"""All examples with all rules together: each names its product and nothing else does, and traps name nothing."""

import pytest

from scanner.identify import Fingerprints, Rule
from scanner.identify.index import SESSION_ID
from scanner.identify.patterns import FRAGMENTS, compile_pattern
from scanner.identify.rule_files import SHARED_FRAGMENTS, load_rules, read_rules
from scanner.model import Software
from scanner.smtp import parse_banner

RULES = read_rules()
SHIPPED = Fingerprints(RULES)
EXAMPLES = [(rule, example.greeting) for rule in RULES for example in rule.examples]
COUNTEREXAMPLES = [(rule, greeting) for rule in RULES for greeting in rule.counterexamples]


def identified(greeting: str) -> Software | None:
    return SHIPPED.identify(parse_banner(greeting.encode() + b"\r\n"))


def test_every_rule_has_a_greeting_that_it_must_leave_alone() -> None:
    assert [rule.id for rule in RULES if not rule.counterexamples] == []


def test_every_example_is_named_as_its_product_by_its_own_rule() -> None:
    named = {(rule.id, greeting): identified(greeting) for rule, greeting in EXAMPLES}
    wrong = [key for key, software in named.items() if software is None or software.evidence != key[0]]
    assert wrong == []


def test_no_counterexample_is_named_by_the_rule_that_must_leave_it_alone() -> None:
    named = {(rule.id, greeting): identified(greeting) for rule, greeting in COUNTEREXAMPLES}
    assert [key for key, software in named.items() if software is not None and software.evidence == key[0]] == []


def test_no_rule_names_the_example_of_another_product_alone() -> None:
    """Where two products match one greeting, one of them stands in front of the other, or is the provider's own."""
    in_front = {"trend.interscan-front"}
    both = set()
    for rule, greeting in EXAMPLES:
        said = SHIPPED.matches(parse_banner(greeting.encode() + b"\r\n"))
        if {software.product for software in said} != {rule.fixed["product"]}:
            both.add(rule.id)
    services = {rule.id for rule in RULES if rule.fixed.get("kind") == "service" or rule.source == "providers.toml"}
    assert both - services == in_front


# Owners, wishes and warnings: words that products have as well, and that administrators write into greetings.
TRAPS = """
    Exchange Bank|Courier Service|Courier services of Example|Momentum Ltd|Postal Services|David|Stalker|Apple Inc
    Sharp Minds|Oracle|Citadel Securities|Mercury Insurance|Domino's Pizza|Amazon Web|Trend|Sophos Ltd|Symantec
    Barracuda Beach Bar|Cisco|Fortinet|Brother|Canon Law Society|Xerox|Samsung|Toshiba|Ricoh|Kyocera|Axis Bank|Atlas
    Phoenix|Titan|Gateway|Mail Gate|Mail Guard|MailGate|Spam Filter|Anti-Spam Gateway|Virus Wall|Email Gateway
    Secure Email Gateway|Email Security Appliance|Email Filter Appliance|Firewall|Proxy|SMTP Proxy|Relay|Mail Relay
    Mail Server|Mailserver|Internet Mail Server|Internet Messaging System|Messaging Server|Messaging Gateway
    Interchange|Postmaster|Post Office|Hermes|Zeus|Apollo|Neon|Matrix|Sentinel|Guardian|Ninja|Eagle|Falcon|Raptor Ltd
    Panda Express|Avast ye|Lotus Cars|Notes|Generic|Hurricane|Thunder|Lightning|Quick Mail|Easy Mail|Fast Mail
    Ability Housing|Bridge|Condor Airlines|Patrol|Rex|Rumble|Salmon|Maddy|Hula|Bongo Drums|Retain|SAP|SQL|AS/400
    Linux|Windows|NT|UNIX|VMS|Sun|HP|IBM|Dell|Novell|Microsoft|Google|Python|Java|Ruby|Node|Erlang|Go|PHP
    Test|Demo|Example Corp|Acme Mail|University of Example|Example ISP|no spam|NO UCE|Authorized use only|Go away
    Keep out|Unauthorized access prohibited|InetServices|Octel|Esker|Ability Server|Email Engine|MailStation
""".replace("\n", "|").split("|")
FORMS = (
    "220 mail.example.com ESMTP {}",
    "220 mail.example.com ESMTP {} Mailing",
    "220 mail.example.com ESMTP {} ready",
    "220 {} ESMTP",
    "220 mail.example.com ESMTP Welcome to {}",
    "220 mail.example.com {} ESMTP ready at Sun, 22 Nov 2026 09:51:55 +0000",
    "220 mail.example.com SMTP {} service ready",
    "220 mail.example.com -- {}",
    "220 mail.example.com ESMTP ({})",
    "220 mail.example.com ESMTP {} 2.0",
    "220-mail.example.com ESMTP\r\n220-{}\r\n220 no spam",
    "554 {}: access denied",
)


def test_in_more_than_a_thousand_greetings_of_owners_no_product_is_named() -> None:
    owners = [trap.strip() for trap in TRAPS if trap.strip()]
    greetings = [form.format(owner) for owner in owners for form in FORMS]
    assert len(greetings) > 1500
    assert [greeting for greeting in greetings if identified(greeting) is not None] == []


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("h ESMTP Foo", None),
        ("h ESMTP Foo ready", None),
        ("h.example.com Welcome to the Foo v3.1, hi", "3.1"),
        ("h -- Server ESMTP (Foo V6.0-025)", "6.0-025"),
        ("h |ESMTP Foo 4.94.2| today", "4.94.2"),
        ("h ESMTP Foo/2.1", "2.1"),
        ("h ESMTP Foo-2.1", "2.1"),
        ("h ESMTP Foo, Version: 3.7b6-6", "3.7b6-6"),
        ("h ESMTP Foo Release 5", "5"),
        ("h ESMTP Foo 14 Nov 2023", None),
        ("h ESMTP Foo 14.11.2023 10:20", None),
        ("h ESMTP Foo 10:20", None),
        ("h ESMTP Foo 10.mail.example.com", None),
        ("h ESMTP Foo 1.2.mx.example.com", None),
        ("h ESMTP Foo Mon, 14 Nov 2023", None),
    ],
)
def test_what_follows_a_name_is_a_version_only_when_it_looks_like_one(text: str, version: str | None) -> None:
    match = compile_pattern("%{AFTER}Foo%{TAIL}", {}).match(text)
    assert match is not None
    assert match["version"] == version


@pytest.mark.parametrize(
    "text",
    [
        "Foo ready",
        "h ESMTP behind Foo",
        "h ESMTP no Foo",
        "h ESMTP Food",
        "h ESMTP Foo.example.com",
        "h ESMTP Foo-like relay",
        "h ESMTP Foo Brothers",
        "h ESMTP myFoo 1.0",
    ],
)
def test_a_name_within_another_one_or_in_a_remark_is_not_a_products(text: str) -> None:
    assert compile_pattern("%{AFTER}Foo%{TAIL}", {}).match(text) is None


@pytest.mark.parametrize("name", SHARED_FRAGMENTS)
def test_a_fragment_that_is_written_once_is_no_other_text_of_a_pattern(name: str) -> None:
    assert f"%{{{name}}}" not in FRAGMENTS[name]


ID_RULE = f"""
    [[rule]]
    id = "foo.token"
    flags = ["{SESSION_ID}"]
    pattern = '''%{{NAME}} ESMTP \\([0-9a-f]{{32}}\\)$'''
    confidence = 0.9
    software = {{ product = "Foo" }}
    examples = [{{ greeting = "220 h ESMTP (0a8d40ef45300cc1bd0f16ced5c9e6f1)" }}]
"""


@pytest.mark.parametrize(
    ("greeting", "found"),
    [
        (b"220 h ESMTP (0a8d40ef45300cc1bd0f16ced5c9e6f1)\r\n", True),
        (b"220-h\r\n220 h ESMTP (0a8d40ef45300cc1bd0f16ced5c9e6f1)\r\n", True),
        (b"220 h ESMTP (0a8d40ef45300cc1bd0f16ced5c9e6f)\r\n", False),
        (b"220 h ESMTP 0a8d40ef45300cc1bd0f16ced5c9e6f12)\r\n", False),
        (b"220 h ESMTP (0a8d40ef45300cc1bd0f16ced5c9e6f1) ready\r\n", False),
        (b"220 h :session_id (0a8d40ef45300cc1bd0f16ced5c9e6fz)\r\n", False),
    ],
)
def test_an_id_of_a_session_stands_for_a_word(greeting: bytes, *, found: bool) -> None:
    rules: tuple[Rule, ...] = load_rules(ID_RULE, "own.toml")
    assert (Fingerprints(rules).identify(parse_banner(greeting)) is not None) is found
