"""TLS for sinks, with the same options everywhere: verified by default, mutual when a certificate is given."""

import ipaddress
import logging
import ssl

from scanner.delivery.receivers.urls import SinkUrl, UrlOption, yes_no
from scanner.errors import InputError

log = logging.getLogger(__name__)

#: Reasons of OpenSSL (ssl.SSLError.reason) that time does not mend: a person has to change a certificate or setting.
DENIED_REASONS = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED", "HANDSHAKE_FAILURE", "WRONG_VERSION_NUMBER")

TLS_OPTIONS = (
    UrlOption("ca_file", "certificates to trust instead of the system's (PEM)"),
    UrlOption("cert_file", "our certificate, for mutual TLS (PEM)"),
    UrlOption("key_file", "its private key, not encrypted (default: inside cert_file)"),
    UrlOption("verify", "check the server's certificate and name: yes or no", "yes", yes_no),
)


def tls_context(url: SinkUrl) -> ssl.SSLContext:
    """Return the TLS settings that a URL asks for: TLS 1.2 or newer.

    Raises:
        InputError: when a certificate or key cannot be used.
    """
    values = url.values
    if values["key_file"] is not None and values["cert_file"] is None:
        raise InputError(f"-o {url.shown}: key_file={values['key_file']!a}: needs cert_file, the certificate")
    try:
        context = ssl.create_default_context(cafile=values["ca_file"])
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if values["cert_file"] is not None:
            # With a password at hand, OpenSSL does not stop to ask the terminal for the one of an encrypted key.
            context.load_cert_chain(values["cert_file"], values["key_file"], password="")
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(f"{name}={values[name]!a}" for name in ("ca_file", "cert_file", "key_file") if values[name])
        raise InputError(f"-o {url.shown}: {files}: cannot be used ({str(error)!a})") from None
    if not values["verify"]:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        log.warning("-o %s: verify=no: whoever is on the way can read and change what is sent", url.shown)
    return context


def is_tls_trouble(text: str) -> bool:
    """Whether an error's text is about TLS in a way that time does not mend: a certificate, or no TLS at all."""
    return any(reason in text for reason in DENIED_REASONS)


def warn_plain(url: SinkUrl) -> None:
    """Say so when records would leave this machine unprotected."""
    if not all(_is_loopback(host) for host, _ in url.hosts):
        log.warning("-o %s: without TLS, whoever is on the way can read and change what is sent", url.shown)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
