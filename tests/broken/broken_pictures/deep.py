"""A module of the package in which errors are raised, below its own functions."""

import json


def fail(error):
    """Raise an error where the tests look for it."""
    raise error  # the line that messages name


def fail_elsewhere():
    """Let another library raise an error."""
    return json.loads("{")  # this line, too, and not one of that library
