"""The verbs of cpbench as Python functions: everything that the commands do.

They return values, raise :class:`~cpbench.benchmark.errors.CpbenchError`, print nothing, and report progress through a
callback. This is where methods, reports and the benchmark meet; the command line only calls these verbs.
"""
