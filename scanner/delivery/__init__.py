"""Write records to sinks: the queue, the batches, local files, the spool and the relay."""

from typing import TYPE_CHECKING

from scanner import lazy

if TYPE_CHECKING:
    from scanner.delivery.delivery import Delivery, DeliveryStatistics
    from scanner.delivery.local.file import FileSink
    from scanner.delivery.local.stdout import StdoutSink
    from scanner.delivery.registry import make_sink
    from scanner.delivery.sink import Patient, Position, Sink, SinkOptions

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

__getattr__ = lazy.names(
    __name__,
    {
        "delivery": ("Delivery", "DeliveryStatistics"),
        "local.file": ("FileSink",),
        "local.stdout": ("StdoutSink",),
        "registry": ("make_sink",),
        "sink": ("Patient", "Position", "Sink", "SinkOptions"),
    },
)
