"""HELP that names a product which only the rules for greetings know leaves a host recognisable."""

import pytest

from scanner.verification.named_lines import maybe_named
from scanner.verification.states import VerificationState
from tests.support.dialogues import Replies
from tests.support.fresh_looks import verified, visit
from tests.support.greetings import NO_PRODUCT_LAB


def replies(*lines: str) -> Replies:
    return {
        "EHLO scanner.lab.example": (250, ("mail1.lab.example", "8BITMIME")),
        "HELP": (214, lines),
        "QUIT": (221, ("bye",)),
        "FOO": (500, ("what",)),
    }


@pytest.mark.parametrize(
    ("line", "product"),
    [
        ("Mirapoint help", "Mirapoint Message Server"),
        ("2.0.0 Mirapoint help", "Mirapoint Message Server"),
        ("MDaemon commands:", "MDaemon"),
        ("CommuniGate Pro commands", "CommuniGate Pro"),
        ("The commands of XMail are", "XMail"),
    ],
)
def test_a_name_in_help_is_evidence_and_not_fixed(line: str, product: str) -> None:
    result = verified(visit(NO_PRODUCT_LAB, replies("Topics:", line, "End of HELP info")))

    assert result.state is VerificationState.HIDDEN_BUT_RECOGNISABLE
    assert [(each.line, each.what) for each in result.evidence] == [(f"214-{line}", f"names {product}")]


@pytest.mark.parametrize(
    "line",
    [
        "Commands:",
        "HELO EHLO MAIL RCPT DATA BDAT NOOP QUIT RSET HELP",
        'For more info use "HELP <topic>".',
        "Contact postmaster@example.com, not the makers of Mirapoint",
        "Copyright (c) 1998-2013 Proofpoint, Inc. and its suppliers.",
        "See RFC 5321",
        "",
        "x" * 3_000,
    ],
)
def test_other_help_names_nothing(line: str) -> None:
    assert maybe_named(line) is None
    assert verified(visit(NO_PRODUCT_LAB, replies("Topics:", line))).state is VerificationState.FIXED
