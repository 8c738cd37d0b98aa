"""The meaning of librdkafka's errors, and their texts for people."""

import logging
import re

from confluent_kafka import KafkaError

from scanner.delivery.local.descriptor import printable
from scanner.delivery.redaction import Redaction

log = logging.getLogger(__name__)

_MAX_REASON = 300
#: The varying rest of librdkafka's messages.
_VARYING = re.compile(r" \((?:after [0-9]|PID).*|, [0-9]+ identical error.*", re.DOTALL)

#: Errors of the record, or of a batch in which it was.
RECORD_ERRORS = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError._INVALID_DIFFERENT_RECORD,  # noqa: SLF001  librdkafka's own codes begin with an underscore
    }
)
NO_TOPIC = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001  as above
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001  as above
    }
)
#: The producer could not be used any more; the broker's answer is not known.
UNANSWERED = frozenset(
    {
        KafkaError._FATAL,  # noqa: SLF001  as above
        KafkaError._PURGE_QUEUE,  # noqa: SLF001  as above
        KafkaError._PURGE_INFLIGHT,  # noqa: SLF001  as above
    }
)
#: Errors for which a retry does not help: a person has to act.
_DENIED_ERRORS = frozenset(
    {
        KafkaError._AUTHENTICATION,  # noqa: SLF001  as above
        KafkaError._UNSUPPORTED_FEATURE,  # noqa: SLF001  as above
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.ILLEGAL_SASL_STATE,
        KafkaError.SECURITY_DISABLED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.UNSUPPORTED_COMPRESSION_TYPE,
        KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT,
    }
)


class BrokerLog:
    """The log of librdkafka, made printable, since it holds texts of brokers."""

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction

    def log(self, _level: int, form: str, *arguments: object) -> None:
        """Log a message at debug level, whatever its own level is."""
        log.debug("%s", printable(self._redaction.clean(form % arguments)))


def is_denied(error: KafkaError) -> bool:
    """Return whether an error needs a person: access, certificates, or a setting."""
    # Of TLS errors, only those about certificates need a person: a handshake also fails when a broker goes down. With
    # TLS 1.3 a broker refuses our certificate with an alert on a connection that is open already.
    transport = (KafkaError._SSL, KafkaError._TRANSPORT)  # noqa: SLF001  as above
    is_certificate = error.code() in transport and "certificate" in error.str().lower()
    return error.code() in _DENIED_ERRORS or is_certificate


def error_text(error: KafkaError, redaction: Redaction) -> str:
    """Return an error as one line, without secrets and without parts that differ each time."""
    text = redaction.clean(_VARYING.sub("", error.str()))
    return printable(f"{error.name()}: {text}")[:_MAX_REASON]
