"""Send one record to a sink and explain the answer: `smtpsweep sinks test`.

The result is one line: the answer, then what a person can do about it, with options that this kind of sink has.
"""

import contextlib
from typing import NamedTuple

import orjson

from scanner.delivery.local.descriptor import printable
from scanner.delivery.receivers.options import url_options
from scanner.delivery.receivers.receiver import (
    AccessDeniedError,
    BatchRefusedError,
    Receipt,
    TooLargeError,
    TryLaterError,
)
from scanner.delivery.receivers.tls import is_tls_trouble
from scanner.delivery.relay.destination import Destination
from scanner.errors import SmtpsweepError
from scanner.timeouts import patience

_KEPT = "a sweep would keep the records and try again"
_DEAD = "a sweep would put it with the dead letters"


class Trial(NamedTuple):
    """Whether the sink took the record, and one line: what was sent, the answer, and what it means."""

    ok: bool
    text: str


async def try_sink(destination: Destination, line: bytes, timeout_s: float) -> Trial:
    """Open a sink, send it one record (a line without its end), and explain.

    Raises:
        InputError: when it can never work as asked for.
    """
    events = list(destination.format.events(orjson.loads(line), line))
    what = f"{len(events)} event{'s' if len(events) != 1 else ''} ({destination.format.name})"
    receiver = destination.receiver
    try:
        async with patience(timeout_s):
            await receiver.open("sinks-test")
            receipt = await receiver.send(events)
    except TimeoutError:
        return _failed(f"no answer within {timeout_s:g} s to {what}: {_KEPT}")
    except (TryLaterError, AccessDeniedError, TooLargeError, BatchRefusedError) as error:
        return _failed(f"{error}: {_advice(error, destination)}")
    except SmtpsweepError:
        raise
    except Exception as error:  # noqa: BLE001  a receiver may be a third party's
        return _failed(f"failed with {type(error).__name__}, a bug in this sink: {printable(str(error))}")
    finally:
        with contextlib.suppress(Exception):  # its answer counts, not how it ends
            await receiver.close()
    if getattr(receiver, "unconfirmed_from", None) is not None:
        return _failed(
            f"{what} went out, but the other side gave no sign that it has read it: is it the right port, with TLS or "
            f"without? A sweep would end as incomplete"
        )
    return _judge(receipt, what, destination)


def _judge(receipt: Receipt, what: str, destination: Destination) -> Trial:
    if receipt.refused:
        reason = receipt.refused[0].reason
        return _failed(f"{reason}: {_advice(BatchRefusedError(reason), destination)}")
    if receipt.retry:
        return _failed(f"{receipt.reason or 'not taken'}: {_KEPT}")
    if destination.kind is not None and not destination.kind.confirms:
        return Trial(True, f"sent {what}: nothing confirms that it arrived")  # noqa: FBT003  what Trial is about
    again = " (it had the same event already)" if receipt.duplicates else ""
    return Trial(True, f"took {what}{again}")  # noqa: FBT003  as above


def _failed(text: str) -> Trial:
    return Trial(False, text)  # noqa: FBT003  as above


def _advice(error: Exception, destination: Destination) -> str:
    """Return what an error means and what can be done about it."""
    kind = destination.kind
    options = {option.name for option in url_options(kind.options)} if kind is not None else set()
    if isinstance(error, TryLaterError):
        return _KEPT if error.answered else f"it cannot be reached, or does not answer: {_KEPT}"
    if isinstance(error, AccessDeniedError):
        return f"{_what_to_check(str(error), options, kind.secrets if kind is not None else ())}; {_KEPT}"
    if isinstance(error, TooLargeError):
        ours = ", and max_bytes here" if "max_bytes" in options else ""
        return f"even one record is too large for it: raise its limit{ours}; {_DEAD}"
    formats = kind.formats if kind is not None else ()
    check = f"check format= ({', '.join(formats)})" if len(formats) > 1 else "check what it expects"
    return f"it refuses the record: {check} and where the URL leads; {_DEAD}"


def _what_to_check(text: str, options: set[str], secrets: tuple[str, ...]) -> str:
    if is_tls_trouble(text.upper()) and "ca_file" in options:
        return "check the certificate (ca_file, cert_file), and whether this port speaks TLS"
    if secrets and any(word in text for word in ("401", "403", "407", "assword", "uthent", "uthori", "denied")):
        names = " or ".join(f"{name}_env" for name in secrets)
        return f"it denies access: check the secret ({names}, or ..._file) and its rights"
    return "a person has to fix that"
