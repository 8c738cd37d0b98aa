"""The file of behaviours is checked when it is read; what is wrong is named."""

from collections import Counter

import pytest

from scanner.errors import RuleError
from scanner.identify.rules import shipped_rules
from scanner.identify.signatures import known_keywords, read_signatures, shipped_signatures

GOOD = """
[[behaviour]]
product = "Any"
order = ["SIZE"]
settable = ["quit"]
traits = [{ id = "a", in = "help", points = 5, names = true, code = 214, pattern = 'Any (?P<version>[0-9]{1,3})' }]
"""


def test_a_signature_is_read_with_its_defaults() -> None:
    (signature,) = read_signatures(GOOD, "x.toml")
    (trait,) = signature.traits

    assert (signature.product, signature.vendor, signature.cpe) == ("Any", None, None)
    assert (signature.order, signature.settable) == (("SIZE",), frozenset({"quit"}))
    assert (trait.id, trait.place, trait.points, trait.names, trait.code) == ("a", "help", 5, True, 214)
    assert trait.pattern.fullmatch("Any 12")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[", "x.toml: not TOML ("),
        ("a = 1", "x.toml: no [[behaviour]]"),
        (GOOD.replace("product", "product_"), "x.toml: behaviour 1: 'product' is missing"),
        (GOOD.replace("settable", "settled"), "x.toml: behaviour 1: unknown key 'settled'"),
        (GOOD.replace('"quit"', '"bye"'), "x.toml: behaviour 1: settable: there is no reply 'bye'"),
        (GOOD.replace("code", "codes"), "x.toml: behaviour 1: trait a: unknown key 'codes'"),
        (GOOD.replace('"help"', '"banner"'), "x.toml: behaviour 1: trait a: there is no reply 'banner'"),
        (GOOD.replace("= 5", "= 6"), "x.toml: behaviour 1: trait a: points 6 are not 1 to 5"),
        (GOOD.replace("{1,3}", "+"), "x.toml: behaviour 1: the repetition + has no upper bound"),
        (GOOD.replace("<version>", "<os>"), "x.toml: behaviour 1: trait a: only a text that names the product has"),
        (GOOD.replace("true", "false"), "x.toml: behaviour 1: trait a: only a text that names the product has"),
        (GOOD.replace('["SIZE"]', "1"), "x.toml: behaviour 1: 'int' object is not iterable"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(text: str, complaint: str) -> None:
    with pytest.raises(RuleError) as caught:
        read_signatures(text, "x.toml")

    assert str(caught.value).startswith(complaint)


def test_the_shipped_products_are_called_as_the_greeting_rules_call_them() -> None:
    ours = {signature.product for signature in shipped_signatures()}
    theirs = {rule.fixed["product"] for rule in shipped_rules()}

    assert ours - theirs <= {"smtp-server"}  # whose greeting does not name it


def test_the_shipped_traits_are_told_apart_by_their_place_and_name() -> None:
    for signature in shipped_signatures():
        count = Counter((trait.place, trait.id) for trait in signature.traits)
        assert count.most_common(1)[0][1] == 1, signature.product


def test_the_known_keywords_are_those_of_all_orders() -> None:
    assert {"DELIVERBY", "PIPECONNECT", "X-EXPS", "SIZE"} < known_keywords(shipped_signatures())
