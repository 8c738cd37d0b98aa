"""Deliver the spool of a run to its receivers: one relay each, with retries, dead letters and a durable cursor."""

from scanner.delivery.relay.relay import Relay
from scanner.delivery.relay.statistics import OverflowPolicy, RelayState, RelayStatistics

__all__ = ["OverflowPolicy", "Relay", "RelayState", "RelayStatistics"]
