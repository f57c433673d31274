"""Adapters: which weights of the backbone a method may change."""
