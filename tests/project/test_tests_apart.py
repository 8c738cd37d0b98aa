"""Tests stand alone: none needs another's module, and what conftest.py names exists."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import BOTH_LOOPS

TESTS = Path(__file__).parents[1]


def imported_tests(source: str) -> Iterator[str]:
    """Name what a source imports from test modules, or them, in either way of writing it."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module or ''}.{alias.name}" for alias in node.names]
        yield from (name for name in names if any(part.startswith("test_") for part in name.split(".")))


@pytest.mark.parametrize(
    "source",
    [
        "import tests.engine.test_pool",
        "from tests.engine import test_pool",
        "from tests.engine.test_pool import settings",
        "from .test_pool import settings",
        "def late():\n    from tests.engine.test_pool import settings",
    ],
)
def test_an_import_of_a_test_module_is_seen(source: str) -> None:
    assert len(list(imported_tests(source))) == 1
    assert list(imported_tests(source.replace("test_pool", "pools"))) == []


def test_what_tests_share_is_in_no_test_module() -> None:
    found = {str(file.relative_to(TESTS)): list(imported_tests(file.read_text())) for file in TESTS.rglob("*.py")}

    assert len(found) > 300
    assert {file: names for file, names in found.items() if names} == {}


def test_the_modules_that_run_on_both_loops_exist() -> None:
    assert [name for name in BOTH_LOOPS if not (TESTS / name).is_file()] == []
