"""What a run leaves behind: its record, and the summaries of its matrix."""
