"""Fingerprints: the numbers of short computations in float64, equal on every machine as long as the code is."""
