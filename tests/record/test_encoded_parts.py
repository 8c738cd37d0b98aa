"""Claims about `scanner.record.encoded_parts`: what many records share is encoded once, in bounded memory."""

from scanner.model import Finding
from scanner.record import decode, encode
from scanner.record.encoded_parts import MOST_KEPT, EncodedParts
from tests.support.greetings import SENDMAIL_8_14
from tests.support.records import greeting_of, record_of


def test_the_findings_that_hosts_share_are_written_whole_each_time() -> None:
    findings = tuple(Finding(f"F-{number}", "low", "A title", condition="\u2028\n") for number in range(3))
    one, other = (record_of(greeting_of(SENDMAIL_8_14), ip=f"192.0.2.{n}", findings=findings) for n in (1, 2))

    for record in (one, other):
        assert decode(encode(record)).findings == findings
        assert encode(record).count(b"\n") == 1


def test_equal_findings_of_another_host_are_told_apart_from_those_of_a_freed_object() -> None:
    for number in range(2000):
        findings = (Finding(f"F-{number}", "low", "A title"),)

        assert decode(encode(record_of(findings=findings))).findings == findings


def test_many_different_parts_keep_no_more_memory_than_the_limit() -> None:
    parts = EncodedParts[tuple[int, ...]](list)
    for number in range(MOST_KEPT * 3):
        part = (number,)

        assert parts.keep(part) is parts.kept[id(part)]
        assert len(parts.kept) <= MOST_KEPT
