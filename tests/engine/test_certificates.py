"""Claims about `scanner.engine.certificates`: what is read of a certificate, whatever kind of key it has."""

import datetime as dt
from hashlib import sha256
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from scanner.engine.certificates import _chain, certificate_facts

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mx.example")])
DAY = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


def certificate(key: Any, names: list[x509.GeneralName] | None = None) -> bytes:
    builder = x509.CertificateBuilder().subject_name(NAME).issuer_name(NAME).public_key(key.public_key())
    builder = builder.serial_number(255).not_valid_before(DAY).not_valid_after(DAY + dt.timedelta(days=1))
    if names is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (rsa.generate_private_key(65537, 2048), "RSA 2048"),
        (dsa.generate_private_key(1024), "DSA 1024"),  # noqa: S505  as weak as servers have them
        (ec.generate_private_key(ec.SECP256R1()), "EC secp256r1"),
        (ed25519.Ed25519PrivateKey.generate(), "Ed25519"),
    ],
)
def test_every_kind_of_key_has_a_name(key: Any, said: str) -> None:
    der = certificate(key)
    facts = certificate_facts(der)

    assert (facts.key, facts.names, facts.serial, facts.self_signed) == (said, ("mx.example",), "ff", True)
    assert (facts.not_before, facts.not_after) == ("2026-01-02T03:04:05Z", "2026-01-03T03:04:05Z")
    assert (facts.sha256, facts.error) == (sha256(der).hexdigest(), None)


def test_names_are_those_of_the_extension_when_there_is_one() -> None:
    der = certificate(ec.generate_private_key(ec.SECP256R1()), [x509.DNSName("a.example"), x509.DNSName("*.example")])

    assert certificate_facts(der).names == ("a.example", "*.example")


def test_what_is_no_certificate_leaves_its_hash_and_the_reason() -> None:
    facts = certificate_facts(b"\x30\x03no")

    assert facts.sha256 == sha256(b"\x30\x03no").hexdigest()
    assert facts.error is not None
    assert facts.error.startswith("ValueError: ")


def test_a_session_shows_the_whole_chain_where_python_can_and_else_the_servers_own() -> None:
    class Newer:
        def get_unverified_chain(self) -> list[bytes]:
            return [b"own", b"issuer"]

    class Older:
        def __init__(self, own: bytes | None) -> None:
            self.own = own

        def getpeercert(self, *, binary_form: bool) -> bytes | None:
            return self.own

    assert [_chain(one) for one in (Newer(), Older(b"own"), Older(None))] == [[b"own", b"issuer"], [b"own"], []]
