"""Leaderboards as Markdown, CSV, LaTeX and terminal tables."""
