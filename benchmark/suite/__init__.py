"""Suites: the concepts that are taught, and their pictures."""
