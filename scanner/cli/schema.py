"""`smtpsweep schema`: the JSON Schemas of what the program writes, for the tools that read it."""

from typing import Final

import click

from scanner.record import json_schema
from scanner.record.schema_terms import Schema, schema_text

_KINDS: Final = ("record", "summary", "change")


@click.command()
@click.argument("kind", type=click.Choice(_KINDS), default="record", metavar="[KIND]")
def schema(kind: str) -> None:
    """Print a JSON Schema.

    KIND is record (the default), summary (`sweep --summary`) or change (`diff --json`).
    """
    click.echo(schema_text(_schema(kind)), nl=False)


def _schema(kind: str) -> Schema:
    if kind == "summary":
        from scanner.sweeps.summary_schema import summary_schema  # noqa: PLC0415  only what is printed is loaded

        return summary_schema()
    if kind == "change":
        from scanner.analysis.change_schema import change_schema  # noqa: PLC0415

        return change_schema()
    return json_schema()
