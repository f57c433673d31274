"""The metrics of what pictures of two concepts show. Imports nothing, since profiles and scorers share it."""

PAIRS = ("multi_concept", "multi_twice", "multi_swapped", "multi_missing", "multi_nouns")
"""Their names; profiles that have any of them need the reference pictures of all."""
