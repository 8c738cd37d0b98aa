"""TLS for sinks: the same options for all kinds, verified by default, mutual when a certificate is given."""

import ipaddress
import logging
import ssl
from dataclasses import dataclass

from scanner.delivery.receivers.options import CommonOptions, option, yes_no
from scanner.delivery.receivers.urls import SinkUrl
from scanner.errors import InputError

log = logging.getLogger(__name__)

#: Reasons of OpenSSL (ssl.SSLError.reason) for which a retry does not help: a certificate or setting must be changed.
DENIED_REASONS = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED", "HANDSHAKE_FAILURE", "WRONG_VERSION_NUMBER")


@dataclass(frozen=True, kw_only=True)
class TlsOptions(CommonOptions):
    """Which certificates to trust and to present."""

    ca_file: str | None = option("certificates to trust instead of the system's (PEM)")
    cert_file: str | None = option("our certificate, for mutual TLS (PEM)")
    key_file: str | None = option("its private key, not encrypted (default: inside cert_file)")
    verify: bool = option("check the server's certificate and name: yes or no", "yes", yes_no)


def tls_context(url: SinkUrl[TlsOptions]) -> ssl.SSLContext:
    """Return the TLS settings that a URL asks for: TLS 1.2 or newer.

    Raises:
        InputError: when a certificate or key cannot be used.
    """
    options = url.options
    if options.key_file is not None and options.cert_file is None:
        raise InputError(f"-o {url.shown}: key_file={options.key_file!a}: needs cert_file, the certificate")
    try:
        context = ssl.create_default_context(cafile=options.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if options.cert_file is not None:
            # With a password at hand, OpenSSL does not stop to ask the terminal for the one of an encrypted key.
            context.load_cert_chain(options.cert_file, options.key_file, password="")
    except (OSError, ssl.SSLError) as error:
        given = {"ca_file": options.ca_file, "cert_file": options.cert_file, "key_file": options.key_file}
        files = ", ".join(f"{name}={value!a}" for name, value in given.items() if value)
        raise InputError(f"-o {url.shown}: {files}: cannot be used ({str(error)!a})") from None
    if not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        log.warning("-o %s: verify=no: anyone on the way can read and change what is sent", url.shown)
    return context


def is_tls_trouble(text: str) -> bool:
    """Return whether an error's text is about TLS and no retry helps: a wrong certificate, or no TLS at all."""
    return any(reason in text for reason in DENIED_REASONS)


def warn_plain(url: SinkUrl[CommonOptions]) -> None:
    """Log a warning when records would leave this machine unprotected."""
    if not all(_is_loopback(host) for host, _ in url.hosts):
        log.warning("-o %s: without TLS, anyone on the way can read and change what is sent", url.shown)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
