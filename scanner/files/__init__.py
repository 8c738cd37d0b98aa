"""Files and texts that people hand us or get from us: read with limits, written whole or not at all."""
