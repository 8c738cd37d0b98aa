"""Lines with a checksum: what was written comes back, and nothing else does."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.files.sealed import SEAL_BYTES, seal, unseal

LINE = b'{"done":[16,17,18,19],"counts":{}}'
SEALED = b'{"done":[16,17,18,19],"counts":{},"crc32":"f02fed44"}'


def test_a_sealed_line_is_json_with_the_checksum_as_its_last_member() -> None:
    assert seal(LINE) == SEALED
    assert list(orjson.loads(SEALED)) == ["done", "counts", "crc32"]
    assert len(SEALED) == len(LINE) + SEAL_BYTES


@given(st.dictionaries(st.text(), st.integers(0, 1 << 40) | st.text(), min_size=1))
def test_what_was_sealed_comes_back(document: dict[str, int | str]) -> None:
    line = orjson.dumps(document)
    assert unseal(seal(line)) == line


@pytest.mark.parametrize("at", range(len(SEALED)))
def test_no_byte_can_be_another_unseen(at: int) -> None:
    changed = bytearray(SEALED)
    changed[at] ^= 0x01
    with pytest.raises(ValueError, match="checksum"):
        unseal(bytes(changed))


@pytest.mark.parametrize("length", range(len(SEALED)))
def test_a_torn_line_is_refused_wherever_it_ends(length: int) -> None:
    with pytest.raises(ValueError, match="checksum"):
        unseal(SEALED[:length])


def test_a_line_that_was_never_sealed_is_refused() -> None:
    with pytest.raises(ValueError, match="it has no checksum"):
        unseal(LINE)


def test_a_digit_that_changed_inside_a_number_is_seen() -> None:
    with pytest.raises(ValueError, match="its checksum does not fit"):
        unseal(SEALED.replace(b"18", b"38"))
