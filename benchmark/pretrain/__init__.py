"""Building the embedded toybox model from scratch; not needed to use it."""
