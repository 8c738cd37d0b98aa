"""`python -m scanner.lab JSON`: a lab as a child process, without the command line.

The argument is what `scanner.lab.process` writes: the fields of `LabSettings` and of `Files`, in one JSON object each.
"""

import sys

import orjson

from scanner.errors import InputError
from scanner.lab.server import LabSettings
from scanner.lab.service import Files, serve


def main(argument: str) -> None:
    """Run a lab as the argument says; exit with 2 and one line when it cannot."""
    given = orjson.loads(argument)
    settings = given["settings"] | {"bind": tuple(given["settings"]["bind"])}
    try:
        serve(LabSettings(**settings), Files(**given["files"]))
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main(sys.argv[1])
