"""The store of finished units on disk, and what is in it."""
