"""From records to the numbers that tables, plots and pages show."""
