"""Running sweeps: processes, progress, and the records of runs."""
