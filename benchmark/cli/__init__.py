"""The command line: a file per command. Each reads arguments, calls one verb, and prints."""
