"""What is made at its first use: expressions that are compiled then, and names of packages that are imported then."""

import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import scanner
from scanner import lazy


def _modules() -> Iterator[ModuleType]:
    """Yield the modules that have such expressions."""
    folder = Path(scanner.__file__).parent
    for file in sorted(folder.rglob("*.py")):
        if "lazy.pattern(" in file.read_text("utf-8"):
            parts = file.relative_to(folder.parent).with_suffix("").parts
            yield importlib.import_module(".".join(parts))


def _waits(pattern: object) -> bool:
    return type(pattern) is lazy._Pattern


def _waiting(value: object) -> Iterator[object]:
    """Yield the expressions of ours that a value is, or holds in tuples and dictionaries."""
    if isinstance(value, lazy._Compiled):
        yield value
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _waiting(each)
    elif isinstance(value, dict):
        yield from _waiting(tuple(value.values()))


def test_an_expression_is_compiled_when_it_is_first_used_and_is_then_what_re_makes_of_it() -> None:
    pattern = lazy.pattern(r"(?P<word>[a-z]+)", re.IGNORECASE)
    assert pattern.pattern == r"(?P<word>[a-z]+)"
    assert _waits(pattern)
    found = pattern.match("ESMTP 1")
    assert found is not None
    assert found["word"] == "ESMTP"
    assert not _waits(pattern)
    assert pattern.match == found.re.match
    assert found.re == re.compile(r"(?P<word>[a-z]+)", re.IGNORECASE)
    assert pattern.flags == found.re.flags
    assert dict(pattern.groupindex) == {"word": 1}
    assert pattern.sub("x", "a1b") == "x1x"


def test_an_expression_of_bytes_reads_bytes() -> None:
    assert lazy.pattern(rb"[0-9]+").findall(b"1 22") == [b"1", b"22"]


def test_an_expression_with_a_mistake_says_so_at_its_first_use() -> None:
    broken = lazy.pattern("(")
    assert "compiled at its first use" in repr(broken)
    with pytest.raises(re.error):
        broken.match("")


def test_what_asks_an_expression_for_what_none_has_compiles_nothing() -> None:
    pattern = lazy.pattern("a")
    assert not hasattr(pattern, "__wrapped__")
    assert _waits(pattern)


def test_every_expression_of_the_program_can_be_compiled() -> None:
    patterns = [each for module in _modules() for value in vars(module).values() for each in _waiting(value)]
    assert len(patterns) > 200
    for pattern in patterns:
        re.compile(pattern.pattern, pattern.flags)  # type: ignore[attr-defined]  # as patterns have


def test_nobody_asks_a_match_whether_it_is_of_an_expression_that_only_stands_for_the_one_it_is_of() -> None:
    asked = re.compile(r"\.re (?:is|in|==) ")
    assert not [module for module in _modules() if asked.search(inspect.getsource(module))]


def test_a_name_of_a_package_is_imported_when_it_is_first_used_and_kept() -> None:
    code = (
        "import sys, scanner\n"
        "from scanner import lazy\n"
        "ask = lazy.names('scanner', {'text.nearest': ('hint',)})\n"
        "assert 'scanner.text.nearest' not in sys.modules\n"
        "assert ask('hint')('ab', ['abc']) == sys.modules['scanner.text.nearest'].hint('ab', ['abc'])\n"
        "assert vars(scanner)['hint'] is sys.modules['scanner.text.nearest'].hint\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True).stderr == ""


def test_a_name_that_a_package_does_not_have_is_an_attribute_error_as_for_every_module() -> None:
    with pytest.raises(AttributeError, match="module 'scanner' has no attribute 'nothing'"):
        lazy.names("scanner", {})("nothing")


@pytest.mark.parametrize("package", ["scanner.record", "scanner.delivery.spool", "scanner.targets"])
def test_a_package_has_every_name_that_it_lists(package: str) -> None:
    module = importlib.import_module(package)
    assert all(getattr(module, name) is not None for name in module.__all__)
