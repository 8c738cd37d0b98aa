"""Records of hosts that remediation plans are written for."""

from typing import Any

from scanner.model import Record, Software
from scanner.record import EventIds
from tests.support.greetings import SENDMAIL_8_14
from tests.support.records import greeting_of, record_of


def host(number: int, product: str | None = "Sendmail", raw: bytes = SENDMAIL_8_14, **changes: Any) -> Record:
    """Make the record of one host that discloses its product."""
    address = f"192.0.2.{number}"
    told: dict[str, Any] = {
        "banner": greeting_of(raw),
        "ip": address,
        "event_id": EventIds("0199-scan").of(address, 25),
        "software": None if product is None else Software(product=product, version="8.14.7", confidence=0.95),
        "disclosure": ("product",),
    }
    return record_of(**(told | changes))
