"""The rules: suites, backbones, the chain of units, metrics and records; knows no method."""
