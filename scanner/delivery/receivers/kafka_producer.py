"""One idempotent Kafka producer, and what its answers mean. Everything here blocks and runs in a thread.

Problem: a producer that gives a record up after some time and is asked to send it again makes a double, because only
what it still holds can be recognised by a broker (producer id and sequence number, KIP-98).

Approach: librdkafka never gives a record up (`message.timeout.ms` 0). `Producer.deliver` gives up waiting instead, and
leaves the record with librdkafka; when the relay brings the same event again, it goes on waiting for it. So a broker
that is down, for however long, gets each record under one sequence number, and the order of each partition stays.

A broker refuses a whole batch of records for one that it does not take (too large, invalid), and librdkafka makes those
batches. So what was refused together is sent again in halves until the culprit is alone.

Sources: librdkafka's INTRODUCTION.md ("Idempotent Producer") and CONFIGURATION.md; Kafka's protocol guide (error
codes); KIP-467 (which record of a batch was invalid).
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import Any, NamedTuple

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException

from scanner.delivery.local.descriptor import printable
from scanner.delivery.receivers.receiver import AccessDeniedError, TryLaterError
from scanner.delivery.redaction import Redaction
from scanner.formats.event import Event

log = logging.getLogger(__name__)

#: How long to wait at a time: `stop` is noticed after so long at the latest.
_POLL_S = 0.1
#: How long to wait for metadata at a time: errors are looked at in between.
_ASK_S = 1.0
#: A broker that makes topics by itself needs a moment before a new one has a leader.
_NEW_TOPIC_S = 5.0
#: After a broker has refused our credentials: other brokers may still take records that are for them.
_DENIED_S = 1.0
#: For what is on the wire when we let go.
_CLOSE_S = 1.0
_MAX_REASON = 300
#: What differs each time in librdkafka's messages, to their end.
_VARYING = re.compile(r" \((?:after [0-9]|PID).*|, [0-9]+ identical error.*", re.DOTALL)

#: About the record, or about a batch in which it was.
_RECORD_ERRORS = frozenset(
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
_NO_TOPIC = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001  as above
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001  as above
    }
)
#: The producer was of no use any more; what the broker would have said is not known.
_UNANSWERED = frozenset(
    {
        KafkaError._FATAL,  # noqa: SLF001  as above
        KafkaError._PURGE_QUEUE,  # noqa: SLF001  as above
        KafkaError._PURGE_INFLIGHT,  # noqa: SLF001  as above
    }
)
#: Nothing that time mends.
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


class DeliveryOutcome(Enum):
    """What became of an event."""

    TAKEN = "taken"
    REFUSED = "refused"
    LATER = "later"
    DENIED = "denied"


class DeliveryReport(NamedTuple):
    """A verdict, with its reason when it is not that the event was taken."""

    verdict: DeliveryOutcome
    reason: str = ""


_TAKEN = DeliveryReport(DeliveryOutcome.TAKEN)


class Producer:
    """A producer for one topic. One call at a time; `stop` comes from any thread and ends a call that waits."""

    def __init__(
        self, configuration: Mapping[str, Any], topic: str, content_type: str, redaction: Redaction | None = None
    ) -> None:
        """Take librdkafka's configuration, and what must not be shown of brokers' messages.

        Raises:
            KafkaException: when it makes no sense, or a file that it names cannot be used.
        """
        self._topic = topic
        self._redaction = redaction or Redaction()
        self._headers = [("content-type", content_type.encode())]
        self._busy = threading.Lock()
        self._stopped = threading.Event()
        self._waiting: set[str] = set()
        self._reports: dict[str, KafkaError | None] = {}
        self._alone: set[str] = set()
        self._trouble = ""
        self._denied: str | None = None
        self._denied_at = 0.0
        self._ask_again = False
        #: Why it can take nothing any more: make another one.
        self.fatal: str | None = None
        settings = {**configuration, "error_cb": self._on_error, "logger": _BrokerLog(self._redaction)}
        self._producer: confluent_kafka.Producer | None = confluent_kafka.Producer(settings)

    def check(self, timeout_s: float) -> None:
        """Return when brokers answer and the topic is there.

        Raises:
            TryLaterError: when no broker answers in time.
            AccessDeniedError: when we may not, or there is no such topic.
        """
        with self._busy:
            deadline = time.monotonic() + timeout_s
            no_topic_at = time.monotonic() + min(_NEW_TOPIC_S, timeout_s)
            while not self._stopped.is_set():
                error = self._topic_error(max(_POLL_S, min(_ASK_S, deadline - time.monotonic())))
                if error is None:
                    return
                answer = self._denied_answer() or self._judge(error)
                now = time.monotonic()
                if answer.verdict is DeliveryOutcome.DENIED and (error.code() not in _NO_TOPIC or now >= no_topic_at):
                    raise AccessDeniedError(answer.reason)
                if now >= deadline:
                    raise TryLaterError(self._trouble or answer.reason)
                self._poll(_POLL_S)
            raise TryLaterError("it was closed")

    def deliver(self, batch: Sequence[Event], timeout_s: float) -> list[DeliveryReport]:
        """Return one answer an event, in order, within about `timeout_s`."""
        with self._busy:
            deadline = time.monotonic() + timeout_s
            self._poll(0)  # reports and errors of the time since the last call
            if self.fatal is None:
                self._denied = None
            self._alone.clear()
            if self._ask_again:  # librdkafka would go by what it knows of the topic for minutes
                self._topic_error(min(_ASK_S, timeout_s))
            ids = {event.id for event in batch}
            for other in self._reports.keys() - ids:
                del self._reports[other]
            self._send(batch, deadline)
            self._separate(self._suspects(batch), deadline)
            answers = [self._answer(event, timeout_s) for event in batch]
            for id_ in ids:
                self._reports.pop(id_, None)
            self._ask_again = any(answer.verdict is DeliveryOutcome.DENIED for answer in answers)
            return answers

    def stop(self) -> None:
        """Let a call that waits return soon."""
        self._stopped.set()

    def close(self) -> None:
        """Let go. Nobody waits for what is still queued, and it comes again: it must not be sent as well."""
        self.stop()
        with self._busy:
            producer, self._producer = self._producer, None
            if producer is not None:
                producer.purge(in_queue=True, in_flight=False)
                self._take(producer.flush, _CLOSE_S)
                producer.purge(in_queue=True, in_flight=True, blocking=False)
                self._take(producer.flush, _POLL_S)

    def _topic_error(self, timeout_s: float) -> KafkaError | None:
        assert self._producer is not None  # noqa: S101  nobody calls after close
        try:
            error: KafkaError | None = (
                self._producer.list_topics(self._topic, timeout=timeout_s).topics[self._topic].error
            )
        except KafkaException as exception:
            error = exception.args[0]
        self._poll(0)
        return error

    def _send(self, events: Sequence[Event], deadline: float) -> None:
        """Hand over what librdkafka does not hold yet, and wait for the reports of all."""
        for event in events:
            if event.id in self._waiting or event.id in self._reports:
                continue
            if not self._produce(event, deadline):
                break  # nothing may overtake it
        ids = {event.id for event in events}
        while not self._waiting.isdisjoint(ids) and not self._is_over(deadline):
            self._poll(_POLL_S)
        if self.fatal is not None and self._producer is not None:
            self._producer.purge()
            self._take(self._producer.flush, _CLOSE_S)  # tells which were taken before

    def _produce(self, event: Event, deadline: float) -> bool:
        """Hand over one event; False when there was no room for it."""
        assert self._producer is not None  # noqa: S101  nobody calls after close
        while not self._is_over(deadline):
            try:
                self._producer.produce(
                    self._topic,
                    event.body,
                    event.key.encode(),
                    on_delivery=partial(self._on_delivery, event.id),
                    timestamp=max(0, round(event.time_s * 1000)) if event.time_s is not None else 0,  # 0 means now
                    headers=[("event_id", event.id.encode()), *self._headers],
                )
            except BufferError:
                self._trouble = self._trouble or "the brokers do not keep up"
                self._poll(_POLL_S)
            except KafkaException as exception:  # about this event alone: it never went out
                self._on_delivery(event.id, exception.args[0])
                self._alone.add(event.id)
                return True
            else:
                self._waiting.add(event.id)
                return True
        return False

    def _suspects(self, events: Sequence[Event]) -> list[Event]:
        """Return the events that were refused, alone or together with others."""
        reports = ((event, self._reports.get(event.id)) for event in events if event.id not in self._alone)
        return [event for event, error in reports if error is not None and error.code() in _RECORD_ERRORS]

    def _separate(self, suspects: list[Event], deadline: float) -> None:
        """Send what was refused together again in smaller parts, in order, until it is known who is to blame."""
        if len(suspects) == 1 and not self._is_a_bystander(suspects[0]):
            self._alone.add(suspects[0].id)
            return
        middle = (len(suspects) + 1) // 2
        for part in (suspects[:middle], suspects[middle:]):
            if not part or self._is_over(deadline):
                return
            for event in part:
                self._reports.pop(event.id, None)
            self._send(part, deadline)
            again = self._suspects(part)
            if len(part) == 1:
                self._alone.update(event.id for event in again)
            else:
                self._separate(again, deadline)

    def _is_a_bystander(self, event: Event) -> bool:
        """Whether the broker says that it refused an event only for another one in its batch."""
        error = self._reports.get(event.id)
        return error is not None and error.code() == KafkaError._INVALID_DIFFERENT_RECORD  # noqa: SLF001  as above

    def _answer(self, event: Event, timeout_s: float) -> DeliveryReport:
        error = self._reports.get(event.id)
        if error is None and event.id in self._reports:
            return _TAKEN
        if error is None or error.code() in _UNANSWERED:
            reason = self.fatal or self._trouble or f"no acknowledgement within {timeout_s:g} s"
            return self._denied_answer() or DeliveryReport(DeliveryOutcome.LATER, reason)
        if error.code() in _RECORD_ERRORS:
            return DeliveryReport(
                DeliveryOutcome.REFUSED if event.id in self._alone else DeliveryOutcome.LATER, self._text(error)
            )
        return self._judge(error)

    def _judge(self, error: KafkaError) -> DeliveryReport:
        """Return what an error means that is not about a record."""
        if error.code() in _NO_TOPIC:
            return DeliveryReport(DeliveryOutcome.DENIED, f"no topic {self._topic}, or none that we may see: create it")
        if _is_denied(error):
            return DeliveryReport(DeliveryOutcome.DENIED, self._text(error))
        return DeliveryReport(DeliveryOutcome.LATER, self._text(error))

    def _denied_answer(self) -> DeliveryReport | None:
        return None if self._denied is None else DeliveryReport(DeliveryOutcome.DENIED, self._denied)

    def _text(self, error: KafkaError) -> str:
        return _text(error, self._redaction)

    def _is_over(self, deadline: float) -> bool:
        now = time.monotonic()
        too_long_denied = self._denied is not None and now >= self._denied_at + _DENIED_S
        return self._stopped.is_set() or self.fatal is not None or too_long_denied or now >= deadline

    def _poll(self, timeout_s: float) -> None:
        """Take reports and errors from librdkafka: the callbacks below run in here."""
        if self._producer is not None:
            self._take(self._producer.poll, timeout_s)

    def _take(self, call: Callable[[float], int], timeout_s: float) -> None:
        try:
            call(timeout_s)
        except KafkaException as exception:  # how confluent-kafka tells a fatal error
            self._on_error(exception.args[0])

    def _on_delivery(self, id_: str, error: KafkaError | None, _: object = None) -> None:
        self._waiting.discard(id_)
        self._reports[id_] = error
        if error is None:
            self._trouble = ""
        elif error.fatal() or error.code() == KafkaError._FATAL:  # noqa: SLF001  as above
            self.fatal = self.fatal or self._text(error)

    def _on_error(self, error: KafkaError) -> None:
        text = self._text(error)
        if error.fatal():
            self.fatal = text
        if _is_denied(error):
            self._denied_at = self._denied_at if self._denied is not None else time.monotonic()
            self._denied = text
        if error.code() != KafkaError._ALL_BROKERS_DOWN or not self._trouble:  # noqa: SLF001  as above
            self._trouble = text


class _BrokerLog:
    """Where librdkafka writes its log: brokers have a say in it, so it is made printable; what matters is an answer."""

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction

    def log(self, _level: int, form: str, *arguments: object) -> None:
        log.debug("%s", printable(self._redaction.clean(form % arguments)))


def _is_denied(error: KafkaError) -> bool:
    # Of TLS, only certificates are a person's affair: a handshake also fails when a broker goes down. That the broker
    # does not take ours comes as an alert on a connection that was open already (TLS 1.3).
    transport = (KafkaError._SSL, KafkaError._TRANSPORT)  # noqa: SLF001  as above
    is_certificate = error.code() in transport and "certificate" in error.str().lower()
    return error.code() in _DENIED_ERRORS or is_certificate


def _text(error: KafkaError, redaction: Redaction) -> str:
    """Return an error as one line, without secrets and what differs each time."""
    text = redaction.clean(_VARYING.sub("", error.str()))
    return printable(f"{error.name()}: {text}")[:_MAX_REASON]
