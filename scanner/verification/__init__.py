"""Visit hosts with findings again, and report with evidence which are fixed."""
