"""Claims about names of files that are none: refused before anything is done, and never made."""

from pathlib import Path

import pytest

from tests.support.command_line import smtpsweep


@pytest.mark.parametrize("option", ["--state", "--summary", "--metrics-file", "--exclude-file", "--config"])
@pytest.mark.parametrize("name", ["-", " "])
def test_a_dash_or_a_blank_names_no_file(tmp_path: Path, option: str, name: str) -> None:
    """--summary - made a file that is called "-"."""
    done = smtpsweep("sweep", "127.0.0.1", "-p", "1", option, name, cwd=tmp_path)

    assert done.code == 2
    assert f"'{name}' is not a file name here (a file of that name is ./{name})" in done.err
    assert list(tmp_path.iterdir()) == []


def test_an_output_is_no_blank(tmp_path: Path) -> None:
    done = smtpsweep("sweep", "127.0.0.1", "-p", "1", "-o", " ", cwd=tmp_path)

    assert (done.code, list(tmp_path.iterdir())) == (2, [])
    assert "is not a path" in done.err


def test_a_file_that_is_really_called_so_has_its_folder_named(tmp_path: Path) -> None:
    done = smtpsweep("sweep", "127.0.0.1", "-p", "1", "--summary", "./-", "-q", cwd=tmp_path)

    assert done.code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["-"]
