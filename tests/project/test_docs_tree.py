"""What the documentation says of the source tree is so: every module has a row, every covered part is named."""

import ast
import re
import tomllib
from pathlib import Path

import scanner

ROOT = Path(scanner.__file__).parent.parent
#: What needs no row of its own.
_UNTOLD = {"__init__", "__main__", "__pycache__"}
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def parts() -> set[str]:
    """Return the modules and packages of `scanner`."""
    return {
        path.stem for path in (ROOT / "scanner").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    } - _UNTOLD


def told() -> set[str]:
    """Return what the first column of the table in the architecture names."""
    text = (ROOT / "docs/architecture.md").read_text()
    cells = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    names = re.findall(r"`(?:scanner/)?(\w+)(?:\.py|/)`", " ".join(cells))
    return set(names) - _UNTOLD


def test_the_architecture_has_every_module_and_no_other() -> None:
    assert told() == parts()


def test_contributing_names_what_must_be_covered_whole() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    covered = project["tool"]["coverage"]["run"]["source_pkgs"]
    (line,) = re.findall(
        r"^- Every branch of these is covered: ([^.]*)\.", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE
    )

    assert re.findall(r"`(\w+)`", line) == [name.removeprefix("scanner.") for name in covered]


def test_every_hop_of_the_walks_is_there() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    hops = re.findall(r"`([\w/]+\.py): (\w+)(?:\.(\w+))?`", text)
    assert len(hops) > 40
    missing = [hop for hop in hops if not is_defined(*hop)]
    assert missing == []
    assert not is_defined("cli/sweep.py", "Sweep", "no_such_method")


def is_defined(file: str, name: str, method: str) -> bool:
    """Return whether a file below `scanner/` defines a function or class, and a class its method."""
    tree = ast.parse((ROOT / "scanner" / file).read_text())
    found = [node for node in tree.body if isinstance(node, DEFINITIONS) and node.name == name]
    if not method:
        return bool(found)
    return any(isinstance(node, DEFINITIONS) and node.name == method for one in found for node in one.body)
