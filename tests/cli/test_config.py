"""Claims about `--config`: a file says what the command line would say, and is checked as strictly."""

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from scanner.cli import options
from scanner.errors import InputError


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "sweep.toml"


class Command:
    """A command with the options of `sweep` that only keeps what it was given."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.given: dict[str, Any] = {}

        @click.command("sweep")
        @options.target_options
        @options.pace_options
        @options.patience_options
        @options.output_options
        def sweep(**given: Any) -> None:
            self.given = given

        self._command = sweep

    def __call__(self, text: str, *arguments: str) -> dict[str, Any]:
        """Run with a configuration; return the values of all options. Errors pass."""
        self.config.write_text(text)
        CliRunner().invoke(
            self._command, ["--config", str(self.config), *arguments], standalone_mode=False, catch_exceptions=False
        )
        return self.given

    def without_config(self, *arguments: str) -> dict[str, Any]:
        CliRunner().invoke(self._command, arguments, standalone_mode=False, catch_exceptions=False)
        return self.given


@pytest.fixture
def command(config: Path) -> Command:
    return Command(config)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", []),
        ("rate = 2000", ["--rate", "2000"]),
        ("rate = 0.5", ["--rate", "0.5"]),
        ('rate = "7"', ["--rate", "7"]),
        ("concurrency = 5", ["--concurrency", "5"]),
        ('connect-timeout = "500ms"', ["--connect-timeout", "500ms"]),
        ("connect-timeout = 4", ["--connect-timeout", "4"]),
        ("port = 587", ["-p", "587"]),
        ("port = [25, 587]", ["-p", "25", "-p", "587"]),
        ('targets = ["127.0.0.1", "127.0.0.2"]', ["127.0.0.1", "127.0.0.2"]),
        ('targets = "127.0.0.1"', ["127.0.0.1"]),
        ('exclude = "127.0.0.1"', ["-x", "127.0.0.1"]),
        ('exclude-file = ["a.txt", "b.txt"]', ["--exclude-file", "a.txt", "--exclude-file", "b.txt"]),
        ('shard = "3/16"\nseed = 7', ["--shard", "3/16", "--seed", "7"]),
        ('output = ["a.jsonl", "-"]', ["-o", "a.jsonl", "-o", "-"]),
        ('rotate-size = "1MB"', ["--rotate-size", "1MB"]),
        ("append = true", ["--append"]),
        ("overwrite = true", ["--overwrite"]),
        ("append = false", []),
        ("passive = true\nall = true\nquiet = true", ["--passive", "--all", "--quiet"]),
        ("passive = false", []),
        ('state = "s"\nsummary = "sum.json"', ["--state", "s", "--summary", "sum.json"]),
        ('log-level = "debug"', ["--log-level", "debug"]),
        ("confirm-large = true\nplan = true", ["--confirm-large", "--plan"]),
        ('\ufeffsource-address = "127.0.0.1"', ["--source-address", "127.0.0.1"]),
    ],
)
def test_a_file_says_what_the_command_line_would_say(command: Command, text: str, arguments: list[str]) -> None:
    assert command(text) == command.without_config(*arguments)


@pytest.mark.parametrize(
    ("text", "arguments", "name", "value"),
    [
        ("rate = 2000", ["--rate", "5"], "rate", 5.0),
        ("port = [25, 587]", ["-p", "26"], "ports", (26,)),
        ('targets = ["127.0.0.1"]', ["127.0.0.9"], "targets", ("127.0.0.9",)),
        ("append = true", ["--overwrite"], "if_exists", "overwrite"),
        ("overwrite = true", ["--append"], "if_exists", "append"),
        ('output = "a"', ["-o", "b"], "outputs", ("b",)),
    ],
)
def test_the_command_line_wins(command: Command, text: str, arguments: list[str], name: str, value: object) -> None:
    assert command(text, *arguments)[name] == value


def test_exclusions_of_the_file_are_honoured_beside_those_of_the_command_line(command: Command) -> None:
    given = command(
        'exclude = ["192.0.2.0/25"]\nexclude-file = "never.txt"', "-x", "198.51.100.1", "--exclude-file", "more.txt"
    )

    assert given["exclude"] == ("198.51.100.1", "192.0.2.0/25")
    assert given["exclude_file"] == (Path("more.txt"), Path("never.txt"))


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("exlude", "exclude"),
        ("rates", "rate"),
        ("help", None),
        ("config", None),
        ("ports", "port"),
        ("if_exists", None),
        ("x", None),
        ("--rate", "rate"),
        ("", None),
        ("targets.a", "targets"),
    ],
)
def test_a_key_that_is_no_option_is_refused_by_name(
    command: Command, config: Path, key: str, meant: str | None
) -> None:
    with pytest.raises(InputError) as caught:
        command(f'"{key}" = "1"')

    assert str(caught.value) == f"--config {config}: {key!r} is not an option of 'sweep'" + (
        "" if meant is None else f"; did you mean {meant!r}?"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("passive = 5", "'passive' must be true or false"),
        ('passive = "yes"', "'passive' must be true or false"),
        ("append = 1", "'append' must be true or false"),
        ("rate = true", "'rate' must be one text or number"),
        ("rate = [1]", "'rate' must be one text or number"),
        ("rate = 1979-05-27", "'rate' must be one text or number"),
        ("[rate]\nx = 1", "'rate' must be one text or number"),
        ("exclude = [true]", "'exclude' must be texts or numbers"),
        ('exclude = [["a"]]', "'exclude' must be texts or numbers"),
        ("targets = [{}]", "'targets' must be texts or numbers"),
        ("[exclude]\na = 1", "'exclude' must be texts or numbers"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_what_it_must_be(
    command: Command, config: Path, text: str, problem: str
) -> None:
    with pytest.raises(InputError) as caught:
        command(text)

    assert str(caught.value) == f"--config {config}: {problem}"


@pytest.mark.parametrize(
    "text", ['rate = "fast"', "rate = -1", "port = [0]", 'port = ["x"]', "seed = 1.5", 'shard = "2/1"', "grace = -1"]
)
def test_a_value_is_checked_as_on_the_command_line(command: Command, text: str) -> None:
    with pytest.raises(click.BadParameter):
        command(text)


@pytest.mark.parametrize("text", ["rate", "rate = ", "= 1", "rate = 1\nrate = 2", "\x00"])
def test_what_is_no_toml_is_refused(command: Command, config: Path, text: str) -> None:
    with pytest.raises(InputError) as caught:
        command(text)

    assert str(caught.value).startswith(f"--config {config}: not valid TOML: ")


def test_bytes_that_are_no_text_are_refused(config: Path) -> None:
    config.write_bytes(b"rate = \xff")

    with pytest.raises(InputError, match="not valid TOML"):
        Command(config).without_config("--config", str(config))


def test_a_file_that_is_not_there_is_refused(config: Path) -> None:
    with pytest.raises(InputError) as caught:
        Command(config).without_config("--config", str(config))

    assert str(caught.value) == f"--config {config}: cannot be read (No such file or directory)"
