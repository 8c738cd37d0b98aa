"""Outputs on this machine: files, pipes, standard output."""
