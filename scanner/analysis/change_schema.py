"""The JSON Schema of one line of `smtpsweep diff --json`, strict, in the dialect 2020-12.

`docs/change.schema.json` is a copy for people without the program; a test keeps it equal.
"""

from typing import Annotated, Any, TypedDict

from scanner.analysis.changes import CHANGE_SCHEMA, ChangeKind
from scanner.record.schema_terms import TIME, Field, document_schema

_EACH_ONCE = Field(uniqueItems=True)


class StateDocument(TypedDict):
    """What one of the sweeps saw at the target."""

    status: Annotated[list[str], _EACH_ONCE, Field("How the visits ended.")]
    product: Annotated[list[str], _EACH_ONCE, Field("The software, as far as both sweeps looked for it.")]
    version: Annotated[
        list[str], _EACH_ONCE, Field("What is shown of its version: 8.14.7/8.13.8, with patch and package.")
    ]
    certificate: Annotated[list[str], _EACH_ONCE, Field("SHA-256 of the certificates in STARTTLS.")]
    observed_at: Annotated[str | None, TIME, Field("The time of the latest visit.")]
    event_id: Annotated[str, Field("The record of the latest visit.")]


class ChangeDocument(TypedDict):
    """One thing that changed at one target between two sweeps."""

    schema: Annotated[str, Field("Name and version of this schema.", const=CHANGE_SCHEMA)]
    kind: Annotated[str, Field("What happened.", enum=[kind.value for kind in ChangeKind])]
    ip: Annotated[
        str,
        Field(
            "The address, in its canonical form; IPv4-mapped ones as IPv4.",
            anyOf=[{"format": "ipv4"}, {"format": "ipv6"}],
        ),
    ]
    port: Annotated[int, Field("The TCP port.", minimum=1, maximum=65535)]
    host: Annotated[str | None, Field("The name that led to the address; null for plain addresses.")]
    before: Annotated[StateDocument | None, Field("The earlier sweep; null when it has no record of the target.")]
    after: Annotated[StateDocument | None, Field("The later sweep; null when it has no record of the target.")]
    at: Annotated[str | None, TIME, Field("When the later sweep saw it; null without a record.")]


def change_schema() -> dict[str, Any]:
    """Return the JSON Schema of a change as a new dict."""
    return document_schema(ChangeDocument, CHANGE_SCHEMA)
