"""From records to tables, plots, a site and data frames; imports no torch."""
