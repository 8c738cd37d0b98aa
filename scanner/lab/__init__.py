"""A simulated network of SMTP servers on loopback, with every odd behaviour."""

from scanner.lab.personality import PROFILES, Personality, personality
from scanner.lab.process import LabProcess
from scanner.lab.server import Lab, LabSettings
from scanner.lab.truth import Truth, expected, mismatches

__all__ = [
    "PROFILES",
    "Lab",
    "LabProcess",
    "LabSettings",
    "Personality",
    "Truth",
    "expected",
    "mismatches",
    "personality",
]
