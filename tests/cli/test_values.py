"""Claims about `scanner.cli.values`: what option values are read as, and what is refused."""

from typing import Any

import click
import pytest

from scanner.cli.values import Duration, Seconds, Seed, Shard, Size

LONG = "9" * 5000
WORDS = {Duration: "duration", Size: "size", Shard: "shard", Seed: "seed"}


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Duration(), "4", 4.0),
        (Duration(), "0.5", 0.5),
        (Duration(), "500ms", 0.5),
        (Duration(), "4s", 4.0),
        (Duration(), "2m", 120.0),
        (Duration(), "1.5h", 5400.0),
        (Duration(), " 3 s ", 3.0),
        (Duration(), "0", 0.0),
        (Size(), "1", 1),
        (Size(), "1000000", 1_000_000),
        (Size(), "10B", 10),
        (Size(), "5kB", 5_000),
        (Size(), "100MB", 100_000_000),
        (Size(), "2 GB", 2_000_000_000),
        (Size(), "64KiB", 65_536),
        (Size(), "1mib", 1_048_576),
        (Size(), "1GiB", 2**30),
        (Shard(), "1/1", (0, 1)),
        (Shard(), "3/16", (2, 16)),
        (Shard(), "16/16", (15, 16)),
        (Seed(), "0", 0),
        (Seed(), "7", 7),
        (Seed(), str(2**53 - 1), 2**53 - 1),
    ],
)
def test_a_value_is_read_with_its_unit(kind: click.ParamType[Any], text: str, value: object) -> None:
    assert kind.convert(text, None, None) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(
            (Duration(), text)
            for text in ("", "x", "-1", "4x", "1 000", "1_0", "1e3", "inf", "nan", ".5", "5.", "٤", LONG)
        ),
        *((Size(), text) for text in ("", "x", "-1", "0", "0MB", "1.5MB", "1TB", "1_0", "٤", "inf", LONG)),
        *((Shard(), text) for text in ("", "3", "0/1", "2/1", "-1/2", "1/0", "1/2/3", "a/b", "٣/٤", f"1/{LONG}")),
        *((Seed(), text) for text in ("", "x", "-1", "1.5", "1_000", "0x10", "٤", str(2**53), str(2**64 - 1), LONG)),
    ],
)
def test_what_is_no_such_value_is_refused_with_the_form_to_write(kind: click.ParamType[Any], text: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        kind.convert(text, None, None)

    assert f"{text!r} is not a {WORDS[type(kind)]}: write " in caught.value.message


@pytest.mark.parametrize(("kind", "default"), [(Duration(), 5.0), (Shard(), (0, 1)), (Seed(), 7)])
def test_a_default_is_taken_as_it_is(kind: click.ParamType[Any], default: object) -> None:
    assert kind.convert(default, None, None) == default


def test_the_default_of_a_duration_is_shown_with_its_unit() -> None:
    assert [str(Seconds(value)) for value in (30, 0.5)] == ["30s", "0.5s"]
    assert Duration().convert(Seconds(30), None, None) == 30
    assert type(Duration().convert(Seconds(30), None, None)) is float  # what is kept as JSON
