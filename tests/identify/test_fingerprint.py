"""Which rule speaks for a greeting, and that no greeting can do harm."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import RuleError
from scanner.identify import Fingerprints, identify
from scanner.identify.fingerprint import _CACHED_SOFTWARE
from scanner.identify.rule_files import load_rules, read_rules
from scanner.model import Banner, Software
from scanner.smtp import parse_banner

RULES = read_rules()
SHIPPED = Fingerprints(RULES)
EXAMPLES = [example.greeting for rule in RULES for example in rule.examples]


def parsed(text: str) -> Banner:
    return parse_banner(text.encode() + b"\r\n")


def own_rule(rule_id: str, pattern: str, more: str = "", software: str = "") -> str:
    return f"""
        [[rule]]
        id = "{rule_id}"
        words = ["foo"]
        pattern = '''{pattern}'''
        confidence = 0.9
        software = {{ product = "{rule_id}" {software} }}
        examples = [{{ greeting = "220 h ESMTP Foo" }}]
        {more}
    """


def own_set(*texts: str) -> Fingerprints:
    return Fingerprints(load_rules("".join(texts), "own.toml"))


def products(fingerprints: Fingerprints, text: str) -> list[str]:
    return [software.product for software in fingerprints.matches(parsed(text))]


def test_the_most_specific_rule_speaks_and_the_others_can_be_heard() -> None:
    rules = own_set(
        own_rule("foo.any", "%{HOST}ESMTP Foo", "specificity = 10"),
        own_rule("foo.version", "%{HOST}ESMTP Foo (?P<version>%{VERSION})", "specificity = 60"),
        own_rule("foo.other", "%{HOST}SMTP Foo"),
    )
    assert products(rules, "220 h ESMTP Foo 1.0") == ["foo.version", "foo.any"]
    assert products(rules, "220 h ESMTP Foo") == ["foo.any"]
    software = rules.identify(parsed("220 h ESMTP Foo 1.0"))
    assert software == Software(product="foo.version", version="1.0", confidence=0.9, evidence="foo.version")


def test_of_two_equally_specific_rules_the_earlier_one_speaks() -> None:
    first, second = own_rule("foo.first", "%{HOST}ESMTP Foo"), own_rule("foo.second", "%{HOST}ESMTP Foo")
    assert products(own_set(first, second), "220 h ESMTP Foo") == ["foo.first", "foo.second"]
    assert products(own_set(second, first), "220 h ESMTP Foo") == ["foo.second", "foo.first"]


def test_further_rules_stand_beside_the_shipped_ones() -> None:
    further = load_rules(own_rule("foo.any", "%{HOST}ESMTP Foo"), "own.toml")
    rules = Fingerprints.shipped(further)
    assert products(rules, "220 h ESMTP Foo") == ["foo.any"]
    assert products(rules, "220 h ESMTP Postfix")[0] == "Postfix"
    assert len(rules.rules) == len(RULES) + 1


def test_two_rules_with_one_id_are_refused_with_their_files() -> None:
    twice = [*load_rules(own_rule("foo.any", "Foo"), "a.toml"), *load_rules(own_rule("foo.any", "Foo"), "b.toml")]
    with pytest.raises(RuleError, match=r"2 rules have the id foo\.any: a\.toml, b\.toml"):
        Fingerprints(twice)


def test_a_rule_for_some_codes_leaves_others_alone() -> None:
    rules = own_set(own_rule("foo.busy", "%{HOST}Foo", "codes = [421, 450]"))
    assert products(rules, "421 h Foo") == ["foo.busy"]
    assert products(rules, "220 h Foo") == []


def test_a_rule_with_a_flag_needs_no_word_and_a_word_cannot_pretend_to_be_a_flag() -> None:
    rules = own_set(own_rule("foo.flagged", ".", 'flags = ["masked"]').replace('words = ["foo"]', ""))
    assert products(rules, "220 ****************0*") == ["foo.flagged"]
    assert products(rules, "220 h :masked masked") == []


def test_a_rule_whose_grammar_cannot_read_the_version_gives_way_to_the_next() -> None:
    rules = own_set(
        own_rule("foo.grammar", "%{HOST}ESMTP Foo (?P<versions>[^;]{1,40})", 'specificity = 60\ngrammar = "sendmail"'),
        own_rule("foo.any", "%{HOST}ESMTP Foo"),
    )
    assert products(rules, "220 h ESMTP Foo 8.14.7/8.13.8") == ["foo.grammar", "foo.any"]
    assert products(rules, "220 h ESMTP Foo (unknown)") == ["foo.any"]


def test_a_word_behind_a_system_takes_the_system_back_and_not_the_product() -> None:
    rules = own_set(
        own_rule("foo.system", r"%{HOST}ESMTP Foo \((?P<os>Linux)", "specificity = 60"),
        own_rule("foo.any", "%{HOST}ESMTP Foo"),
    )
    assert products(rules, "220 h ESMTP Foo (Linux)") == ["foo.system", "foo.any"]
    assert products(rules, "220 h ESMTP Foo (Linux hats)") == ["foo.any"]


def test_a_rule_is_tried_on_every_line_and_may_look_beyond_one() -> None:
    assert products(own_set(own_rule("foo.any", "%{HOST}ESMTP Foo$")), "220-Welcome\r\n220-h ESMTP Foo\r\n220 Bye")
    assert products(own_set(own_rule("foo.two", "Foo\nBar")), "220-a\r\n220-Foo\r\n220 Bar") == ["foo.two"]
    assert products(own_set(own_rule("foo.any", "%{HOST}Foo")), "220-Welcome to\r\n220 the house of Foo") == []


def test_tabs_and_spaces_around_the_words_do_not_matter() -> None:
    rules = own_set(own_rule("foo.any", "%{HOST}ESMTP Foo$"))
    for text in ("220 h\tESMTP\tFoo", "220   h ESMTP Foo  ", "220-x\r\n220  h ESMTP Foo ", "220 ESMTP Foo"):
        assert products(rules, text) == ["foo.any"], text


def test_two_hosts_with_one_version_share_one_identity_and_the_cache_stays_bounded() -> None:
    rules = own_set(own_rule("foo.version", "%{HOST}ESMTP Foo (?P<version>%{VERSION})"))
    first, second = (rules.identify(parsed(f"220 {host} ESMTP Foo 1.0; {host}")) for host in ("a.example", "b.example"))
    assert first is second
    assert repr(rules) == "<Fingerprints: 1 rules, 1 words, 1 cached>"
    for number in range(_CACHED_SOFTWARE + 10):
        rules.identify(parsed(f"220 h ESMTP Foo {number}"))
    assert repr(rules) == f"<Fingerprints: 1 rules, 1 words, {_CACHED_SOFTWARE} cached>"


def test_the_cpe_is_made_from_the_version_or_from_what_the_rule_gives_for_it() -> None:
    cpe = ', cpe = "cpe:2.3:a:foo:foo:{version}:*:*:*:*:*:*:*"'
    rules = own_set(own_rule("foo.a", "Foo (?P<version>(?P<cpe_version>[0-9])[0-9.]{0,9})", software=cpe))
    software = rules.identify(parsed("220 Foo 5.5.26"))
    assert software is not None
    assert (software.version, software.cpe) == ("5.5.26", "cpe:2.3:a:foo:foo:5:*:*:*:*:*:*:*")


@pytest.mark.parametrize(
    "text",
    ["220 h ESMTP", "220 ESMTP", "220", "220  ESMTP ", "554 No SMTP service here", "421 h", "SSH-2.0-OpenSSH_9.2"],
)
def test_a_greeting_without_a_product_is_nobodys(text: str) -> None:
    assert identify(parsed(text)) is None


def test_no_bytes_at_all_are_nobodys() -> None:
    assert identify(parse_banner(b"")) is None


WORDS = sorted({word for rule in RULES for word in rule.words})


@pytest.mark.parametrize("word", WORDS)
def test_a_word_in_a_host_name_or_a_remark_names_no_product(word: str) -> None:
    for name in {word, word.capitalize(), word.upper()}:
        for text in (
            f"220 {name} ESMTP",
            f"220 {name}.example.com ESMTP",
            f"220 mail.{name}.example.com ESMTP ready",
            f"220 {name}",
            f"220 {name} ready",
            f"220 h ESMTP ready; no {name} here",
            f"220 h ESMTP my{name} 1.0",
            f"220 h ESMTP {name}proxy 1.0",
            f"220 h ESMTP behind {name}",
            f"220 h ESMTP powered by not-{name}",
        ):
            assert identify(parsed(text)) is None, text


@pytest.mark.parametrize(
    ("text", "product", "confidence"),
    [
        ("220-mail.example.com\r\n220 mail.example.com ESMTP", "Postfix", 0.4),
        ("220 " + "*" * 40 + "0*2", "Cisco PIX/ASA SMTP fixup", 0.6),
        ("*" * 40 + "0*2", "Cisco PIX/ASA SMTP fixup", 0.6),
        ("220-laposte\r\n220 lpn-prd-vrin019 ESMTP Postfix (Ubuntu)", "Postfix", 0.9),
        ("421 4.7.0 h Error: too many connections from 192.0.2.1", "Postfix", 0.6),
        ("554 SMTP synchronization error", "Exim", 0.6),
    ],
)
def test_hints_and_refusals_are_less_sure(text: str, product: str, confidence: float) -> None:
    software = identify(parsed(text))
    assert software is not None
    assert (software.product, software.confidence) == (product, confidence)


def test_text_that_is_not_ascii_is_no_error() -> None:
    greeting = parsed("220 h ESMTP Exim 4.96")._replace(lines=("h ESMTP Exim 4.96 \u2028\ud800",))
    software = identify(greeting)
    assert software is not None
    assert software.version == "4.96"


@given(st.sampled_from(EXAMPLES), st.data())
def test_a_mutated_greeting_never_raises_and_says_only_printable_text(example: str, data: st.DataObject) -> None:
    raw = bytearray(example.encode() + b"\r\n")
    for _ in range(data.draw(st.integers(1, 6))):
        position = data.draw(st.integers(0, len(raw)))
        raw[position : position + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    for software in SHIPPED.matches(parse_banner(bytes(raw))):
        for text in (software.version, software.config_version, software.package, software.patch, software.cpe):
            assert text is None or (text.isascii() and text.isprintable())


HOSTILE = [
    "{word} " * 4100,
    "h ESMTP {word}" + " " * 8000,
    "h " + "ESMTP {word} " * 1000,
    ";; " + "a " * 4000 + "{word}",
    "[" * 4000 + " ESMTP {word} " + "8." * 2000,
    "h ESMTP {word} " + "8.1/" * 2000,
    "h ESMTP {word} (" + "1" * 8000,
    "a-" * 4000 + " {word}",
]


@pytest.mark.parametrize("form", HOSTILE)
def test_eight_kib_of_anything_are_matched_against_every_rule_at_once(form: str) -> None:
    for rule in RULES:
        prefix = rule.examples[0].greeting.partition(" ")[2]
        for word in rule.words or ("x",):
            text = form.format(word=word)[:8192]
            assert len(text) > 6000
            pattern = re.compile(rule.pattern, re.MULTILINE)
            pattern.match(text)
            pattern.match((prefix + text)[:8192])


def test_a_hundred_lines_of_every_word_end_in_an_answer() -> None:
    line = " ".join(WORDS)[:70]
    everything = "\r\n".join(f"220-{line}" for _ in range(99)) + "\r\n220 h ESMTP Postfix"
    software = identify(parsed(everything))
    assert software is not None
    assert software.evidence == "postfix.plain"


@pytest.mark.parametrize(
    ("greeting", "product", "version"),
    [
        ("220 DavMail 6.3.12 SMTP ready at ", "DavMail", "6.3.12"),
        ("220 DavMail SMTP ready at Tue, 14 Nov 2023 10:20:30 +0000", "DavMail", None),
        ("220 Exim 4.96 ESMTP ready", "Exim", "4.96"),
        ("220 Haraka/3.1.1 ready", "Haraka", "3.1.1"),
        ("220 CommuniGate Pro 6.3.12 mail server ready", "CommuniGate Pro", "6.3.12"),
        ("220 hMailServer ESMTP", "hMailServer", None),
        ("220 exim ESMTP ready", None, None),
        ("220 courier ESMTP server ready", None, None),
        ("220 COURIER SMTP", None, None),
        ("220 exim.example.com 4.96 ESMTP ready", None, None),
        ("220 exim 10.0.0.1 ESMTP ready", None, None),
        ("220 Exim 4.96 was replaced", None, None),
    ],
)
def test_a_name_that_begins_a_greeting_needs_a_version_or_capitals_that_no_host_has(
    greeting: str, product: str | None, version: str | None
) -> None:
    said = identify(parse_banner(greeting.encode() + b"\r\n"))
    assert (said and said.product, said and said.version) == (product, version)
