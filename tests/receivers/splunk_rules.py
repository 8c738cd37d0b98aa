"""What Splunk's HTTP Event Collector makes of a body, written from what Splunk Enterprise 10 and Cloud answer.

Where Splunk's own rule is not known, these are the stricter ones: a time is whole (seconds, milliseconds, nanoseconds)
or decimal text, and nothing else.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, NoReturn

TOKEN: Final = "5a8e4b1c-0000-4000-8000-00000000c0de"  # noqa: S105  of the double, no secret
_KEYS: Final = frozenset({"time", "host", "source", "sourcetype", "index", "event", "fields"})


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """How it is set up, and how it fails. `ack_s` are the bounds of the seconds from taking a request to indexing it.

    Shares of requests: `busy` (503, code 9), `throttled` (429), `poisoned` (400, code 6, event 0, of more than one
    event, though nothing is wrong), `answer_loss` (taken, and the connection is reset), `ack_loss` (indexed, and never
    acknowledged, or the answer that says so is lost). An event whose id, as a number, is a multiple of `blank_every` is
    refused as blank.
    """

    acks: bool = True
    enabled: bool = True
    token: str = TOKEN
    indexes: tuple[str, ...] = ("main", "sec")
    max_bytes: int = 838_860_800
    too_large: int = 413  # as Enterprise; 400 as Cloud
    ack_s: tuple[float, float] = (0.0, 0.0)
    seed: int = 0
    busy: float = 0.0
    throttled: float = 0.0
    poisoned: float = 0.0
    answer_loss: float = 0.0
    ack_loss: float = 0.0
    blank_every: int = 0


class Verdict(NamedTuple):
    """What becomes of a body: the events that are taken, the code, and the number that the answer names."""

    taken: list[dict[str, Any]]
    code: int
    number: int | None = None


def judge(body: bytes, behaviour: Behaviour) -> Verdict:
    """Read a body as the collector does: JSON objects one after another, up to the first that is wrong."""
    taken: list[dict[str, Any]] = []
    decoder = json.JSONDecoder(parse_constant=_no_json)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return Verdict([], 6, 0)
    place = len(text) - len(text.lstrip(" \t\r\n"))
    if place == len(text):
        return Verdict([], 5)
    while place < len(text):
        try:
            one, place = decoder.raw_decode(text, place)
        except ValueError:
            return Verdict(taken, 6, len(taken))
        while place < len(text) and text[place] in " \t\r\n":
            place += 1
        if isinstance(one, dict) and one.keys() - _KEYS:
            return Verdict(taken, 0)  # this one and all that follow are gone without a word
        if code := _code(one, behaviour):
            return Verdict(taken, code, len(taken) + (code == 7))
        # Nothing carries over from the object before.
        taken.append({"index": "main", **one, "time": _microseconds(one.get("time"))})
    return Verdict(taken, 0)


def _no_json(name: str) -> NoReturn:
    raise ValueError(name)


def _code(one: Any, behaviour: Behaviour) -> int:
    """Return what is wrong with one object, 0 for nothing."""
    if not isinstance(one, dict) or "event" not in one:
        return 12 if isinstance(one, dict) else 6
    event = one["event"]
    if isinstance(event, str) and not event.strip():
        return 13
    names = [one.get(name, "") for name in ("host", "source", "sourcetype", "index")]
    is_wrong = event is None or event is False or not all(isinstance(name, str) for name in names)
    if is_wrong or ("time" in one and _microseconds(one["time"]) is None):
        return 6
    if not _is_flat(one.get("fields", {})):
        return 15
    if one.get("index", "main") not in behaviour.indexes:
        return 7
    is_blank = behaviour.blank_every and int(event_id(one), 16) % behaviour.blank_every == 0
    return 13 if is_blank else 0


def _is_flat(fields: object) -> bool:
    return isinstance(fields, dict) and not any(isinstance(value, dict | list) for value in fields.values())


def _microseconds(time: object) -> int | None:
    """Return a time in Unix microseconds: whole seconds, milliseconds or nanoseconds, or decimal seconds as text."""
    if type(time) is int:
        return time * 1_000_000 if time < 10**11 else time * 1_000 if time < 10**14 else time // 1_000
    if isinstance(time, str) and (match := re.fullmatch(r"([0-9]{1,10})(?:\.([0-9]{1,9}))?", time)):
        return int(match[1]) * 1_000_000 + int((match[2] or "").ljust(6, "0")[:6])
    return None


def event_id(envelope: dict[str, Any]) -> str:
    """Return the event id inside an event, native or ECS."""
    event = envelope["event"]
    found: str = event["event_id"] if "event_id" in event else event["event"]["id"]
    return found
