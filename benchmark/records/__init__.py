"""The records of runs, and summaries of the matrix that they hold."""
