"""Data sets of others: which files they have, and how they come to this machine."""
