r"""The values that flow from stage to stage: target, attempt, banner, software, dialogue, record.

Everything here is frozen and has no behaviour beyond derived values. An unknown value is `None`; the docstrings say
when. Values that are made for each target are named tuples, the others frozen dataclasses: measured on Python 3.11, a
record of 16 fields costs 0.8 us as a named tuple and 3.2 us as a frozen dataclass, and a sweep has about 50 us a host.
Bytes that came from a peer are called `raw` and stay bytes until a record is encoded; text made from them is
printable ASCII with every other byte written as `\xNN` (see `scanner.smtp`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from scanner.findings import VERDICTS, Answer, Assessment, Finding

__all__ = [
    "BANNER_STATUSES",
    "CONCLUSIVE",
    "DISCLOSED",
    "GREETED",
    "MOMENTARY",
    "NEGATIVE",
    "NOT_CONNECTED",
    "PLACES",
    "REFUSALS",
    "UNANSWERED",
    "USUAL_GREETING",
    "VERDICTS",
    "WITHOUT_BANNER",
    "WITH_BANNER",
    "Answer",
    "Assessment",
    "Attempt",
    "Banner",
    "Certificate",
    "Dialogue",
    "Exchange",
    "Finding",
    "Names",
    "ProductKind",
    "Record",
    "Refusal",
    "RefusalKind",
    "Software",
    "Status",
    "Target",
    "Tls",
]


class Status(StrEnum):
    """How the visit to one target ended. A closed list: one of these for every planned target.

    A sweep writes records of `answered` statuses; of the others only with `--all`.
    """

    READY = "ready"  # a complete greeting with code 220
    BUSY = "busy"  # a complete greeting with code 421
    REJECTED = "rejected"  # a complete greeting with a 5xx code: 554, 521, 550, 556 ...
    TEMPORARY = "temporary"  # a complete greeting with another 4xx code
    MALFORMED = "malformed"  # bytes, but no SMTP reply: no code, mixed classes, over a limit
    NOT_SMTP = "not_smtp"  # another protocol: SSH, HTTP, TLS alert, FTP, IMAP, POP3 ...
    SILENT = "silent"  # connected, and not one byte before the greeting deadline
    CUT = "cut"  # closed by the server inside the greeting
    CLOSED = "closed"  # closed by the server before any byte
    SLOW = "slow"  # idle or total deadline inside the greeting: a tarpit
    RESET = "reset"  # reset by the server after the connection was made
    REFUSED = "refused"  # the connection was refused (RST to the SYN)
    CONNECT_TIMEOUT = "connect_timeout"  # no answer to the connection attempt
    UNREACHABLE = "unreachable"  # ICMP unreachable
    EXCLUDED = "excluded"  # on an exclusion list: never visited
    BUG = "bug"  # our own failure; the trace is in the log

    __hash__ = str.__hash__  # Enum's own hashes the name, in Python: 0.2 us a look-up, several look-ups a host

    @property
    def answered(self) -> bool:
        """Whether something at the address accepted the connection, so that the sweep writes a record."""
        return self not in UNANSWERED


#: A complete SMTP reply was read.
GREETED = frozenset({Status.READY, Status.BUSY, Status.REJECTED, Status.TEMPORARY})
#: What is there was seen, and the next visit will most likely see the same.
CONCLUSIVE = frozenset({Status.READY, Status.REJECTED, Status.MALFORMED, Status.NOT_SMTP})
#: A server is there, and its answer is for the moment only (RFC 5321, 4.2.1: 4yz is transient).
MOMENTARY = frozenset({Status.BUSY, Status.TEMPORARY})
#: What the bytes of a banner can mean by themselves.
BANNER_STATUSES = CONCLUSIVE | MOMENTARY
#: A mail server's usual greeting was read: complete, and not for the moment only.
USUAL_GREETING = GREETED & CONCLUSIVE
#: A complete SMTP reply was read, and it turns the client away.
REFUSALS = GREETED - {Status.READY}
#: No connection was made.
NOT_CONNECTED = frozenset({Status.REFUSED, Status.CONNECT_TIMEOUT, Status.UNREACHABLE})
#: The network answered that nothing is there. A time-out does not tell: the answer may have been lost.
NEGATIVE = NOT_CONNECTED - {Status.CONNECT_TIMEOUT}
#: No connection was made, or none was tried.
UNANSWERED = NOT_CONNECTED | {Status.EXCLUDED}
#: The record has a banner. Not NOT_SMTP: a failed handshake on a TLS port shows none.
WITH_BANNER = GREETED | {Status.MALFORMED, Status.CUT, Status.SLOW}
#: The record has no banner.
WITHOUT_BANNER = UNANSWERED | {Status.SILENT, Status.CLOSED}


class RefusalKind(StrEnum):
    """Why a server turns the client away. A closed list; each rule also tells whether it is about our address."""

    RATE_LIMIT = "rate_limit"  # too many connections from one client: come back later, or less often
    OVERLOAD = "overload"  # the server is too busy for any client
    DNSBL = "dnsbl"  # the client's address is on a block list that can be looked up
    REPUTATION = "reputation"  # a vendor or the owner rates the client's address as bad
    POLICY = "policy"  # the client is not allowed: access lists, "access denied"
    NO_REVERSE_DNS = "no_reverse_dns"  # the client's address has no name, or one that does not point back
    GREYLIST = "greylist"  # unknown clients are asked to come again
    EARLY_TALKER = "early_talker"  # the server claims that the client spoke before the greeting
    NOT_ACCEPTING = "not_accepting"  # the server does not accept mail, or not now
    MAINTENANCE = "maintenance"  # the server is under maintenance, or shutting down
    LOCAL_FAILURE = "local_failure"  # the server is broken: disk, configuration, licence, a missing helper
    UPSTREAM = "upstream"  # a proxy cannot reach the server behind it
    OTHER = "other"  # a refusal that no rule knows

    __hash__ = str.__hash__


class ProductKind(StrEnum):
    """Whether a product is a program that anybody can run, or a service that only its provider runs."""

    SOFTWARE = "software"
    SERVICE = "service"


class Target(NamedTuple):
    """One address and port to visit.

    `position` is the place in this run's order (0, 1, 2 ...), the key of retries, checkpoint and acknowledgement.
    `host` is the name the user gave that resolved to the address, else None.
    """

    position: int
    ip: str
    port: int
    host: str | None = None


class Exchange(NamedTuple):
    """One command of a dialogue and its reply.

    `command` is what was sent, without the line end, or "TLS" for a handshake that is not a command. `code` is None
    when no reply came. `lines` are the reply's texts after the code, escaped like `Banner.lines`, and behind them
    those of further replies that came at once with it. `took_s` is in seconds. `incomplete`: the reply was not read to
    its end, so what it lacks proves nothing.
    """

    command: str
    code: int | None
    lines: tuple[str, ...]
    took_s: float
    incomplete: bool = False


class Certificate(NamedTuple):
    """What a server's certificate claims; nothing of it is verified.

    `subject` and `issuer` are RFC 4514 names, `names` the DNS names and addresses it is issued for, all of it escaped
    printable ASCII. `not_before` and `not_after` are ISO 8601 in UTC. `key` is such as "RSA 2048" or "EC secp256r1".
    `sha256` is of the DER bytes (hex). A certificate that cannot be read has only `sha256` and `error`.
    """

    sha256: str
    subject: str | None = None
    issuer: str | None = None
    names: tuple[str, ...] = ()
    not_before: str | None = None
    not_after: str | None = None
    serial: str | None = None
    key: str | None = None
    signature: str | None = None
    self_signed: bool | None = None
    error: str | None = None


class Tls(NamedTuple):
    """A TLS session, or the attempt at one: then `error` is what went wrong and the other fields are None or empty.

    `certificates` begins with the server's own; further ones where the Python version shows them (3.13 and newer).
    `implicit` when TLS came first (port 465), not after STARTTLS. `injected` are bytes that were sent in plain text
    between the reply to STARTTLS and the handshake, escaped (a man in the middle; RFC 3207, 4.2).
    """

    version: str | None = None
    cipher: str | None = None
    certificates: tuple[Certificate, ...] = ()
    implicit: bool = False
    injected: str | None = None
    error: str | None = None


class Dialogue(NamedTuple):
    """The conversation after the greeting. `exchanges` are all of it, in order; the other fields follow from them.

    `extensions` are the lines of the reply to EHLO without its first, `tls_extensions` those of the EHLO inside TLS.
    `size` is the SIZE limit in bytes (0: none given), `auth` the AUTH mechanisms of either. `error` is why the
    dialogue ended early, None when it came to QUIT.
    """

    exchanges: tuple[Exchange, ...] = ()
    extensions: tuple[str, ...] = ()
    tls_extensions: tuple[str, ...] = ()
    size: int | None = None
    auth: tuple[str, ...] = ()
    starttls: bool = False
    tls: Tls | None = None
    error: str | None = None


class Names(NamedTuple):
    """Whether a server's names fit together: its greeting, the DNS of its address, its certificate (`--dns`).

    `greeting` is the host name in the greeting. `ptr` are the names that DNS gives the address, escaped printable
    ASCII. `forward_confirmed`: one of them leads back to the address; `greeting_confirmed`: the greeting's name does;
    `certificate_matches`: the certificate is issued for the greeting's name. Each is None where it is not known.
    `error` names the look-ups that got no answer.
    """

    greeting: str | None = None
    ptr: tuple[str, ...] = ()
    forward_confirmed: bool | None = None
    greeting_confirmed: bool | None = None
    certificate_matches: bool | None = None
    error: str | None = None


class Attempt(NamedTuple):
    """What the engine brings back from one target: bytes and times, or a status that needs no bytes.

    `status` is None when a whole greeting was read or a reading limit was hit: then `raw` decides.
    Otherwise it is how the visit ended, and `raw` holds what had arrived until then (often nothing).
    `started_at` is wall time (Unix seconds); the `..._s` are seconds since the connection was started, None where
    that moment never came. `tries` counts connections, retries included. `error` names the errno, for people.
    """

    target: Target
    status: Status | None
    raw: bytes
    started_at: float
    connect_s: float | None
    first_byte_s: float | None
    total_s: float
    tries: int = 1
    error: str | None = None
    dialogue: Dialogue | None = None


class Banner(NamedTuple):
    """A server's banner: the greeting it sends first, parsed.

    Any bytes make a Banner; `flags` names what is odd about them.

    `raw` are the bytes up to and including the last line end of the greeting. `text` and `lines` are escaped,
    reversible, printable ASCII: `text` the whole greeting without its last line end, `lines` what follows the code
    on each line. `code` is None when no line begins with a reply code. `hostname` is the host name or the address
    literal that the server gives itself. `server_time` is ISO 8601, with offset when the zone is known, None when the
    greeting names no date we can read. `enhanced_code` (RFC 3463) is read after 4xx and 5xx codes only. `status` is
    what these bytes alone mean: READY, BUSY, REJECTED, TEMPORARY, MALFORMED or NOT_SMTP.
    """

    raw: bytes
    text: str
    lines: tuple[str, ...]
    code: int | None
    hostname: str | None
    esmtp: bool
    server_time: str | None
    enhanced_code: str | None
    flags: tuple[str, ...]
    truncated: bool
    complete: bool
    status: Status


@dataclass(frozen=True, slots=True)
class Software:
    """Which software a greeting names, each part of a version in its own field; parts that it does not name are None.

    `product_line` distinguishes relatives that share a code base ("Sendmail", "Sentrion", "Switch", "SMI").
    `version` decides which code runs; `config_version` is what the configuration was built from
    (Sendmail's `binary/config`). `patch` is a vendor's patch level (`p3`, `PHNE_14041`), `vendor_tag` a suffix of the
    version (`+Sun`), `package` a distribution's revision (`Debian-2+deb12u2`). `confidence` is 0 to 1: a greeting is
    a claim that its owner can edit. `evidence` is the id of the rule that decided. `kind` is a `ProductKind`: whether
    it is a program, or a service that only its provider can run; None when the source does not tell.
    """

    product: str
    vendor: str | None = None
    product_line: str | None = None
    version: str | None = None
    config_version: str | None = None
    patch: str | None = None
    vendor_tag: str | None = None
    build: str | None = None
    package: str | None = None
    os: str | None = None
    os_version: str | None = None
    cpe: str | None = None
    method: str = "banner"
    confidence: float = 0.0
    evidence: str | None = None
    kind: str | None = "software"


class Refusal(NamedTuple):
    """What a 4yz or 5yz greeting means. `refused_us`: it is about our address, so others may get another answer.

    `evidence` is the id of the rule that decided, None when no rule knows the text (kind OTHER).
    """

    kind: RefusalKind
    refused_us: bool
    evidence: str | None


#: What a server can give away, in this order in `Record.disclosure`; "hostname" only in `disclosed_in`.
DISCLOSED = (
    *("product", "version", "config_version", "patch", "build", "package", "os"),
    *("hostname", "internal_name", "private_address", "time"),
)
#: Where it can be given away.
PLACES = ("greeting", "ehlo", "help", "quit", "certificate")


class Record(NamedTuple):
    """One visited target, as it is written out (schema `smtpsweep.record/1`, see `scanner.record`).

    `event_id` is the same whenever the same scan visits the same target, so that a reader can drop what a resumed
    run repeats. `observed_at` is wall time in Unix seconds. The other times are seconds, None where not reached.
    `clock_skew_s` is how far the server's clock is ahead of ours (whole seconds), None when it does not tell its time
    with a zone. `refusal` is what a greeting that turns us away means, None for any other.

    `disclosed_in` has for each of `DISCLOSED` the `PLACES` where it was seen; None without a dialogue, as all was in
    the greeting then. `names` is None without `--dns`; `sample` counts the visits to one target from 0, None when there
    is only one. `assessment` is how complete the `findings` are; None without software, and in records of earlier
    versions of this program.

    A record that was made from an imported banner, without a visit, has None for what its source does not tell:
    `observed_at`, `ip`, `port`, and every time. Its `tries` is 0.
    """

    scan_id: str
    event_id: str
    observed_at: float | None
    ip: str | None
    port: int | None
    host: str | None
    status: Status
    connect_s: float | None
    first_byte_s: float | None
    total_s: float | None
    tries: int = 1
    banner: Banner | None = None
    software: Software | None = None
    disclosure: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    error: str | None = None
    clock_skew_s: int | None = None
    refusal: Refusal | None = None
    dialogue: Dialogue | None = None
    disclosed_in: Mapping[str, tuple[str, ...]] | None = None
    names: Names | None = None
    sample: int | None = None
    assessment: Assessment | None = None
