"""Describe connection errors to people: in the words of the system instead of those of a library.

`ConnectionRefusedError: [Errno 111] Connect call failed ('127.0.0.1', 514)` becomes `Connection refused`; the address
is in the name of the sink. Each kind of sink decides for itself whether an error is worth a retry.
"""

import os
import ssl

from scanner.delivery.local.descriptor import printable


def in_words(error: BaseException) -> str:
    """Return what went wrong with a connection, in the system's words: "Connection refused", "no answer in time".

    Any other error has its class before its text, so that it can be looked up.
    """
    cause = getattr(error, "os_error", error)  # aiohttp keeps the error of the system there
    if isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError) and cause.errno:
        # asyncio writes addresses into `strerror`; name resolution has negative numbers of its own.
        return printable(os.strerror(cause.errno) if cause.errno > 0 else str(cause.strerror))
    text = " ".join(str(error).split())
    if isinstance(error, TimeoutError):
        return printable(text or "no answer in time")
    return printable(f"{type(error).__name__}: {text}" if text else type(error).__name__)
