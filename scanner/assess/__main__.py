"""`python -m scanner.assess FOLDER`: hold the rows of the facts against NVD records in a folder (`against_nvd`).

Prints what is missing, extra or different, and ends with 1 when a row needs a look, with 2 when the folder cannot be
read, and with 3 when nothing in it could be compared: then nothing was looked at, and nothing is said to be in order.
"""

import sys
from pathlib import Path

from scanner.assess.against_nvd import compare
from scanner.assess.facts import shipped_facts
from scanner.errors import InputError


def main(arguments: list[str]) -> int:
    """Compare, print, and return the exit code."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m scanner.assess FOLDER (of NVD records, JSON of the API 2.0)\n")
        return 2
    try:
        found = compare(Path(arguments[0]), shipped_facts())
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.writelines(f"{line}\n" for line in found.shown())
    if not found.is_clean:
        return 1
    if found.compared:
        return 0
    sys.stderr.write(f"{arguments[0]!a}: no record of it names a version of a row: nothing was compared\n")
    return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
