"""The store of finished units on disk."""
