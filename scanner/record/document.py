"""The fields of a record as JSON, written down once: names, order, types, and a sentence for each.

A line of the output is a `RecordDocument`. The JSON Schema is made from these classes (`scanner.record.schema`), and a
test holds the encoder, the decoder and the page about records against them. Code that works on lines as they are read,
without making a `Record` of each, reads them by these types: the formats of `scanner.formats` do, because
`orjson.loads` takes a fifth of the time of `decode`, a sixth with many findings (`python -m benchmarks.record`: 2.7 and
12.7 us for a plain record).

Every text of a server arrives escaped (`scanner.smtp.escape`). Fields that are `NotRequired` were added to version 1
later; lines of earlier versions do not have them.
"""

from typing import Annotated, NotRequired, TypedDict, final

from scanner.model import PLACES, VERDICTS, Answer, RefusalKind, Status
from scanner.record.encoding import SCHEMA
from scanner.record.schema_terms import TIME, Count, Escaped, Field, Word


def _place(what: str) -> Field:
    return Field(f"Where {what} was seen; empty when nowhere.", uniqueItems=True)


#: Milliseconds since the connection was started.
Moment = Annotated[float, Field(minimum=0)]
ReplyCode = Annotated[int, Field(minimum=0, maximum=999)]
Places = list[Annotated[str, Field(enum=list(PLACES))]]


class TimingDocument(TypedDict):
    """The times of a visit."""

    connect_ms: Annotated[Moment | None, Field("Until the connection was made; null when it never was.")]
    first_byte_ms: Annotated[Moment | None, Field("Until the first byte of the greeting; null when none came.")]
    total_ms: Annotated[Moment | None, Field("Until the end of the visit; null for an imported banner.")]


class BannerDocument(TypedDict):
    """The greeting of a server."""

    text: Annotated[
        Escaped,
        Field(
            "The whole greeting without its last line end. Printable ASCII as it is, backslash as two backslashes, "
            "any other byte as backslash, x and two hex digits."
        ),
    ]
    raw_b64: Annotated[
        str | None,
        Field(
            "The exact bytes in base64; null when all are printable ASCII or part of a CR LF, because `text` then "
            "tells all of them.",
            contentEncoding="base64",
            minLength=1,
        ),
    ]
    bytes: Annotated[int, Field("How many bytes were kept, line ends included.", minimum=1)]
    truncated: Annotated[bool, Field("Whether a limit on bytes or lines cut the greeting.")]
    code: Annotated[ReplyCode | None, Field("The reply code; null when no line begins with one.")]
    lines: Annotated[list[Escaped], Field("The texts after the codes, one for each line, escaped like `text`.")]
    hostname: Annotated[Escaped | None, Field("The first word, when it can be a host name or an address literal.")]
    esmtp: Annotated[bool, Field("Whether the greeting says ESMTP.")]
    server_time: Annotated[
        str | None, Field("The date in the greeting in ISO 8601, with offset; null when there is none we can read.")
    ]
    clock_skew_s: Annotated[
        int | None,
        Field(
            "Whole seconds by which the server's clock is ahead of ours when the greeting came, negative when it is "
            "behind; null when it tells no time or no zone."
        ),
    ]
    enhanced_code: Annotated[
        str | None,
        Field("The enhanced status code (RFC 3463) of a 4xx or 5xx greeting.", pattern=r"^[245]\.\d{1,3}\.\d{1,3}$"),
    ]
    flags: Annotated[list[Word], Field("What is odd about the bytes.", uniqueItems=True)]


class RefusalDocument(TypedDict):
    """What a refusal means."""

    kind: Annotated[str, Field("What the text means.", enum=[str(kind) for kind in RefusalKind])]
    refused_us: Annotated[
        bool, Field("Whether it is about the client's address, so that another client may be let in.")
    ]
    evidence: Annotated[str | None, Field("The id of the rule that decided; null when no rule knows the text.")]


class SoftwareDocument(TypedDict):
    """The software of a server, each part of its version in a field of its own."""

    product: Annotated[str, Field("The software, or the provider's service, under the name its makers use.")]
    kind: NotRequired[
        Annotated[
            Word | None,
            Field(
                "software, which anybody can run, or service, which only its provider runs; null when a database of "
                "the user's named the product."
            ),
        ]
    ]
    vendor: Annotated[str | None, Field("Who makes it.")]
    product_line: Annotated[str | None, Field("Which of several relatives that share a code base.")]
    version: Annotated[str | None, Field("The version of the program that runs: it decides which code runs.")]
    config_version: Annotated[
        str | None, Field("The version the configuration was built from (Sendmail's second number).")
    ]
    patch: Annotated[str | None, Field("A vendor's patch level.")]
    vendor_tag: Annotated[str | None, Field("A suffix that a vendor put on the version.")]
    build: Annotated[str | None, Field("A build number.")]
    package: Annotated[str | None, Field("A distribution's package revision.")]
    os: Annotated[str | None, Field("The operating system the greeting names.")]
    os_version: Annotated[str | None, Field("Its version.")]
    cpe: Annotated[str | None, Field("The CPE 2.3 name, for vulnerability databases.", pattern=r"^cpe:2\.3:[aho]:")]
    method: Annotated[
        Word, Field("How it was identified: banner, behaviour, or help (the reply to HELP shows the version).")
    ]
    confidence: Annotated[
        float, Field("How far to trust it; a banner is a claim that its owner can edit.", minimum=0, maximum=1)
    ]
    evidence: Annotated[str | None, Field("The id of the rule that decided; for behaviour what was seen where.")]


class FindingDocument(TypedDict):
    """Something that follows from what was seen."""

    id: Annotated[
        str, Field("The finding's stable id: a CVE, an upstream advisory, or a name of ours such as CONFIG-SKEW.")
    ]
    severity: Annotated[Word, Field("How much it matters: critical, high, medium, low or info.")]
    title: Annotated[str, Field("One sentence for people.")]
    evidence: Annotated[str | None, Field("What it rests on.")]
    verdict: Annotated[
        Word | None, Field(f"{', '.join(VERDICTS[:-1])} or {VERDICTS[-1]}; null when it is not a vulnerability.")
    ]
    cvss_score: Annotated[float | None, Field("The base score of the flaw.", minimum=0, maximum=10)]
    kev: Annotated[bool | None, Field("Whether CISA lists it as known to be exploited.")]
    attack_path: Annotated[str | None, Field("The way in: smtp, message, local, tls-mitm, dns ...")]
    smtp_unauthenticated: Annotated[bool | None, Field("Whether an outsider reaches it through SMTP without a login.")]
    condition: Annotated[str | None, Field("The build or configuration it needs; a banner cannot show it.")]
    fixed_in: Annotated[str | None, Field("The first release of upstream that has the fix.")]


class AssessmentDocument(TypedDict):
    """How complete the findings are."""

    answer: Annotated[
        str,
        Field(
            "known_flaws, none_known: all known flaws of the release are in `findings`. Any other: there may be more; "
            "undecided, not_covered, version_unknown, no_version tell why.",
            enum=[str(answer) for answer in Answer],
        ),
    ]
    covered_since: Annotated[
        str | None, Field("The oldest release whose flaws were searched for; null: the product is not covered.")
    ]
    facts: Annotated[Count, Field("How many flaws of the product are known.")]
    facts_of: Annotated[str, Field("The day the facts were compiled.", pattern=r"^\d{4}-\d{2}-\d{2}$", format="date")]


class ExchangeDocument(TypedDict):
    """One command and its reply."""

    command: Annotated[str, Field("What was sent.")]
    code: Annotated[ReplyCode | None, Field("The reply code; null without a reply.")]
    lines: Annotated[list[Escaped], Field("The texts after the codes, escaped like the banner's.")]
    took_ms: Annotated[float, Field("Milliseconds until the reply was there.", minimum=0)]
    incomplete: NotRequired[Annotated[bool, Field("Whether the reply was not read to its end.")]]


class CertificateDocument(TypedDict):
    """What a certificate says; none of it is verified."""

    sha256: Annotated[str, Field("Of its DER bytes.", pattern="^[0-9a-f]{64}$")]
    subject: Annotated[Escaped | None, Field("The subject (RFC 4514).")]
    issuer: Annotated[Escaped | None, Field("The issuer (RFC 4514).")]
    names: Annotated[list[Escaped], Field("The DNS names and addresses that it is issued for.")]
    not_before: Annotated[str | None, Field("Valid from, ISO 8601, UTC.")]
    not_after: Annotated[str | None, Field("Valid until, ISO 8601, UTC.")]
    serial: Annotated[str | None, Field("Its serial number in hex.")]
    key: Annotated[str | None, Field("Such as RSA 2048 or EC secp256r1.")]
    signature: Annotated[str | None, Field("The signature's algorithm.")]
    self_signed: Annotated[bool | None, Field("Whether subject and issuer are the same.")]
    error: Annotated[str | None, Field("Why it cannot be read; only `sha256` is known then.")]


class TlsDocument(TypedDict):
    """A TLS session, or the attempt at one."""

    version: Annotated[str | None, Field("Such as TLSv1.3.")]
    cipher: Annotated[str | None, Field("The cipher suite, as OpenSSL calls it.")]
    certificates: Annotated[list[CertificateDocument], Field("The server's own first.")]
    implicit: Annotated[bool, Field("Whether TLS came first (port 465), not after STARTTLS.")]
    injected: Annotated[Escaped | None, Field("Plain text that came between the reply to STARTTLS and the handshake.")]
    error: Annotated[str | None, Field("What went wrong; the other fields are then null or empty.")]


class DialogueDocument(TypedDict):
    """The conversation after the greeting."""

    exchanges: Annotated[list[ExchangeDocument], Field("All commands and replies, in order.")]
    extensions: Annotated[list[Escaped], Field("What EHLO announced: the lines of its reply after the first.")]
    tls_extensions: Annotated[list[Escaped], Field("The same of the EHLO inside TLS after STARTTLS.")]
    size: Annotated[Count | None, Field("The SIZE limit in bytes; 0: it names none.")]
    auth: Annotated[list[Escaped], Field("The AUTH mechanisms, with and without TLS.")]
    starttls: Annotated[bool, Field("Whether STARTTLS was announced.")]
    tls: Annotated[TlsDocument | None, Field("The TLS session, or the attempt at one.")]
    error: Annotated[str | None, Field("Why the dialogue ended early; null when it came to QUIT.")]


class DisclosedInDocument(TypedDict):
    """Where each thing was seen."""

    product: Annotated[Places, _place("product")]
    version: Annotated[Places, _place("version")]
    config_version: Annotated[Places, _place("config_version")]
    patch: Annotated[Places, _place("patch")]
    build: Annotated[Places, _place("build")]
    package: Annotated[Places, _place("package")]
    os: Annotated[Places, _place("os")]
    hostname: Annotated[Places, _place("hostname")]
    internal_name: Annotated[Places, _place("internal_name")]
    private_address: Annotated[Places, _place("private_address")]
    time: Annotated[Places, _place("time")]


class NamesDocument(TypedDict):
    """Whether the names of a server fit together."""

    greeting: Annotated[Escaped | None, Field("The host name in the greeting.")]
    ptr: Annotated[list[Escaped], Field("The names that DNS gives the address.")]
    forward_confirmed: Annotated[
        bool | None, Field("Whether one of those leads back to the address; null when there is none.")
    ]
    greeting_confirmed: Annotated[
        bool | None, Field("Whether the greeting's name leads to the address; null when there is none.")
    ]
    certificate_matches: Annotated[bool | None, Field("Whether the certificate is issued for the greeting's name.")]
    error: Annotated[str | None, Field("Which look-ups got no answer; null when all did.")]


@final
class RecordDocument(TypedDict):
    """One visited target: an address and port, and what it said first."""

    schema: Annotated[str, Field("Name and version of this schema.", const=SCHEMA)]
    scan_id: Annotated[str, Field("The scan the record belongs to; a resumed scan keeps it.", minLength=1)]
    event_id: Annotated[
        str,
        Field(
            "The same whenever the same scan visits the same address and port: readers drop repeats by it.",
            pattern="^[0-9a-f]{32}$",
        ),
    ]
    observed_at: Annotated[
        str | None,
        TIME,
        Field(
            "When the visit began, by the clock of the scanner: RFC 3339, UTC, milliseconds. An imported banner has "
            "the time its source tells, or null."
        ),
    ]
    ip: Annotated[
        str | None,
        Field(
            "The address visited; null for an imported banner whose source does not tell it.",
            anyOf=[{"format": "ipv4"}, {"format": "ipv6"}],
        ),
    ]
    port: Annotated[
        int | None,
        Field(
            "The TCP port visited; null for an imported banner whose source does not tell it.",
            minimum=1,
            maximum=65535,
        ),
    ]
    host: Annotated[str | None, Field("The name given as a target that led to the address; null for plain addresses.")]
    status: Annotated[str, Field("How the visit ended.", enum=[str(status) for status in Status])]
    timing: Annotated[TimingDocument, Field("Milliseconds since the connection was started, in steps of 0.1.")]
    tries: Annotated[
        Count,
        Field("Connections made to the target, retries included; 0 when it was imported or excluded."),
    ]
    banner: Annotated[BannerDocument | None, Field("The bytes the server sent first; null when there were none.")]
    refusal: Annotated[
        RefusalDocument | None, Field("What a banner that turns the client away means; null for any other.")
    ]
    software: Annotated[
        SoftwareDocument | None, Field("What the banner names, or the behaviour shows; null when neither is known.")
    ]
    disclosure: Annotated[
        list[Word],
        Field("What the banner gives away: product, version, config_version, time, os ...", uniqueItems=True),
    ]
    findings: Annotated[list[FindingDocument], Field("What follows from the banner; empty when nothing does.")]
    error: Annotated[
        str | None, Field("The error number's name or our own failure, for people; null when there was none.")
    ]
    dialogue: Annotated[DialogueDocument | None, Field("What was said after the greeting; null when only QUIT was.")]
    disclosed_in: Annotated[
        DisclosedInDocument | None,
        Field("Where each thing was seen; null without a dialogue, as all was in the banner then."),
    ]
    names: Annotated[NamesDocument | None, Field("Whether the server's names fit together; null without --dns.")]
    sample: Annotated[
        Count | None, Field("Which of several visits to the target this is, from 0; null when there is one.")
    ]
    assessment: NotRequired[
        Annotated[
            AssessmentDocument | None,
            Field("How complete `findings` are, as to known flaws; null without software."),
        ]
    ]


@final
class RunDocument(TypedDict):
    """A line of the spool about the run itself, schema `smtpsweep.run/1`: it has started, was resumed, or has ended."""

    schema: str
    run: str
    activity: str
    at: str
    records: int
    shard: NotRequired[str | None]
    seed: NotRequired[int | None]
    planned: NotRequired[int]
    excluded: NotRequired[int]


#: A line of the spool. Only records have an `event_id`; the classes are final, so that type checkers know it.
LineDocument = RecordDocument | RunDocument
