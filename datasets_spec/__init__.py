"""Suites as YAML files; data only."""
