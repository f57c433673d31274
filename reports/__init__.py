"""From result records to tables and plots; imports no torch."""
