"""The documentation is true as far as a program can tell: generated parts, links, command lines, records, options."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from jsonschema import Draft202012Validator

import scanner
from docs import generate
from docs.man_pages import man_pages
from scanner.cli.entry import smtpsweep
from scanner.record import decode, json_schema

ROOT = Path(scanner.__file__).parent.parent
PAGES = (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("changelog.d/*.md"))
NAMES = sorted(str(path.relative_to(ROOT)) for path in PAGES)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:\.venv/bin/|python -m )?(?:smtpsweep|scanner) [a-z-].*")


def blocks(path: Path, *languages: str) -> list[str]:
    return [text for language, text in FENCE.findall(path.read_text()) if language in languages]


def prose(path: Path) -> str:
    return FENCE.sub("", path.read_text())


def command_lines(path: Path) -> Iterator[list[str]]:
    """Yield the arguments of every smtpsweep command in fenced blocks and in code spans."""
    lines = [line.removeprefix("$ ") for text in blocks(path, "", "sh", "console") for line in text.splitlines()]
    for line in lines + re.findall(r"`([^`\n]+)`", prose(path)):
        if COMMAND.fullmatch(line):
            lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            words = list(lexer)
            ends = [words.index(word) for word in ("|", ">", "&&", ";") if word in words]
            words = words[: min(ends, default=len(words))]
            yield words[words.index("-m") + 2 :] if "-m" in words else words[1:]


def parse(arguments: list[str]) -> None:
    """Let click read a command line, and run nothing."""
    parent = click.Context(smtpsweep, info_name="smtpsweep", **smtpsweep.context_settings)
    name, *rest = arguments
    if name.startswith("-"):
        smtpsweep.make_parser(parent).parse_args([name, *rest])
        return
    command = smtpsweep.get_command(parent, name)
    if command is None:
        raise click.UsageError(f"no command {name!r}")
    if rest:  # else the command is only mentioned
        command.make_context(name, [word for word in rest if word != "..."], parent=parent)


def anchors(path: Path) -> set[str]:
    """Return what a link into a page can name: its headings, as GitHub writes them."""
    headings = re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_options_and_the_record_shown_are_those_of_the_program() -> None:
    assert generate.OPTIONS.read_text() == generate.options_page(), "run `make docs`"
    assert generate.COVERAGE.read_text() == generate.coverage_page(), "run `make docs`"
    assert {page.name: page.read_text() for page in generate.MAN.iterdir()} == man_pages(smtpsweep), "run `make docs`"
    assert generate.README.read_text() == generate.readme(), "run `make docs`"
    assert generate.RECORD_PAGE.read_text() == generate.record_page(), "run `make docs`"
    assert "product     Sendmail 8.14.7\n" in generate.README.read_text()


def test_the_picture_shows_the_demo_and_fetches_nothing() -> None:
    picture = generate.TERMINAL.read_text()
    assert picture.startswith("<svg ")
    assert picture.endswith("</svg>\n")
    for words in ("$&#160;make&#160;demo", "software", "Sendmail", "demo/sweep.jsonl"):
        assert words in picture
    assert not re.search(r"@font-face|url\((?!#)|href|<script", picture)


@pytest.mark.parametrize("name", NAMES)
def test_every_relative_link_leads_somewhere(name: str) -> None:
    page = ROOT / name
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        where, _, anchor = link.partition("#")
        target = page.parent / where if where else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("name", NAMES)
def test_every_command_line_is_one_that_the_program_takes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in command_lines(ROOT / name):
        try:
            parse(arguments)
        except click.UsageError as error:
            pytest.fail(f"smtpsweep {shlex.join(arguments)}: {error.format_message()}")


def test_a_command_line_that_is_wrong_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```\nsmtpsweep sweep 192.0.2.0/24 --rte 5 | jq .\n$ smtpsweep lab --port x\n```\nor `smtpsweep swep`.\n"
    )
    found = list(command_lines(page))
    assert found == [["sweep", "192.0.2.0/24", "--rte", "5"], ["lab", "--port", "x"], ["swep"]]
    for arguments in found:
        with pytest.raises(click.UsageError):
            parse(arguments)


@pytest.mark.parametrize("name", NAMES)
def test_every_make_target_named_is_there(name: str) -> None:
    text = (ROOT / name).read_text()
    named = re.findall(r"(?m)(?:`|^)make ([a-z-]+)", text)
    known = re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text())
    assert set(named) <= set(known)


def test_the_records_shown_are_records() -> None:
    validator = Draft202012Validator(json_schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)
    versions = []
    for shown in blocks(generate.RECORD_PAGE, "json"):
        record = decode(shown.replace("\n", "").encode())
        validator.validate(json.loads(shown))
        versions.append(None if record.software is None else record.software.version)
    assert versions == ["8.18.2", "8.14.7"]


def test_every_page_is_in_the_index_and_every_decision_in_its_list() -> None:
    index, decisions = (prose(ROOT / "docs" / name) for name in ("index.md", "decisions/README.md"))
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert [page for page in sorted(pages) if f"({page})" not in index] == []
    numbered = sorted(path.name for path in (ROOT / "docs/decisions").glob("0*.md"))
    assert re.findall(r"\((0[^)]*\.md)\)", decisions) == numbered


def test_the_example_of_a_configuration_is_one(tmp_path: Path) -> None:
    (example,) = blocks(generate.OPTIONS, "toml")
    path = tmp_path / "sweep.toml"
    path.write_text(example)
    parent = click.Context(smtpsweep, info_name="smtpsweep", **smtpsweep.context_settings)
    command = smtpsweep.get_command(parent, "sweep")
    assert command is not None
    read = command.make_context("sweep", ["192.0.2.0/24", "--config", str(path), "-x", "192.0.2.1"], parent=parent)
    assert read.params["rate"] == 200
    assert read.params["exclude"] == ("192.0.2.1", "192.0.2.128/25", "198.51.100.7")
    assert read.params["greeting_timeout_s"] == 45


def test_a_changelog_fragment_has_a_kind_and_one_sentence() -> None:
    kinds = "added|changed|deprecated|removed|fixed|security"
    for path in (ROOT / "changelog.d").iterdir():
        if path.name not in ("README.md", "template.md.jinja"):
            assert re.fullmatch(rf"[a-z0-9-]+\.({kinds})\.md", path.name)
            assert re.fullmatch(r"\S[^\n]*\.\n", path.read_text())
