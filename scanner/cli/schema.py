"""`smtpsweep schema`: the contract of the output, for the tools that read it."""

import click

from scanner.record.schema import schema_text


@click.command()
def schema() -> None:
    """Print the JSON Schema of a record (smtpsweep.record/1)."""
    click.echo(schema_text(), nl=False)
