"""Certificates made for a test: good, expired, self-signed, and TLS contexts of servers that use them."""

import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa


def make_certificate(
    name: str = "mx.example.org", *, days: int = 30, key_type: str = "ec", names: tuple[str, ...] = ()
) -> tuple[bytes, bytes]:
    """Return (certificate, key) in PEM; `days` below 0 make one that has expired."""
    key = ec.generate_private_key(ec.SECP256R1()) if key_type == "ec" else rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC).replace(microsecond=0)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(0xC0FFEE)
        .not_valid_before(now - timedelta(days=90))
        .not_valid_after(now + timedelta(days=days))
    )
    if names:
        alternatives = [x509.IPAddress(ip_address(text)) if text[0].isdigit() else x509.DNSName(text) for text in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def server_context(certificate: bytes, key: bytes) -> ssl.SSLContext:
    """Return the context of a server with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "both.pem")
        path.write_bytes(certificate + key)
        context.load_cert_chain(path)
    return context


class Pem:
    """Certificates in files: ours and a stranger's."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = make_certificate("127.0.0.1", names=("127.0.0.1",))
        self.own, self.stranger = folder / "own.pem", folder / "stranger.pem"
        self.own.write_bytes(self.certificate + self.key)
        self.stranger.write_bytes(b"".join(make_certificate("127.0.0.1", names=("127.0.0.1",))))

    def server(self, version: ssl.TLSVersion, *, mutual: bool = False, tickets: bool = True) -> ssl.SSLContext:
        context = server_context(self.certificate, self.key)
        context.minimum_version = context.maximum_version = version
        if mutual:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cafile=self.own)
        if not tickets:
            context.num_tickets = 0
        return context
