"""Options of the parts of methods, each in a module with the name of its section. Imports no torch: lists use it."""
