"""Sendmail's greetings for tests: a date, the fixed fields of an identity, and reading one from a greeting."""

from dataclasses import fields

from scanner.identify import identify
from scanner.model import Software
from scanner.smtp import parse_banner

DATE = "Thu, 30 Nov 2017 10:25:48 +0100"
NAMED_SENDMAIL = {"product": "Sendmail", "vendor": "Sendmail", "product_line": "Sendmail"}


def identified(greeting: str) -> Software | None:
    """Return what the shipped rules identify in a greeting of one line or more."""
    return identify(parse_banner(greeting.encode() + b"\r\n"))


def told(software: Software | None) -> dict[str, str]:
    """Return the fields of an identity, without its confidence and the CPE name, which have tests of their own."""
    assert software is not None
    left_out = {"method", "confidence", "evidence", "cpe", "kind"}
    values = {field.name: getattr(software, field.name) for field in fields(software) if field.name not in left_out}
    return {name: value for name, value in values.items() if value is not None}
