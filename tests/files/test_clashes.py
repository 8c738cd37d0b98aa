"""Claims about `scanner.files.clashes`: whatever the names look like, one file is one file."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scanner.errors import InputError
from scanner.files.clashes import Named, named, refuse_clashes, standard_input, standard_output
from tests.support.command_line import ROOT


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def clash(one: Path, other: Path) -> bool:
    """Whether two outputs, an output and an input, and the other way round, are refused; all three alike."""
    answers = set()
    for outputs, inputs in ([one, other], []), ([one], [other]), ([other], [one]):
        try:
            refuse_clashes([Named("-o", path) for path in outputs], [Named("FILE", path) for path in inputs])
            answers.add(False)
        except InputError:
            answers.add(True)
    (answer,) = answers
    return answer


def hard_link(path: Path) -> None:
    Path("a").write_bytes(b"x")
    path.hardlink_to("a")


def linked(path: Path) -> None:
    Path("a").write_bytes(b"x")
    path.symlink_to("a")


def linked_to_nothing(path: Path) -> None:
    path.symlink_to("a")


def linked_folder(path: Path) -> None:
    Path("sub").mkdir()
    path.parent.symlink_to(".")


@pytest.mark.parametrize(
    ("other", "prepare"),
    [
        ("a", None),
        ("./a", None),
        ("sub/../a", lambda _: Path("sub").mkdir()),
        ("b", hard_link),
        ("b", linked),
        ("b", linked_to_nothing),
        ("there/a", linked_folder),
        ("A", None),
    ],
)
def test_one_file_by_two_names_is_refused(other: str, prepare: Callable[[Path], None] | None) -> None:
    if prepare is not None:
        prepare(Path(other))
    assert clash(Path("a"), Path(other))
    assert clash(Path("a").absolute(), Path(other))


def test_letters_that_may_be_written_in_two_ways_are_one_name() -> None:
    assert clash(Path("caf\u00e9"), Path("cafe\u0301"))


@pytest.mark.parametrize("other", ["b", "sub/a", "nowhere/a"])
def test_other_files_are_let_alone(other: str) -> None:
    Path("sub").mkdir()
    assert not clash(Path("a"), Path(other))
    Path("a").touch()
    assert not clash(Path("a"), Path(other))


def test_names_that_exist_are_told_apart_as_the_file_system_does() -> None:
    Path("a").touch()
    Path("A").touch()
    assert not clash(Path("a"), Path("A"))


def test_files_in_a_folder_that_is_not_there_are_one_file_too() -> None:
    assert clash(Path("nowhere/a"), Path("nowhere/./a"))


def test_devices_and_fifos_may_be_named_twice() -> None:
    os.mkfifo("pipe")
    assert not clash(Path("/dev/null"), Path("/dev/null"))
    assert not clash(Path("pipe"), Path("pipe"))


def test_inputs_may_be_named_twice() -> None:
    Path("a").touch()
    refuse_clashes([], [Named("FILE", Path("a")), Named("FILE", Path("a"))])


def test_what_is_refused_is_named() -> None:
    with pytest.raises(InputError, match=r"^--summary a would overwrite -o a: name another file$"):
        refuse_clashes([Named("--summary", Path("a"))], [Named("-o", Path("a"))])


def parts(name: str) -> bool:
    return name.startswith("a.0") and name.endswith(".jsonl")


@pytest.mark.parametrize("name", ["a.0001.jsonl", "./a.0007.jsonl"])
def test_the_parts_of_an_output_are_its_files(name: str) -> None:
    output = Named("-o", Path("a.jsonl"), is_part=parts)
    for outputs, inputs in ([output, Named("--summary", Path(name))], []), ([output], [Named("FILE", Path(name))]):
        with pytest.raises(InputError):
            refuse_clashes(outputs, inputs)
    refuse_clashes([output], [Named("FILE", Path("sub") / name)])
    refuse_clashes([output], [Named("FILE", Path("a.jsonl.gz"))])


def test_a_part_that_exists_is_known_by_any_name() -> None:
    Path("a.0001.jsonl").touch()
    Path("b").hardlink_to("a.0001.jsonl")
    with pytest.raises(InputError):
        refuse_clashes([Named("-o", Path("a.jsonl"), is_part=parts), Named("--summary", Path("b"))])


def test_parts_lie_beside_the_link_that_was_named() -> None:
    Path("elsewhere").mkdir()
    Path("elsewhere/real.jsonl").touch()
    Path("a.jsonl").symlink_to("elsewhere/real.jsonl")
    output = Named("-o", Path("a.jsonl"), is_part=parts)
    with pytest.raises(InputError):
        refuse_clashes([output], [Named("FILE", Path("a.0001.jsonl"))])
    with pytest.raises(InputError):
        refuse_clashes([output], [Named("FILE", Path("elsewhere/real.jsonl"))])
    refuse_clashes([output], [Named("FILE", Path("elsewhere/a.0001.jsonl"))])


def test_a_folder_that_cannot_be_read_has_no_parts() -> None:
    refuse_clashes([Named("-o", Path("nowhere/a.jsonl"), is_part=parts)], [Named("FILE", Path("b"))])


def test_everything_in_a_folder_belongs_to_it() -> None:
    Path("plan/sub").mkdir(parents=True)
    Path("plan/sub/sweep.jsonl").touch()
    Path("link").symlink_to("plan")
    for folder in ("plan", "link"):
        with pytest.raises(InputError):
            refuse_clashes([Named("-o", Path(folder), is_folder=True)], [Named("FILE", Path("plan/sub/sweep.jsonl"))])
    with pytest.raises(InputError):
        refuse_clashes([Named("-o", Path("plan/new"))], [Named("--update", Path("plan"), is_folder=True)])
    refuse_clashes([Named("-o", Path("plan"), is_folder=True)], [Named("FILE", Path("planning"))])
    refuse_clashes([Named("-o", Path("plan/sub/new"))], [Named("FILE", Path("plan"))])


def test_a_redirection_is_a_name_too() -> None:
    with (
        Path("a").open("wb") as opened,
        pytest.raises(InputError, match="--summary a would overwrite standard output"),
    ):
        refuse_clashes([Named("--summary", Path("a")), Named("standard output", opened.fileno())])


@pytest.mark.parametrize(
    "command",
    [
        "identify a",
        "diff a b --json",
        "diff b a",
        "logs a",
        "convert a --format ecs -o -",
        "policy check a",
        "remedy --mc a",
    ],
)
def test_no_command_prints_into_what_it_reads(tmp_path: Path, command: str) -> None:
    for name in "ab":
        Path(name).write_bytes(b"220 x ESMTP Postfix\n")
    with Path("a").open("ab") as appended:
        done = subprocess.run(
            [sys.executable, "-m", "scanner", *command.split()],
            env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=appended, stderr=subprocess.PIPE, timeout=50,
            check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    assert b"standard output would overwrite " in done.stderr
    assert Path("a").read_bytes() == b"220 x ESMTP Postfix\n"


def test_standard_streams_are_known_unless_they_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [one.path for one in (*standard_input(), *standard_output())] == [0, 1]
    monkeypatch.setattr("sys.__stdin__", None)
    monkeypatch.setattr("sys.__stdout__", None)
    assert [*standard_input(), *standard_output()] == []
    refuse_clashes([Named("standard output", 987)], [Named("FILE", Path("a"))])


def test_what_an_option_names_may_be_standard_input_or_nothing() -> None:
    found = named("FILE", "a", None, "-", Path("b"))
    assert [(one.option, one.path) for one in found] == [
        ("FILE", Path("a")),
        ("standard input", 0),
        ("FILE", Path("b")),
    ]
