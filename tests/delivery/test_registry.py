"""Claims about `scanner.delivery.registry`: from the text after -o to a sink."""

import sqlite3
from contextlib import closing
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from scanner.delivery import FileSink, Sink, SinkOptions, StdoutSink, make_sink, registry
from scanner.errors import InputError

OPTIONS = SinkOptions(rotate_size=1000, if_exists="append")


class TheirSink(StdoutSink):
    """A sink of a third party, as an entry point names it."""

    @staticmethod
    def make(url: str, options: SinkOptions) -> Sink:
        sink = TheirSink()
        sink.name = f"{url} {options.rotate_size}"
        return sink


def provide(monkeypatch: pytest.MonkeyPatch, *points: tuple[str, str]) -> None:
    """Let importlib.metadata know these entry points and no others."""
    known = EntryPoints(EntryPoint(name, value, registry.GROUP) for name, value in points)
    monkeypatch.setattr(registry, "entry_points", lambda group: known.select(group=group))


def test_a_dash_is_standard_output() -> None:
    assert isinstance(make_sink("-", OPTIONS), StdoutSink)


@pytest.mark.parametrize("path", ["sweep.jsonl", "/tmp/a b", "./-", "C:odd", "a:/b", "9p://x", "://", "%41"])  # noqa: S108  never opened
def test_what_is_no_url_is_a_path_as_it_stands(path: str) -> None:
    sink = make_sink(path, OPTIONS)

    assert isinstance(sink, FileSink)
    assert sink.name == path


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///var/sweep.jsonl", "/var/sweep.jsonl"),
        ("FILE:///var/sweep.jsonl", "/var/sweep.jsonl"),
        ("file://localhost/a", "/a"),
        ("file:///a%20b%C3%A4", "/a bä"),
    ],
)
def test_a_file_url_is_a_path_percent_decoded(url: str, path: str) -> None:
    sink = make_sink(url, OPTIONS)

    assert isinstance(sink, FileSink)
    assert sink.name == path


@pytest.mark.parametrize("url", ["file://server/share", "file://", "file:///a?b", "file:///a#b"])
def test_a_file_url_that_is_no_absolute_path_here_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="must be file:///absolute/path"):
        make_sink(url, OPTIONS)


def test_a_file_url_with_a_nul_is_refused() -> None:
    with pytest.raises(InputError, match="is not a path"):
        make_sink("file:///a%00b", OPTIONS)


async def test_the_options_reach_the_file(tmp_path: Path) -> None:
    (tmp_path / "sweep").write_bytes(b"before\n")
    sink = make_sink(f"file://{tmp_path}/sweep", OPTIONS)
    await sink.open(None)
    await sink.write([b"after\n"])
    await sink.close()

    assert (tmp_path / "sweep").read_bytes() == b"before\nafter\n"


def test_another_distribution_can_provide_a_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    provide(monkeypatch, ("their+sink", "tests.delivery.test_registry:TheirSink.make"))

    assert make_sink("Their+Sink://host/x?y", OPTIONS).name == "Their+Sink://host/x?y 1000"


def test_a_scheme_that_nobody_provides_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(InputError, match=r"^-o gopher://\.\.\.: no sink of this kind .* known: -, a path, file://$"):
        make_sink("gopher://user:secret@host/", OPTIONS)


def test_a_scheme_that_nobody_provides_where_nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    provide(monkeypatch)

    with pytest.raises(InputError, match="known: -, a path, none"):
        make_sink("file:///a", OPTIONS)


def test_a_scheme_that_two_provide_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    provide(monkeypatch, ("x", "one:make"), ("x", "two:make"))

    with pytest.raises(InputError, match=r"^-o x://\.\.\.: more than one provides it: one:make, two:make$"):
        make_sink("x://host", OPTIONS)


@pytest.mark.parametrize("value", ["no_such_module:make", "tests.delivery.test_registry:no_such_name"])
def test_a_provider_that_cannot_be_loaded_is_named_with_the_reason(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    provide(monkeypatch, ("x", value))

    with pytest.raises(InputError, match=rf"{value} cannot be used: .*no_such"):
        make_sink("x://host", OPTIONS)


async def test_the_sink_in_the_documentation_works_as_it_stands_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    document = (Path(__file__).parents[2] / "docs" / "write-a-sink.md").read_text("utf-8")
    source = document.split("```python\n")[1].split("```")[0]
    (tmp_path / "smtpsweep_sqlite.py").write_text(source, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    provide(monkeypatch, ("sqlite", "smtpsweep_sqlite:SqliteSink.from_url"))

    sink = make_sink(f"sqlite://{tmp_path}/sweep.db", OPTIONS)
    await sink.open(None)
    await sink.write([b'{"event_id":"a","ip":"192.0.2.1"}\n', b'{"event_id":"b","ip":"192.0.2.2"}\n'])
    await sink.write([b'{"event_id":"a","ip":"192.0.2.1"}\n'])
    with closing(sqlite3.connect(tmp_path / "sweep.db")) as database:
        rows = database.execute("select event_id, ip from record order by 1").fetchall()
    await sink.close()

    assert len(source.splitlines()) <= 60
    assert rows == [("a", "192.0.2.1"), ("b", "192.0.2.2")]
