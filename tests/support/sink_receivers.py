"""Receivers made from the URL of a sink, as a sweep makes them, but without the filter for secrets around them."""

from typing import TypeVar

from scanner.delivery.receivers.discreet import DiscreetReceiver
from scanner.delivery.receivers.receiver import Receiver
from scanner.delivery.relay.destination import make_destinations

_R = TypeVar("_R", bound=Receiver)


def receiver_of(url: str, kind: type[_R]) -> _R:
    """Return the receiver of a URL, which must be of this class."""
    (one,) = make_destinations([url])
    assert isinstance(one.receiver, DiscreetReceiver)
    assert isinstance(one.receiver.inner, kind)
    return one.receiver.inner
