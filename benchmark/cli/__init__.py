"""The command line, one file per command. A command reads arguments, calls one verb, and prints."""
