"""`python -m scanner.identify`: check the rule files and write `rules.json`, which the program reads."""

from scanner.identify.rule_files import compiled_rules
from scanner.identify.rules import COMPILED

COMPILED.write_bytes(compiled_rules())
