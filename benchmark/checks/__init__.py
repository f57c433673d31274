"""Checks: the contract that every method keeps, and the comparison of new results with stored ones."""
