"""Scoring: metrics, profiles, and the scores of pictures."""
