"""The plan of a sweep: units of work, the runs that they belong to, and their costs."""
