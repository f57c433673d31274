"""How fast cpbench is: ratios to other code, shares of a run, growth with the number of tasks, and the command line."""
