"""The tests of smtpsweep: one module for each module of the package, and `real` for real mail servers."""
