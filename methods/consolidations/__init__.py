"""Consolidations: what protects earlier concepts while a new one is learned."""
