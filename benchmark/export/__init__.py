"""Trained states as files of other programs: diffusers, peft, kohya's trainers, and whole pipelines."""
