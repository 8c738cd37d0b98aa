"""Destinations of records, and the delivery to them."""

from scanner.sinks.delivery import Delivery, DeliveryStatistics
from scanner.sinks.file import FileSink
from scanner.sinks.registry import make_sink
from scanner.sinks.sink import Patient, Position, Sink, SinkOptions
from scanner.sinks.stdout import StdoutSink

__all__ = [
    "Delivery",
    "DeliveryStatistics",
    "FileSink",
    "Patient",
    "Position",
    "Sink",
    "SinkOptions",
    "StdoutSink",
    "make_sink",
]
