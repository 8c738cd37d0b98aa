"""Restore the exact bytes of a greeting from its record, for check sums."""

from base64 import b64decode
from hashlib import sha256

from scanner.record.document import BannerDocument
from scanner.smtp import unescape


def banner_bytes(banner: BannerDocument) -> bytes:
    """Return the bytes that the server sent.

    Raises:
        ValueError: when the record is damaged.
    """
    if banner["raw_b64"] is not None:
        return b64decode(banner["raw_b64"], validate=True)
    text: str = banner["text"]
    raw = unescape(text) if "\\" in text else text.encode("ascii")
    # `text` leaves the last line end out, and without `raw_b64` it can only be CR LF.
    return raw if len(raw) == banner["bytes"] else raw + b"\r\n"


def banner_sha256(banner: BannerDocument) -> str:
    """Return the check sum of the bytes, in lower-case hex."""
    return sha256(banner_bytes(banner)).hexdigest()
