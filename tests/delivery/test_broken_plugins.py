"""Claims about packages that offer a sink and are broken: one line that names them, and nothing else suffers."""

import sys
from pathlib import Path

import pytest

from scanner.cli.entry import run

_MAKE = """
from scanner.delivery.receivers.urls import SinkKind

def make(url):
    {statement}

KIND = SinkKind(summary="a", example="a", formats=("native",), make=make, secrets=("token",))
"""
MODULES = {
    "not python": "def",
    "fails": "raise RuntimeError('no\\nlibrary \\x1b[31m')",
    "exits": "import sys; sys.exit(0)",
    "no kind": "KIND = 5",
    "nothing": "",
}
MAKERS = {
    "fails": _MAKE.format(statement="raise RuntimeError(url.secret('token').value())"),
    "exits": _MAKE.format(statement="raise SystemExit(0)"),
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where packages are installed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delitem(sys.modules, "their_sink", raising=False)
    return tmp_path / "site"


def install(site: Path, code: str, group: str = "receivers") -> None:
    info = site / "their_package-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[smtpsweep.{group}]\ntheirs = their_sink:KIND\n")
    (site / "their_sink.py").write_text(code)
    sys.modules.pop("their_sink", None)


@pytest.mark.parametrize("code", MODULES.values(), ids=MODULES.keys())
@pytest.mark.parametrize("group", ["receivers", "sinks"])
def test_a_sweep_with_a_sink_that_cannot_be_loaded_does_not_begin(
    site: Path, code: str, group: str, capsys: pytest.CaptureFixture[str]
) -> None:
    install(site, code, group)

    assert run(["sweep", "127.0.0.1", "-o", "theirs://h/a", "--run", "run"]) == 2
    said = capsys.readouterr().err
    assert "-o theirs://...: their_sink:KIND of their-package cannot be used: " in said
    assert said.count("\n") == 1
    assert "\x1b" not in said
    assert not (site.parent / "run").exists()


@pytest.mark.parametrize("code", MODULES.values(), ids=MODULES.keys())
def test_a_sink_that_cannot_be_loaded_is_named_beside_all_others(
    site: Path, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    install(site, code)

    assert run(["sinks"]) == 0
    said = capsys.readouterr()
    assert "theirs://...: their_sink:KIND of their-package cannot be used: " in said.err
    assert said.err.count("\n") == 1
    assert {"https://", "postgresql://", "syslog+tls://"} <= set(said.out.splitlines())
    assert run(["sinks", "test", "theirs://h/a"]) == 2


@pytest.mark.parametrize("code", MAKERS.values(), ids=MAKERS.keys())
@pytest.mark.parametrize("arguments", [("sweep", "127.0.0.1", "-o"), ("sinks", "test")])
def test_a_sink_that_cannot_be_made_is_said_without_its_secrets(
    site: Path,
    code: str,
    arguments: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOKEN", "very-secret-token")
    install(site, code)

    assert run([*arguments, "theirs://h/a?token_env=TOKEN"]) == 2
    said = capsys.readouterr().err
    assert "-o theirs://h/a: their_sink:KIND of their-package cannot be used: " in said
    assert "very-secret-token" not in said
    assert said.count("\n") == 1
