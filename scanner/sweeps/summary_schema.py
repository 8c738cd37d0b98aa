"""The JSON Schema of the summary of a sweep (`sweep --summary`), strict, in the dialect 2020-12.

The classes say what is in a summary: names, order, types, and a sentence for each. A test holds the summaries of real
sweeps against them. `docs/summary.schema.json` is a copy for people without the program; a test keeps it equal.
"""

from typing import Annotated, Any, TypedDict

from scanner.model import Status
from scanner.record.schema_terms import TIME, Count, Escaped, Field, document_schema
from scanner.sweeps.summary import SUMMARY_SCHEMA

_DIGEST = Field(pattern="^[0-9a-f]{32}$")


class SinkDocument(TypedDict):
    """The balance of one sink."""

    name: Annotated[str, Field("The name of the sink; secrets in it are hidden.")]
    url: Annotated[str, Field("Its URL, secrets hidden; for a file or standard output the same as the name.")]
    policy: Annotated[str, Field("What happens when it is slow or down: required, buffer or best-effort.")]
    delivered: Annotated[Count, Field("Records that it has acknowledged.")]
    dead: Annotated[Count, Field("Records that it refused for good: dead letters.")]
    skipped: Annotated[Count, Field("Records left out because its policy is best-effort.")]
    duplicates: Annotated[Count, Field("Events that the receiver already had.")]
    waiting: Annotated[Count, Field("Records that exist and are not acknowledged.")]
    reason: Annotated[str | None, Field("Why it does not have everything; null when it has.")]


class UnresolvedDocument(TypedDict):
    """A name that led to no address."""

    name: Annotated[str, Field("The name, as it was given.")]
    where: Annotated[str, Field("Where it was given: the command line, or file and line.")]
    reason: Annotated[str, Field("Why it has no address.")]


class SuspectDocument(TypedDict):
    """An answer that came from so many networks that something on the way may give it (interception)."""

    kind: Annotated[str, Field("What is the same everywhere.", enum=["greeting", "certificate"])]
    value: Annotated[Escaped, Field("The text of the greeting, or the SHA-256 of the certificate.")]
    visits: Annotated[Count, Field("Visits that got it.")]
    networks: Annotated[Count, Field("Networks that it came from; no more than 64 are counted.")]
    addresses: Annotated[list[str], Field("One address of each network.")]


class PoolDocument(TypedDict):
    """A target that gave different answers."""

    ip: Annotated[str, Field("The address.")]
    port: Annotated[int, Field("The port.")]
    software: Annotated[list[str], Field("The answers: product and version.")]


class SamplesDocument(TypedDict):
    """What several visits to one target showed."""

    compared: Annotated[Count, Field("Targets whose software was identified more than once.")]
    left_out: Annotated[Count, Field("Targets that were not compared, because too many were being compared.")]
    found: Annotated[Count, Field("Targets that gave different answers.")]
    pools: Annotated[list[PoolDocument], Field("The first of them.")]


class SummaryDocument(TypedDict):
    """How a sweep ended."""

    schema: Annotated[str, Field("Name and version of this schema.", const=SUMMARY_SCHEMA)]
    scan_id: Annotated[str, Field("The scan; its records have the same id.")]
    version: Annotated[str, Field("The version of smtpsweep.")]
    facts_of: Annotated[str, Field("The day of the facts about flaws.", format="date")]
    started_at: Annotated[str, TIME, Field("When the scan began; a resumed scan keeps it.")]
    ended_at: Annotated[str, TIME, Field("When this run ended.")]
    elapsed_s: Annotated[float, Field("Seconds that this run took.", minimum=0)]
    complete: Annotated[bool, Field("Whether every target has its status and every sink every record.")]
    reason: Annotated[str | None, Field("Why it is not complete; null when it is.")]
    seed: Annotated[int, Field("The seed of the order of visits.")]
    shard: Annotated[str, Field("Which part of the targets this is, such as 3/16.")]
    digest: Annotated[
        str, _DIGEST, Field("Names targets, exclusions, ports, seed and order: equal for a resumed scan.")
    ]
    targets_digest: Annotated[str, _DIGEST, Field("Names the set of targets and ports alone.")]
    options: Annotated[dict[str, Any], Field("The options of the sweep that decide what it can see, and its pace.")]
    planned: Annotated[Count, Field("Targets of the plan: addresses times ports times samples.")]
    excluded: Annotated[Count, Field("Targets that were excluded.")]
    excluded_why: Annotated[dict[str, int], Field("The same by reason.")]
    not_visited: Annotated[Count, Field("Targets without a status, because the sweep ended before.")]
    statuses: Annotated[
        dict[str, int],
        Field("Targets by status, those of earlier runs included.", propertyNames={"enum": list(Status)}),
    ]
    products: Annotated[dict[str, int], Field("Targets by product, most first.")]
    records: Annotated[Count, Field("Records that every sink has acknowledged.")]
    sinks: Annotated[list[SinkDocument], Field("The balance of each sink.")]
    refused_us: Annotated[Count, Field("Targets that refused this scanner's address.")]
    unresolved: Annotated[list[UnresolvedDocument], Field("Names that led to no address.")]
    connections: Annotated[Count, Field("Connections that were started, retries included.")]
    retried: Annotated[Count, Field("Connections that were made again.")]
    local_errors: Annotated[Count, Field("Errors of this machine, tried again.")]
    interception: Annotated[list[SuspectDocument], Field("Answers that something on the way may give.")]
    samples: Annotated[SamplesDocument | None, Field("What several visits to one target showed; null with one each.")]
    notices: Annotated[list[str], Field("Sentences for people.")]


def summary_schema() -> dict[str, Any]:
    """Return the JSON Schema of a summary as a new dict."""
    return document_schema(SummaryDocument, SUMMARY_SCHEMA)
