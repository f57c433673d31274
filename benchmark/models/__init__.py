"""Backbones, feature extractors and text aligners: everything with pretrained weights."""
