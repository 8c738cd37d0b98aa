"""`smtpsweep schema`: the contract of the output, for the tools that read it."""

import click
import orjson

from scanner.record import json_schema


@click.command()
def schema() -> None:
    """Print the JSON Schema of a record (smtpsweep.record/1)."""
    click.echo(orjson.dumps(json_schema(), option=orjson.OPT_INDENT_2))
