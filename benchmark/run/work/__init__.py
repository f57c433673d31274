"""What each kind of unit does, one module per kind, so that each has a digest of its own code.

Every function fills the folder that it is given, and returns what it measured.
"""
