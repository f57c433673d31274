"""Backbones, feature extractors and text aligners: everything that is loaded with weights."""
