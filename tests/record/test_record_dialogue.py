"""What was said after the greeting comes back from a record as it was, and is valid by the schema."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import InputError
from scanner.model import DISCLOSED, Certificate, Dialogue, Exchange, Names, Record, Tls
from scanner.record import decode, encode
from tests.support.greetings import SENDMAIL_8_14
from tests.support.records import VALIDATOR, escape, full_record, greeting_of, record_of

CERTIFICATE = Certificate(
    sha256="ab" * 32,
    subject="CN=mail1.example.com",
    issuer="CN=mail1.example.com",
    names=("mail1.example.com", "192.0.2.10"),
    not_before="2026-01-01T00:00:00Z",
    not_after="2027-01-01T00:00:00Z",
    serial="1f",
    key="RSA 2048",
    signature="sha256WithRSAEncryption",
    self_signed=True,
)
DIALOGUE = Dialogue(
    exchanges=(
        Exchange("EHLO scanner.example", 250, ("mail1.example.com", "SIZE 10", "AUTH LOGIN", "STARTTLS"), 0.00125),
        Exchange("QUIT", None, (), 2.0, incomplete=True),
    ),
    extensions=("SIZE 10", "AUTH LOGIN", "STARTTLS"),
    tls_extensions=("SIZE 10", "AUTH PLAIN"),
    size=10,
    auth=("LOGIN", "PLAIN"),
    starttls=True,
    tls=Tls(
        "TLSv1.3", "TLS_AES_256_GCM_SHA384", (CERTIFICATE, Certificate("cd" * 32, error="ValueError")), injected="a"
    ),
    error="no answer to QUIT in time",
)
NAMES = Names("mail1.example.com", ("mail1.example.com",), forward_confirmed=True, greeting_confirmed=False, error="x")


def spoken_record(dialogue: Dialogue = DIALOGUE) -> Record:
    seen: dict[str, tuple[str, ...]] = dict.fromkeys(DISCLOSED, ())
    return full_record()._replace(
        dialogue=dialogue, disclosed_in=seen | {"version": ("greeting", "help")}, names=NAMES, sample=1
    )


def test_a_dialogue_is_written_field_by_field() -> None:
    written = orjson.loads(encode(spoken_record()))

    assert written["dialogue"] == {
        "exchanges": [
            {
                "command": "EHLO scanner.example",
                "code": 250,
                "lines": ["mail1.example.com", "SIZE 10", "AUTH LOGIN", "STARTTLS"],
                "took_ms": 1.3,
                "incomplete": False,
            },
            {"command": "QUIT", "code": None, "lines": [], "took_ms": 2000.0, "incomplete": True},
        ],
        "extensions": ["SIZE 10", "AUTH LOGIN", "STARTTLS"],
        "tls_extensions": ["SIZE 10", "AUTH PLAIN"],
        "size": 10,
        "auth": ["LOGIN", "PLAIN"],
        "starttls": True,
        "tls": {
            "version": "TLSv1.3",
            "cipher": "TLS_AES_256_GCM_SHA384",
            "certificates": [
                {
                    "sha256": "ab" * 32,
                    "subject": "CN=mail1.example.com",
                    "issuer": "CN=mail1.example.com",
                    "names": ["mail1.example.com", "192.0.2.10"],
                    "not_before": "2026-01-01T00:00:00Z",
                    "not_after": "2027-01-01T00:00:00Z",
                    "serial": "1f",
                    "key": "RSA 2048",
                    "signature": "sha256WithRSAEncryption",
                    "self_signed": True,
                    "error": None,
                },
                {"sha256": "cd" * 32, "names": [], "error": "ValueError"}
                | dict.fromkeys(("subject", "issuer", "not_before", "not_after", "serial", "key", "signature"))
                | {"self_signed": None},
            ],
            "implicit": False,
            "injected": "a",
            "error": None,
        },
        "error": "no answer to QUIT in time",
    }
    assert list(written["disclosed_in"]) == list(DISCLOSED)
    assert written["disclosed_in"]["version"] == ["greeting", "help"]
    assert written["names"] == {
        "greeting": "mail1.example.com",
        "ptr": ["mail1.example.com"],
        "forward_confirmed": True,
        "greeting_confirmed": False,
        "certificate_matches": None,
        "error": "x",
    }
    assert written["sample"] == 1
    VALIDATOR.validate(written)


def test_a_dialogue_without_tls_and_replies_is_valid_too() -> None:
    record = spoken_record(Dialogue(error="closed by the server at EHLO"))

    VALIDATOR.validate(orjson.loads(encode(record)))
    assert decode(encode(record)).dialogue == record.dialogue


def test_all_of_it_comes_back_as_it_was() -> None:
    record = spoken_record()
    line = encode(record)
    rounded = DIALOGUE._replace(exchanges=(DIALOGUE.exchanges[0]._replace(took_s=0.0013), DIALOGUE.exchanges[1]))

    assert decode(line) == record._replace(dialogue=rounded)
    assert encode(decode(line)) == line


TEXTS = st.lists(st.binary(max_size=30).map(escape), max_size=4).map(tuple)


@given(TEXTS, TEXTS, st.integers(0, 999) | st.none(), st.floats(0, 1e4))
def test_whatever_a_server_replies_makes_a_valid_line_that_comes_back(
    lines: tuple[str, ...], extensions: tuple[str, ...], code: int | None, took_s: float
) -> None:
    exchange = Exchange("HELP", code, lines, took_s)
    line = encode(record_of(greeting_of(SENDMAIL_8_14), dialogue=Dialogue((exchange,), extensions)))
    back = decode(line).dialogue

    VALIDATOR.validate(orjson.loads(line))
    assert back is not None
    assert (back.extensions, back.exchanges[0][:3]) == (extensions, ("HELP", code, lines))
    assert back.exchanges[0].took_s == pytest.approx(took_s, abs=0.000_051)
    assert encode(decode(line)) == line


def test_a_line_of_an_earlier_version_has_none_of_it() -> None:
    data = orjson.loads(encode(spoken_record()))
    for name in ("dialogue", "disclosed_in", "names", "sample"):
        del data[name]

    assert decode(orjson.dumps(data)) == full_record()


def test_a_reader_leaves_fields_alone_that_it_does_not_know() -> None:
    data = orjson.loads(encode(spoken_record()))
    dialogue = data["dialogue"]
    for part in (
        dialogue,
        dialogue["exchanges"][0],
        dialogue["tls"],
        dialogue["tls"]["certificates"][0],
        data["names"],
    ):
        part["later"] = 1

    assert decode(orjson.dumps(data)) == decode(encode(spoken_record()))


@pytest.mark.parametrize(
    "change",
    [
        {"dialogue": []},
        {"dialogue": {}},
        {"dialogue": {"exchanges": 1}},
        {"disclosed_in": 1},
        {"names": {"ptr": None}},
        {"names": dict.fromkeys(Names._fields)},
    ],
)
def test_a_damaged_part_is_refused(change: dict[str, Any]) -> None:
    line = orjson.dumps(orjson.loads(encode(spoken_record())) | change)

    with pytest.raises(InputError, match="not a record"):
        decode(line)
