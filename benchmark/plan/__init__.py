"""What there is to do: units of work, the runs they belong to, and what they cost."""
