"""Programs that some tests need: without one they are skipped on a desk, and fail where CI is set."""

import os
import shutil

import pytest


def program(*names, package):
    """The path of the first program that is there; ``package`` says what to install."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        absent(f"{names[0]} is not there: apt-get install {package}")
    return found


def absent(reason):
    """Skip the test, or fail it where CI is set: there nothing may be left out silently."""
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
