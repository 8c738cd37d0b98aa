"""`smtpsweep schema`: the JSON Schemas of what the program writes, for the tools that read it."""

from typing import Final

import click

_KINDS: Final = ("record", "summary", "change")


@click.command()
@click.argument("kind", type=click.Choice(_KINDS), default="record", metavar="[KIND]")
def schema(kind: str) -> None:
    """Print a JSON Schema.

    KIND is record (the default), summary (`sweep --summary`) or change (`diff --json`).
    """
    click.echo(_text(kind), nl=False)


def _text(kind: str) -> bytes:
    if kind == "summary":
        from scanner.sweeps.summary_schema import summary_schema_text  # noqa: PLC0415  only what is printed is loaded

        return summary_schema_text()
    if kind == "change":
        from scanner.analysis.change_schema import change_schema_text  # noqa: PLC0415

        return change_schema_text()
    from scanner.record.schema import schema_text  # noqa: PLC0415

    return schema_text()
