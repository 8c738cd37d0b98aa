"""XML that others wrote cannot harm us."""

from collections.abc import Mapping

import pytest

from scanner.files.xml import MAX_TOKEN_BYTES, XmlReader

LAUGHS = b"""<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol1 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">]>
<lolz a="&lol1;">&lol1;</lolz>"""


def read(*pieces: bytes) -> list[str]:
    seen: list[str] = []

    def on_start(element: str, attributes: Mapping[str, str]) -> None:
        seen.append(f"<{element} {dict(attributes)}>")

    reader = XmlReader(on_start, lambda element: seen.append(f"</{element}>"), seen.append)
    for piece in pieces:
        reader.feed(piece)
    reader.feed(b"", last=True)
    return seen


def test_elements_come_in_their_order_in_any_pieces() -> None:
    document = b'<?xml version="1.0"?><!DOCTYPE a><a><b x="1&amp;2"/>text</a>'
    whole = read(document)

    assert whole == ["<a {}>", "<b {'x': '1&2'}>", "</b>", "text", "</a>"]
    assert "".join(read(*(document[i : i + 1] for i in range(len(document))))) == "".join(whole)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (LAUGHS, "it defines an entity \\('lol'\\)"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "it defines an entity"),
        (b'<!DOCTYPE a [<!ENTITY % x "y">]><a/>', "it defines an entity"),
        (b"<a>", "not well-formed XML: it ends in the middle"),
        (b"<a></b>", "not well-formed XML: mismatched tag"),
        (b"{}", "not well-formed XML: not well-formed"),
        (b"", "not well-formed XML: it ends in the middle"),
    ],
)
def test_what_is_no_xml_or_may_harm_is_refused(document: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read(document)


def test_an_external_document_type_is_not_fetched() -> None:
    assert read(b'<!DOCTYPE a SYSTEM "http://192.0.2.1/a.dtd"><a/>') == ["<a {}>", "</a>"]


def test_a_tag_that_does_not_end_is_given_up() -> None:
    with pytest.raises(ValueError, match="a tag of more than 1,048,576 bytes"):
        read(b'<a x="', *[b"x" * 65536] * (MAX_TOKEN_BYTES // 65536 + 1))


def test_a_long_document_of_short_tags_is_read() -> None:
    assert len(read(b"<a>", *[b"<b/>" * 10_000] * 30, b"</a>")) == 2 * 300_000 + 2


def test_the_line_that_is_being_read_is_known() -> None:
    reader = XmlReader(lambda _name, _attributes: None, lambda _name: None)
    reader.feed(b"<a>\n\n")

    assert reader.line == 3
