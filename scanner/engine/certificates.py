"""Describe what a TLS session shows: version, cipher, and the certificate as facts. Nothing is trusted or refused.

A mail server's certificate is often self-signed, expired or made out to another name, and old servers speak old TLS. A
scanner that insisted on valid ones would miss most of what it is there to find. So the handshake accepts whatever
OpenSSL still supports. A certificate that cannot be read is described by its hash and the reason.
"""

import ssl
import warnings
from functools import cache
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from scanner.model import Certificate, Tls
from scanner.smtp import escape


@cache
def accepting_context() -> ssl.SSLContext:
    """Return a client context that accepts any server: no verification, every version and cipher."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old TLS is deprecated for use, not for finding it
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def session_facts(session: Any, *, implicit: bool, injected: str | None = None) -> Tls:
    """Describe an `ssl.SSLObject` (or uvloop's equivalent) after its handshake."""
    cipher = session.cipher()
    return Tls(
        version=session.version(),
        cipher=cipher[0] if cipher else None,
        certificates=tuple(certificate_facts(der) for der in _chain(session)),
        implicit=implicit,
        injected=injected,
    )


def _chain(session: Any) -> list[bytes]:
    """Return the certificates that the server sent, its own first; before Python 3.13 only that one is available."""
    if hasattr(session, "get_unverified_chain"):
        return [bytes(der) for der in session.get_unverified_chain()]
    own = session.getpeercert(binary_form=True)
    return [own] if own else []


def certificate_facts(der: bytes) -> Certificate:
    """Describe a certificate; one that cannot be read, by its hash and the reason. Never raises."""
    digest = sha256(der).hexdigest()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cryptography warns of what it will refuse in future; it still reads it
            return _facts(x509.load_der_x509_certificate(der), digest)
    except Exception as error:  # noqa: BLE001  these are a peer's bytes: any failure to read them is a fact about them
        return Certificate(digest, error=_printable(f"{type(error).__name__}: {error}")[:200])


def _facts(certificate: x509.Certificate, digest: str) -> Certificate:
    algorithm = certificate.signature_algorithm_oid
    return Certificate(
        sha256=digest,
        subject=_printable(certificate.subject.rfc4514_string()),
        issuer=_printable(certificate.issuer.rfc4514_string()),
        names=_names(certificate),
        not_before=certificate.not_valid_before_utc.isoformat().replace("+00:00", "Z"),
        not_after=certificate.not_valid_after_utc.isoformat().replace("+00:00", "Z"),
        serial=f"{certificate.serial_number:x}",
        key=_key(certificate.public_key()),
        signature=algorithm._name,  # noqa: SLF001  the library's only name for it
        self_signed=certificate.subject == certificate.issuer,
    )


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the names it is made out to: those of the extension, or the common name if there is no extension."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return tuple(_printable(str(attribute.value)) for attribute in common)
    names = [*extension.get_values_for_type(x509.DNSName), *extension.get_values_for_type(x509.IPAddress)]
    return tuple(_printable(str(name)) for name in names)


def _key(key: Any) -> str:
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, dsa.DSAPublicKey):
        return f"DSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    return type(key).__name__.removesuffix("PublicKey")


def _printable(text: str) -> str:
    return escape(text.encode("utf-8", "surrogateescape"))
