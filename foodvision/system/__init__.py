"""Disk, processes and terminal: helpers that know nothing of photos."""
