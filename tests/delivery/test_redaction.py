"""Claims about `scanner.delivery.redaction`: secrets are found in every form, messages survive, cuts leave nothing."""

import base64
import html
import io
import json
import logging
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.delivery.redaction import CleanStream, Redaction
from scanner.smtp import escape

FORMS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "percent": lambda text: quote(text, safe=""),
    "percent, lower case": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "percent, twice": lambda text: quote(quote(text, safe=""), safe=""),
    "form": quote_plus,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON, not ASCII": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON, twice": lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
    "JSON, slashes": lambda text: json.dumps(text)[1:-1].replace("/", r"\/"),
    "repr": lambda text: repr(text)[1:-1],
    "ascii": lambda text: ascii(text)[1:-1],
    "repr of bytes": lambda text: repr(text.encode())[2:-1],
    "escaped": lambda text: escape(text.encode()),
    "HTML": html.escape,
    "HTML, numbers": lambda text: "".join(f"&#{ord(each)};" for each in text),
    "HTML, hexadecimal": lambda text: "".join(f"&#x{ord(each):X};" for each in text),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64, no padding": lambda text: base64.b64encode(text.encode()).decode().rstrip("="),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64, percent": lambda text: quote(base64.b64encode(text.encode()).decode(), safe=""),
}
SECRETS = [
    "hunter2hunter",
    "abcd",
    "3f2a61b8-7d90-4c1e-9a55-0123456789ab",
    's3cr3t/T0ken+with=odd"chars\\ and two  spaces',
    "pässwörd€\U0001f600",
    "tab\tin it",
    "%41%42%43%44",
    "\\x41\\u0041&amp;",
    "x" * 1000 + "y",
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: ascii(secret[:20]))
def test_a_secret_is_found_in_every_form(secret: str, form: str) -> None:
    said = FORMS[form](secret)

    assert Redaction(secret).clean(f"before <{said}> after") == "before <***> after"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("change", [str.upper, str.lower])
@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: ascii(secret[:20]))
def test_a_secret_is_found_in_lower_and_upper_case(secret: str, change: Callable[[str], str], form: str) -> None:
    redaction = Redaction(secret)

    assert redaction.clean(f"before <{FORMS[form](change(secret))}> after") == "before <***> after"
    if not form.endswith("twice") and form != "HTML":  # `&AMP;` and `\U0041` stand for nothing
        assert redaction.clean(f"before <{change(FORMS[form](secret))}> after") == "before <***> after"


@pytest.mark.parametrize("secret", ["abc", "Abcd", SECRETS[0]])
def test_user_and_secret_in_base64_are_hidden_in_any_case(secret: str) -> None:
    redaction = Redaction()
    redaction.add(secret, "Joe")
    encoded = base64.b64encode(f"Joe:{secret}".encode()).decode()

    assert redaction.clean(f"Basic {encoded.lower()}, {encoded.upper()}").count("***") == 2


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: ascii(secret[:20]))
@pytest.mark.parametrize("around", [("joe:", ""), ("\0joe\0", ""), ("x", "yz"), ("ab", "c"), ("", "!")])
def test_base64_of_a_text_with_a_secret_in_it_gives_nothing_of_it_away(secret: str, around: tuple[str, str]) -> None:
    encoded = base64.b64encode(f"{around[0]}{secret}{around[1]}".encode()).decode()

    cleaned = Redaction(secret).clean(encoded)

    before, _, after = cleaned.partition("***")
    assert "***" in cleaned
    assert around[0].encode().startswith(base64.b64decode(before[: len(before) // 4 * 4]))
    assert len(after.rstrip("=")) <= len(around[1]) * 4 // 3 + 1


@pytest.mark.parametrize("secret", ["a", "abc", "abcd", SECRETS[3]])
def test_user_and_secret_in_base64_are_hidden_together(secret: str) -> None:
    redaction = Redaction()
    redaction.add(secret, "joe")
    basic = base64.b64encode(f"joe:{secret}".encode()).decode()
    plain = base64.b64encode(f"\0joe\0{secret}".encode()).decode()

    assert redaction.clean(f"Basic {basic}, PLAIN {plain}.") == "Basic ***, PLAIN ***."


def test_a_short_secret_is_hidden_only_where_it_stands_alone() -> None:
    redaction = Redaction("4")

    assert redaction.clean("HTTP 404 400: 4, token=4 (x4y)") == "HTTP 404 400: ***, token=*** (x4y)"


def test_messages_without_a_secret_stay_as_they_are() -> None:
    redaction = Redaction("hunter2hunter", "")
    for text in ("", "HTTP 400 no such index", "hunter", "hunter2 hunter", "aHVudGVy"):
        assert redaction.clean(text) == text


@pytest.mark.parametrize(("length", "shown"), [(7, "abcdefg"), (8, "***"), (15, "***"), (16, "***")])
def test_the_beginning_of_a_secret_is_hidden_from_eight_characters_on(length: int, shown: str) -> None:
    assert Redaction("abcdefghijklmnop").clean(f"<{'abcdefghijklmnop'[:length]}>") == f"<{shown}>"


def test_less_than_half_of_a_long_secret_may_be_a_word() -> None:
    redaction = Redaction("smtpsweep-writer-of-the-siem")

    assert redaction.clean("run smtpsweep replay") == "run smtpsweep replay"
    assert redaction.clean("smtpsweep-writer") == "***"


def test_a_beginning_that_is_too_short_does_not_hide_the_secret_that_follows_it() -> None:
    secret = f"{'ab' * 9}0123456789cdefghijklmn"  # 40 characters: a beginning of 20 is enough, of 18 is not
    redaction = Redaction(secret)

    assert redaction.clean(f"<{secret[:19]}> <{secret}>") == f"<{secret[:19]}> <***>"
    assert redaction.clean(f"<{secret[:20]}>") == "<***>"
    assert redaction.clean(f"<ab{secret}>") == "<ab***>"  # what begins the beginning is passed over one by one


def test_a_secret_beside_another_and_one_in_another_are_hidden() -> None:
    assert Redaction("abcdefgh", "efghijkl").clean("abcdefghefghijkl abcdefghijkl") == "****** ***"


@pytest.mark.parametrize("before", range(185, 203))
def test_what_is_cut_was_cleaned_before(before: int) -> None:
    secret = "s3cr3t-of-the-receiver"  # noqa: S105  a made-up one
    shown = Redaction(secret).beginning(b"." * before + secret.encode() + b" and more" * 50, 200)

    assert shown == ("." * before + "*** and more")[:200].rstrip() or shown.startswith("." * min(before, 200))
    assert "s3cr" not in shown
    assert len(shown) <= 200


def test_a_text_of_any_size_is_cut_without_a_rest_of_a_secret() -> None:
    secret = "0123456789" * 100
    shown = Redaction(secret).beginning(secret.encode() * 1000, 2000)

    assert set(shown) == {"*"}


def test_the_beginning_of_a_harmless_text_is_one_printable_line() -> None:
    redaction = Redaction("s3cr3t-of-the-receiver")

    assert redaction.beginning(b"\x1b[31mred\r\n \xff" + b"x" * 300, 20) == r"\x1b[31mred\x0d\x0a \xff" + "x" * 8
    assert redaction.beginning("\ud800 \u202e\n", 200) == r"\\ud800 \xe2\x80\xae"
    assert Redaction().beginning("x" * 100, 10) == "x" * 10


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=4, max_size=40)


@given(TEXTS, st.sampled_from(sorted(FORMS)))
def test_any_secret_is_found_in_every_form(secret: str, form: str) -> None:
    assert Redaction(secret).clean(f" {FORMS[form](secret)} ") == " *** "


@given(st.text(max_size=60), st.text(max_size=200))
def test_any_text_can_be_cleaned_of_anything(secret: str, text: str) -> None:
    cleaned = Redaction(secret).clean(text)

    assert len(secret) < 4 or secret not in cleaned or set(secret) == {"*"}


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("\\" * 40, "\\" * 19 + " "),
        ("\\" * 30 + "x", "\\" * 50 + "y"),
        ("%25" * 20, "%25" * 9 + "%"),
        (" +" * 20, "+ " * 9 + "."),
        ("+ %20\\" * 8, "+ %20\\" * 3 + "&#32;" * 40),
    ],
    ids=ascii,
)
def test_what_could_be_read_in_many_ways_takes_no_more_time_than_other_text(secret: str, said: str) -> None:
    """Tried one after the other, the ways to read these would outlast everybody."""
    redaction = Redaction(secret)

    assert redaction.clean(f"<{secret}>") == "<***>"
    assert secret not in redaction.clean(said * 200)


def test_the_log_is_cleaned_with_its_arguments_and_tracebacks() -> None:
    redaction, out, logger = Redaction("hunter2hunter"), io.StringIO(), logging.getLogger()
    handler = logging.StreamHandler(out)
    logger.addHandler(handler)
    try:
        redaction.guard_logs()
        logging.getLogger("any.library").warning("sent %s", {"Authorization": "Bearer hunter2hunter"})
        logging.getLogger("any.library").warning("fine %d", 1)
        for problem in (ValueError("no: hunter2hunter"), ValueError("other")):
            logging.getLogger("any.library").error("failed", exc_info=problem)
    finally:
        logger.removeHandler(handler)
        for other in logger.handlers:
            other.removeFilter(redaction.clean_log)

    assert out.getvalue().splitlines() == [
        "sent {'Authorization': 'Bearer ***'}",
        "fine 1",
        "failed",
        "ValueError: no: ***",
        "failed",
        "ValueError: other",
    ]


def test_what_libraries_print_is_cleaned_line_by_line() -> None:
    out = io.StringIO()
    stream = CleanStream(out, [Redaction("hunter2hunter"), Redaction("other-secret")])

    print("got hunter2", end="", file=stream)
    assert out.getvalue() == ""
    print("hunter and", "other-secret", file=stream)
    assert out.getvalue() == "got *** and ***\n"
    stream.write("rest hunter2hunter")
    stream.flush()
    assert out.getvalue() == "got *** and ***\nrest ***"
    assert stream.write("x" * 70_000) == 70_000
    assert out.getvalue().endswith("x" * 100)


def test_secrets_do_not_show_themselves() -> None:
    assert repr(Redaction("hunter2hunter")) == "Redaction(...)"
