"""The URL of a sink over HTTP, of a kind that only tests have."""

from scanner.delivery.receivers.http import HttpOptions
from scanner.delivery.receivers.receiver import Receiver
from scanner.delivery.receivers.urls import SinkKind, SinkUrl


def _no_receiver(url: SinkUrl[HttpOptions]) -> Receiver:
    raise NotImplementedError(url.shown)


KIND = SinkKind("a test", "t+https://host", ("native",), _no_receiver, options=HttpOptions, secrets=("token",))


def url_of(text: str) -> SinkUrl[HttpOptions]:
    return SinkUrl(text, KIND)
