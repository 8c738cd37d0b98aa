"""Claims about the credentials file of `receivers.nats`: it must be readable, ours alone, and never be seen."""

import logging
from pathlib import Path

import pytest

from scanner.delivery.relay.destination import Destination, make_destinations
from scanner.errors import InputError

SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"


def destination(file: Path) -> Destination:
    (one,) = make_destinations([f"nats://127.0.0.1/SWEEP?credentials_file={file}"])
    return one


def test_a_file_that_cannot_be_read_is_an_error_before_the_sweep(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"credentials_file=.*: cannot be read \(No such file or directory\)"):
        destination(tmp_path / "creds")


@pytest.mark.parametrize(("mode", "warns"), [(0o600, False), (0o644, True)])
def test_what_it_holds_is_hidden_and_a_file_that_others_read_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, warns: bool
) -> None:
    file = tmp_path / "creds"
    file.write_text(f"-----BEGIN USER NKEY SEED-----\n{SEED}\n------END USER NKEY SEED------\n")
    file.chmod(mode)
    with caplog.at_level(logging.WARNING):
        one = destination(file)

    assert SEED not in one.redaction.clean(f"the server says {SEED}")
    assert ("credentials_file" in caplog.text) is warns
