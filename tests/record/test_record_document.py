"""The fields of a record are written down once (`scanner.record.document`): encoder and decoder keep to them."""

import json
from types import UnionType
from typing import Annotated, Any, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from scanner.errors import InputError
from scanner.model import (
    DISCLOSED,
    Answer,
    Assessment,
    Banner,
    Certificate,
    Dialogue,
    Exchange,
    Finding,
    Names,
    Record,
    Refusal,
    RefusalKind,
    Software,
    Status,
    Tls,
)
from scanner.record import decode, encode
from scanner.record.document import (
    AssessmentDocument,
    BannerDocument,
    CertificateDocument,
    DialogueDocument,
    DisclosedInDocument,
    ExchangeDocument,
    FindingDocument,
    NamesDocument,
    RecordDocument,
    RefusalDocument,
    SoftwareDocument,
    TlsDocument,
)
from tests.support.formats_corpus import CERTIFICATE
from tests.support.records import FLAW, VALIDATOR, full_record, greeting_of

#: A record in which every part is there, and nothing is null.
WHOLE: dict[str, Any] = json.loads(
    encode(
        full_record()._replace(
            status=Status.REJECTED,
            banner=greeting_of(b"554 5.7.1 caf\xe9\r\n", Status.REJECTED, code=554)._replace(
                hostname="mail.example.com", server_time="2026-11-22T10:16:56Z", enhanced_code="5.7.1"
            ),
            findings=(FLAW,),
            refusal=Refusal(RefusalKind.DNSBL, refused_us=True, evidence="dnsbl"),
            dialogue=Dialogue(
                (Exchange("EHLO scanner.example", 250, ("mail.example.com", "STARTTLS"), 0.5, incomplete=True),),
                *(("STARTTLS",), ("AUTH PLAIN",), 1_000, ("PLAIN",), True),
                Tls(
                    version="TLSv1.2",
                    cipher="ECDHE-RSA-AES256-GCM-SHA384",
                    certificates=(CERTIFICATE._replace(error="unreadable"),),
                    implicit=True,
                    injected="250 early",
                    error="failed",
                ),
                "closed",
            ),
            disclosed_in=dict.fromkeys(DISCLOSED, ("greeting",)),
            names=Names("mail.example.com", ("mail.example.com",), True, True, False, "no answer"),
            sample=1,
            assessment=Assessment(Answer.KNOWN_FLAWS, "8.8.0", 41, "2026-11-22"),
        )
    )
)


def parts(hint: Any, value: Any, path: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any, dict[str, Any]]]:
    """Return every object inside a value with its path and its document."""
    origin = get_origin(hint)
    if origin in (Annotated, NotRequired):
        return parts(get_args(hint)[0], value, path)
    if origin in (Union, UnionType):
        return [] if value is None else parts(get_args(hint)[0], value, path)
    if origin is list:
        inside = (parts(get_args(hint)[0], each, (*path, place)) for place, each in enumerate(value))
        return [found for each in inside for found in each]
    if not is_typeddict(hint):
        return []
    hints = get_type_hints(hint, include_extras=True)
    deeper = (parts(hints[name], value[name], (*path, name)) for name in hints)
    return [(path, hint, value), *(found for each in deeper for found in each)]


def maybe_record(document: dict[str, Any], missing: str) -> Record | None:
    """Return the record of a document that lacks a field; None when it is refused for that."""
    try:
        return decode(json.dumps(document).encode())
    except InputError as error:
        if missing in str(error):
            return None
        raise


FOUND = parts(RecordDocument, WHOLE)


def test_the_schema_takes_such_a_record() -> None:
    VALIDATOR.validate(WHOLE)
    assert "null" not in json.dumps(WHOLE)


def test_the_encoder_writes_the_fields_of_each_document_in_their_order() -> None:
    assert {document.__name__: list(value) for _, document, value in FOUND} == {
        document.__name__: list(document.__annotations__) for _, document, _ in FOUND
    }
    assert len({document for _, document, _ in FOUND}) == 13


@pytest.mark.parametrize(
    ("path", "name"),
    [(path, name) for path, document, _ in FOUND for name in sorted(document.__required_keys__)],
    ids=str,
)
def test_the_decoder_reads_every_field(path: tuple[Any, ...], name: str) -> None:
    """Without the field the line is either refused, or another record: no field is written and never read."""
    changed = json.loads(json.dumps(WHOLE))
    inside = changed
    for step in path:
        inside = inside[step]
    del inside[name]

    assert maybe_record(changed, name) != decode(json.dumps(WHOLE).encode())


def test_what_can_be_disclosed_has_a_place_each() -> None:
    assert tuple(DisclosedInDocument.__annotations__) == DISCLOSED


@pytest.mark.parametrize(
    ("document", "of_class"),
    [
        (RecordDocument, Record),
        (BannerDocument, Banner),
        (RefusalDocument, Refusal),
        (SoftwareDocument, Software),
        (FindingDocument, Finding),
        (AssessmentDocument, Assessment),
        (DialogueDocument, Dialogue),
        (ExchangeDocument, Exchange),
        (TlsDocument, Tls),
        (CertificateDocument, Certificate),
        (NamesDocument, Names),
    ],
)
def test_the_words_of_the_schema_are_the_words_of_the_code(document: type, of_class: type) -> None:
    """What differs: units, the bytes of a banner as text, and parts that stand elsewhere in a line."""
    written = {name.removesuffix("_ms") + ("_s" if name.endswith("_ms") else "") for name in document.__annotations__}
    assert written - set(of_class.__annotations__) <= {"schema", "timing", "clock_skew_s", "raw_b64", "bytes"}
