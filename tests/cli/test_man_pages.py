"""The pages for man: one for each command, with what the help has, and man renders them."""

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from docs.man_pages import man_pages, write_man_pages
from scanner.cli.entry import smtpsweep
from scanner.version import VERSION
from tests.support.requirements import require_or_skip

PAGES = man_pages(smtpsweep)


def rendered(text: str, tmp_path: Path) -> str:
    """Return a page as man shows it, without overstrikes; a warning of the renderer fails the test."""
    require_or_skip(shutil.which("man") is not None and shutil.which("groff") is not None, "needs man and groff")
    path = tmp_path / "page.1"
    path.write_text(text)
    done = subprocess.run(
        ["groff", "-man", "-Tascii", "-P-c", "-P-bou", "-ww", "-rLL=300n", path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


def test_there_is_a_page_for_the_program_and_for_every_command() -> None:
    names = smtpsweep.list_commands(click.Context(smtpsweep))
    below = {"policy-check", "policy-init", "sinks-test"}
    assert set(PAGES) == {"smtpsweep.1", *(f"smtpsweep-{name}.1" for name in {*names, *below})}


@pytest.mark.tools
@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_has_its_name_its_options_and_renders_without_a_warning(name: str, tmp_path: Path) -> None:
    text = rendered(PAGES[name], tmp_path)
    stem = name.removesuffix(".1")

    assert re.search(rf"(?m)^NAME\n +{stem} - \w", text)
    assert "\nSYNOPSIS\n" in text
    assert "\nOPTIONS\n" in text
    assert re.search(r"(?m)^ +-h, --help\n? +Show this message and exit\.$", text)
    assert f"smtpsweep {VERSION}" in text


@pytest.mark.tools
def test_the_page_of_a_sweep_has_the_groups_and_help_of_its_options(tmp_path: Path) -> None:
    text = rendered(PAGES["smtpsweep-sweep.1"], tmp_path)
    assert re.search(r"(?m)^   Pace\n +--rate N\n +Start at most N connections per second; 0: no limit\.", text)
    assert "(default: $XDG_CONFIG_HOME/smtpsweep/config.toml, if it exists)" in text


@pytest.mark.tools
def test_man_itself_shows_a_page(tmp_path: Path) -> None:
    require_or_skip(shutil.which("man") is not None and shutil.which("groff") is not None, "needs man and groff")
    write_man_pages(smtpsweep, tmp_path)
    done = subprocess.run(["man", "-l", tmp_path / "smtpsweep.1"], capture_output=True, text=True, check=True)
    assert "smtpsweep-sweep(1)" in done.stdout


@pytest.mark.tools
def test_text_that_man_would_take_for_a_request_is_shown(tmp_path: Path) -> None:
    help_text = r".so /etc/passwd 'x' \fB \n(.x ~ ^ ` " + '"quoted"'

    @click.command()
    @click.option("--odd", help=help_text)
    def odd() -> None:
        """Show 'odd' things.

        .TH is not a request here, 'nor is this. \\e

        'ft
        """

    program = click.Group("smtpsweep", commands={"odd": odd}, help="Do.")
    text = rendered(man_pages(program)["smtpsweep-odd.1"], tmp_path)

    assert help_text in text
    assert r".TH is not a request here, 'nor is this. \e" in text
    assert re.search(r"(?m)^ +'ft$", text)


def test_pages_of_commands_that_are_gone_are_removed(tmp_path: Path) -> None:
    (tmp_path / "smtpsweep-gone.1").write_text("")
    (tmp_path / "README").write_text("")
    write_man_pages(click.Group("smtpsweep", help="Do."), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README", "smtpsweep.1"]
