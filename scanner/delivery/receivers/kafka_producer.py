"""An idempotent Kafka producer. Everything here blocks and runs in a thread.

Problem: a producer that gives up a record after some time and is asked to send it again makes a duplicate. A broker
recognises only repetitions of a record that the producer still holds (producer id and sequence number, KIP-98).

Approach: librdkafka never gives up a record (`message.timeout.ms` 0). `Producer.deliver` gives up waiting instead, and
leaves the record with librdkafka. When the relay brings the same event again, `deliver` waits for it again. So even
after a long outage a broker gets each record under one sequence number, and the order of each partition is kept.

A broker refuses a whole batch for one record that it does not take (too large, invalid), and librdkafka makes those
batches. So events that were refused together are sent again in halves until the bad one is alone.

Sources: librdkafka's INTRODUCTION.md ("Idempotent Producer") and CONFIGURATION.md; Kafka's protocol guide (error
codes); KIP-467 (which record of a batch was invalid).
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import Any, NamedTuple

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException

from scanner.delivery.receivers.kafka_errors import (
    NO_TOPIC,
    RECORD_ERRORS,
    UNANSWERED,
    BrokerLog,
    error_text,
    is_denied,
)
from scanner.delivery.receivers.receiver import AccessDeniedError, TryLaterError
from scanner.delivery.redaction import Redaction
from scanner.formats.event import Event

#: How long to wait at a time; `stop` takes effect in between.
_POLL_S = 0.1
#: How long to wait for metadata at a time; errors are checked in between.
_ASK_S = 1.0
#: A broker that creates topics on demand needs a moment before a new one has a leader.
_NEW_TOPIC_S = 5.0
#: How long to go on after a broker has refused our credentials: other brokers may still take their records.
_DENIED_S = 1.0
#: How long `close` waits for records that are on the wire.
_CLOSE_S = 1.0


class DeliveryOutcome(Enum):
    """The result of an event."""

    TAKEN = "taken"
    REFUSED = "refused"
    LATER = "later"
    DENIED = "denied"


class DeliveryReport(NamedTuple):
    """The outcome of an event, with a reason unless it was taken."""

    outcome: DeliveryOutcome
    reason: str = ""


_TAKEN = DeliveryReport(DeliveryOutcome.TAKEN)


class Producer:
    """A producer for one topic. One call at a time; `stop` comes from any thread and ends a call that waits."""

    def __init__(
        self, configuration: Mapping[str, Any], topic: str, content_type: str, redaction: Redaction | None = None
    ) -> None:
        """Take librdkafka's configuration, and the filter for secrets in brokers' messages.

        Raises:
            KafkaException: when the configuration is wrong, or a file that it names cannot be used.
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
        #: Why it can take nothing any more, so that another one must be made; None while it can.
        self.fatal: str | None = None
        settings = {**configuration, "error_cb": self._on_error, "logger": BrokerLog(self._redaction)}
        self._producer: confluent_kafka.Producer | None = confluent_kafka.Producer(settings)

    def check(self, timeout_s: float) -> None:
        """Return when brokers answer and the topic is there.

        Raises:
            TryLaterError: when no broker answers in time.
            AccessDeniedError: when access is denied, or there is no such topic.
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
                if answer.outcome is DeliveryOutcome.DENIED and (error.code() not in NO_TOPIC or now >= no_topic_at):
                    raise AccessDeniedError(answer.reason)
                if now >= deadline:
                    raise TryLaterError(self._trouble or answer.reason)
                self._poll(_POLL_S)
            raise TryLaterError("it was closed")

    def deliver(self, batch: Sequence[Event], timeout_s: float) -> list[DeliveryReport]:
        """Send a batch; return one report for each event, in order, within about `timeout_s`."""
        with self._busy:
            deadline = time.monotonic() + timeout_s
            self._poll(0)  # reports and errors since the last call
            if self.fatal is None:
                self._denied = None
            self._alone.clear()
            if self._ask_again:  # librdkafka would use its old knowledge of the topic for minutes
                self._topic_error(min(_ASK_S, timeout_s))
            ids = {event.id for event in batch}
            for other in self._reports.keys() - ids:
                del self._reports[other]
            self._send(batch, deadline)
            self._separate(self._suspects(batch), deadline)
            answers = [self._answer(event, timeout_s) for event in batch]
            for id_ in ids:
                self._reports.pop(id_, None)
            self._ask_again = any(answer.outcome is DeliveryOutcome.DENIED for answer in answers)
            return answers

    def stop(self) -> None:
        """Make a waiting call return soon."""
        self._stopped.set()

    def close(self) -> None:
        """Close. Records that are still queued are dropped, not sent: the relay brings them again."""
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
        """Hand over the events that librdkafka does not hold yet, and wait for the reports of all."""
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
            self._take(self._producer.flush, _CLOSE_S)  # reports which were taken before

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
            except KafkaException as exception:  # about this event alone: it was never sent
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
        return [event for event, error in reports if error is not None and error.code() in RECORD_ERRORS]

    def _separate(self, suspects: list[Event], deadline: float) -> None:
        """Send events that were refused together again in smaller parts, in order, until the bad ones are known."""
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
        """Return whether the broker refused an event only because of another one in its batch."""
        error = self._reports.get(event.id)
        return error is not None and error.code() == KafkaError._INVALID_DIFFERENT_RECORD  # noqa: SLF001  librdkafka's own codes begin with an underscore

    def _answer(self, event: Event, timeout_s: float) -> DeliveryReport:
        error = self._reports.get(event.id)
        if error is None and event.id in self._reports:
            return _TAKEN
        if error is None or error.code() in UNANSWERED:
            reason = self.fatal or self._trouble or f"no acknowledgement within {timeout_s:g} s"
            return self._denied_answer() or DeliveryReport(DeliveryOutcome.LATER, reason)
        if error.code() in RECORD_ERRORS:
            return DeliveryReport(
                DeliveryOutcome.REFUSED if event.id in self._alone else DeliveryOutcome.LATER, self._text(error)
            )
        return self._judge(error)

    def _judge(self, error: KafkaError) -> DeliveryReport:
        """Return the meaning of an error that is not about a record."""
        if error.code() in NO_TOPIC:
            return DeliveryReport(DeliveryOutcome.DENIED, f"no topic {self._topic}, or none that we may see: create it")
        if is_denied(error):
            return DeliveryReport(DeliveryOutcome.DENIED, self._text(error))
        return DeliveryReport(DeliveryOutcome.LATER, self._text(error))

    def _denied_answer(self) -> DeliveryReport | None:
        return None if self._denied is None else DeliveryReport(DeliveryOutcome.DENIED, self._denied)

    def _text(self, error: KafkaError) -> str:
        return error_text(error, self._redaction)

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
        elif error.fatal() or error.code() == KafkaError._FATAL:  # noqa: SLF001  librdkafka's own codes begin with an underscore
            self.fatal = self.fatal or self._text(error)

    def _on_error(self, error: KafkaError) -> None:
        text = self._text(error)
        if error.fatal():
            self.fatal = text
        if is_denied(error):
            self._denied_at = self._denied_at if self._denied is not None else time.monotonic()
            self._denied = text
        if error.code() != KafkaError._ALL_BROKERS_DOWN or not self._trouble:  # noqa: SLF001  librdkafka's own codes begin with an underscore
            self._trouble = text
