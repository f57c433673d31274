"""Doing the work: sweeps, processes, progress, and the records that come out."""
