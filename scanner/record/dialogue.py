"""Encode and decode the part `dialogue` of a record: the conversation after the greeting.

Only sweeps with `--probe dialogue` or more have it, once for each server that greeted with 220. So this code is written
for clarity; the hot path is `scanner.record.encoding`. Every text is escaped already (see `scanner.model`).
"""

from typing import Any

from scanner.model import Certificate, Dialogue, Exchange, Names, Tls


def dialogue_fields(dialogue: Dialogue) -> dict[str, Any]:
    """Return the dialogue as plain values in the order of the schema; times become milliseconds in steps of 0.1."""
    tls = dialogue.tls
    return {
        "exchanges": [
            {
                "command": exchange.command,
                "code": exchange.code,
                "lines": exchange.lines,
                "took_ms": int(exchange.took_s * 10_000 + 0.5) / 10,
                "incomplete": exchange.incomplete,
            }
            for exchange in dialogue.exchanges
        ],
        "extensions": dialogue.extensions,
        "tls_extensions": dialogue.tls_extensions,
        "size": dialogue.size,
        "auth": dialogue.auth,
        "starttls": dialogue.starttls,
        "tls": None
        if tls is None
        else tls._asdict() | {"certificates": [certificate._asdict() for certificate in tls.certificates]},
        "error": dialogue.error,
    }


def read_dialogue(data: dict[str, Any]) -> Dialogue:
    """Return the dialogue that a record carries; fields that this version does not know are left out.

    Raises:
        KeyError, TypeError: when it is not a dialogue.
    """
    return Dialogue(
        exchanges=tuple(
            Exchange(
                each["command"],
                each["code"],
                _texts(each["lines"]),
                round(each["took_ms"] * 10) / 10_000,
                incomplete=bool(each.get("incomplete", False)),
            )
            for each in data["exchanges"]
        ),
        extensions=_texts(data["extensions"]),
        tls_extensions=_texts(data["tls_extensions"]),
        size=data["size"],
        auth=_texts(data["auth"]),
        starttls=data["starttls"],
        tls=None if data["tls"] is None else _tls(data["tls"]),
        error=data["error"],
    )


def read_names(data: dict[str, Any]) -> Names:
    """Return the host-name triangle that a record carries.

    Raises:
        KeyError, TypeError: when it is not a dialogue.
    """
    known = {field: data[field] for field in Names._fields}
    return Names(**known | {"ptr": _texts(data["ptr"])})


def _tls(data: dict[str, Any]) -> Tls:
    known = {field: data[field] for field in Tls._fields}
    return Tls(**known | {"certificates": tuple(map(_certificate, data["certificates"]))})


def _certificate(data: dict[str, Any]) -> Certificate:
    known = {field: data[field] for field in Certificate._fields}
    return Certificate(**known | {"names": _texts(data["names"])})


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!a} is not a list")
    return tuple(value)
