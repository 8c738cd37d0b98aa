"""The part of the record's JSON Schema that only some sweeps fill: dialogue, what it discloses where, and names."""

from scanner.model import DISCLOSED, PLACES
from scanner.record.schema_terms import ESCAPED, Schema, escaped_list, maybe, object_of, text


def dialogue_schema() -> Schema:
    """Return the properties of `dialogue`."""
    return {
        "exchanges": {
            "type": "array",
            "items": object_of("One command and its reply.", _exchange(), later=("incomplete",)),
            "description": "All that was said, in order.",
        },
        "extensions": escaped_list("What EHLO announced: the lines of its reply after the first."),
        "tls_extensions": escaped_list("The same of the EHLO inside TLS after STARTTLS."),
        "size": maybe({"type": "integer", "minimum": 0, "description": "The SIZE limit in bytes; 0: it names none."}),
        "auth": escaped_list("The AUTH mechanisms, with and without TLS."),
        "starttls": {"type": "boolean", "description": "Whether STARTTLS was announced."},
        "tls": maybe(object_of("The TLS session, or the attempt at one.", _tls())),
        "error": maybe(text("Why the dialogue ended early; null when it came to QUIT.")),
    }


def _exchange() -> Schema:
    return {
        "command": text("What was sent."),
        "code": maybe(
            {"type": "integer", "minimum": 0, "maximum": 999, "description": "The reply code; null without a reply."}
        ),
        "lines": escaped_list("The texts after the codes, escaped like the banner's."),
        "took_ms": {"type": "number", "minimum": 0, "description": "Milliseconds until the reply was there."},
        "incomplete": {"type": "boolean", "description": "Whether the reply was not read to its end."},
    }


def _tls() -> Schema:
    return {
        "version": maybe(text("TLSv1.3 and the like.")),
        "cipher": maybe(text("The cipher suite, as OpenSSL calls it.")),
        "certificates": {
            "type": "array",
            "items": object_of("What a certificate says; believed by nobody.", _certificate()),
            "description": "The server's own first.",
        },
        "implicit": {"type": "boolean", "description": "Whether TLS came first (port 465), not after STARTTLS."},
        "injected": maybe(
            text("Plain text that came between the reply to STARTTLS and the handshake.", pattern=ESCAPED)
        ),
        "error": maybe(text("What went wrong; the other fields are then null or empty.")),
    }


def _certificate() -> Schema:
    return {
        "sha256": text("Of its DER bytes.", pattern="^[0-9a-f]{64}$"),
        "subject": maybe(text("Whom it is made out to (RFC 4514).", pattern=ESCAPED)),
        "issuer": maybe(text("Who made it out (RFC 4514).", pattern=ESCAPED)),
        "names": escaped_list("The DNS names and addresses it is made out to."),
        "not_before": maybe(text("Valid from, ISO 8601, UTC.")),
        "not_after": maybe(text("Valid until, ISO 8601, UTC.")),
        "serial": maybe(text("Its serial number in hex.")),
        "key": maybe(text("Such as RSA 2048 or EC secp256r1.")),
        "signature": maybe(text("The signature's algorithm.")),
        "self_signed": maybe({"type": "boolean", "description": "Whether subject and issuer are the same."}),
        "error": maybe(text("Why it cannot be read; only `sha256` is known then.")),
    }


def disclosed_in_schema() -> Schema:
    """Return the properties of `disclosed_in`."""
    return {
        what: {
            "type": "array",
            "items": {"enum": list(PLACES)},
            "uniqueItems": True,
            "description": f"Where {what} was seen; empty when nowhere.",
        }
        for what in DISCLOSED
    }


def names_schema() -> Schema:
    """Return the properties of `names`."""

    def answer(description: str) -> Schema:
        return maybe({"type": "boolean", "description": description})

    return {
        "greeting": maybe(text("The host name in the greeting.", pattern=ESCAPED)),
        "ptr": escaped_list("The names that DNS gives the address."),
        "forward_confirmed": answer("Whether one of those leads back to the address; null when there is none."),
        "greeting_confirmed": answer("Whether the greeting's name leads to the address; null when there is none."),
        "certificate_matches": answer("Whether the certificate is made out to the greeting's name."),
        "error": maybe(text("Which look-ups got no answer; null when all did.")),
    }
