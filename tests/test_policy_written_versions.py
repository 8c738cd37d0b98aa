"""Claims about `scanner.assess.written_versions`: numbers like versions, and what only looks like one."""

import pytest

from scanner.assess.written_versions import maybe_written_version
from scanner.model import Software
from tests.policy_records import record_of

SURE, UNDECIDED, NONE = True, False, None


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("FooMail version 3.2", SURE),
        ("FooMail Version: 3.2.1.4 ready", SURE),
        ("FooMail/3.2", SURE),
        ("FooMail v3.2b1 ready", SURE),
        ("FooMail (3.2); ready", SURE),
        ("502 Sendmail 8.17.1.9 -- HELP not implemented", SURE),
        ("(FM 3.2)", UNDECIDED),
        ("3.2.1", UNDECIDED),
        ("8.17.1.9", UNDECIDED),
        ("FooMail, 3.2", UNDECIDED),
        ("foo-3.2", NONE),
        ("for 3.2 days", NONE),
        ("", NONE),
        ("ready 2026 7", NONE),
        ("access from 192.0.2.9", NONE),
        ("access from [192.0.2.9] and [IPv6:2001:db8::1.2]", NONE),
        ("22.11.2026 10:16:56.123", NONE),
        ("5.7.1 not here", NONE),
        ("session a640c23a62f3a-477.3 - gsmtp", NONE),
        ("as RFC 5321, section 4.5.3.1.5 says", NONE),
        ("see mx1.2.example.com and 10.2.3.4.in-addr.arpa", NONE),
        ("mail@1.2", NONE),
        ("." * 2_000 + " version 1.2", NONE),
    ],
)
def test_lines(line: str, wanted: bool | None) -> None:
    record = record_of(software=None)

    assert maybe_written_version(["ESMTP", line], record, None) == (None if wanted is None else (line, wanted))


def test_a_number_beside_the_product_s_name_is_its_version() -> None:
    record = record_of(software=Software("Postfix"))

    assert maybe_written_version(["ESMTP postfix (3.7.11)"], record, None) == ("ESMTP postfix (3.7.11)", True)
    assert maybe_written_version(["postfix-3.7.11"], record, None) == ("postfix-3.7.11", True)
    assert maybe_written_version(["exim-3.7.11"], record, None) is None


def test_the_first_undecided_line_counts_and_a_sure_one_outweighs_it() -> None:
    record = record_of(software=None)

    assert maybe_written_version(["a 1.2", "b 3.4"], record, None) == ("a 1.2", False)
    assert maybe_written_version(["a 1.2", "version 3.4"], record, None) == ("version 3.4", True)


def test_the_name_that_a_line_begins_with_is_not_looked_at() -> None:
    record = record_of(software=None)

    assert maybe_written_version(["mx 1.2 ESMTP"], record, "mx 1.2") is None
