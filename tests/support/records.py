"""Records for tests, made without the parser."""

from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from scanner.model import Banner, Finding, Record, Software, Status
from scanner.record import EventIds, json_schema
from tests.support.greetings import SENDMAIL_8_14

VALIDATOR = Draft202012Validator(json_schema(), format_checker=FormatChecker())

FLAW = Finding(
    id="CVE-2023-51765",
    severity="medium",
    title="Old version",
    evidence="8.14.7",
    verdict="possible",
    cvss_score=5.3,
    kev=True,
    attack_path="smtp",
    smtp_unauthenticated=True,
    condition="a setting",
    fixed_in="8.18.1",
)


def escape(raw: bytes) -> str:
    return "".join("\\\\" if byte == 0x5C else chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}" for byte in raw)


def greeting_of(raw: bytes, status: Status = Status.READY, *, code: int | None = 220) -> Banner:
    """Make a Greeting as a parser would, with no more understanding than these tests need."""
    body = raw.removesuffix(b"\n").removesuffix(b"\r") if raw.endswith(b"\n") else raw
    return Banner(
        raw=raw,
        text=escape(body),
        lines=tuple(escape(line[4:]) for line in body.split(b"\r\n")),
        code=code,
        hostname=None,
        esmtp=b"ESMTP" in raw,
        server_time=None,
        enhanced_code=None,
        flags=(),
        truncated=False,
        complete=status is Status.READY,
        status=status,
    )


def record_of(banner: Banner | None = None, **changes: Any) -> Record:
    record = Record(
        scan_id="0199-scan",
        event_id=EventIds("0199-scan").of("192.0.2.10", 25),
        observed_at=1795342616.123,
        ip="192.0.2.10",
        port=25,
        host=None,
        status=Status.SILENT if banner is None else banner.status,
        connect_s=0.0004,
        first_byte_s=None if banner is None else 1.0049,
        total_s=1.0053,
        banner=banner,
    )
    return record._replace(**changes)


def full_record() -> Record:
    banner = greeting_of(SENDMAIL_8_14)._replace(
        hostname="mail1.example.com", server_time="2026-11-22T10:16:56Z", flags=("teaser",)
    )
    software = Software(
        product="Sendmail",
        vendor="Sendmail",
        product_line="Sentrion",
        version="8.14.7",
        config_version="8.13.8",
        patch="p3",
        vendor_tag="+Sun",
        build="b1",
        package="Debian-2",
        os="Solaris",
        os_version="10",
        cpe="cpe:2.3:a:sendmail:sendmail:8.14.7:*:*:*:*:*:*:*",
        confidence=0.95,
        evidence="sendmail",
    )
    return record_of(
        banner,
        host="mail.example.com",
        tries=2,
        software=software,
        disclosure=("product", "version", "config_version", "time"),
        findings=(FLAW, Finding("F-2", "low", "Date shown")),
        error="ECONNRESET",
        clock_skew_s=-1,
    )
