"""Where units and caches are."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from .paths import FOLDER, path_of


def home_read() -> Path:
    """The folder of units and caches for those who only read: neither created nor written; it may not exist.

    It is ``$CPBENCH_HOME``, or the platform's cache folder. Raises BadInput if it cannot be a folder.
    """
    if given := os.environ.get("CPBENCH_HOME"):
        return path_of(Path(given), "CPBENCH_HOME", FOLDER, "set CPBENCH_HOME to a folder that you can write")
    return path_of(Path(platformdirs.user_cache_dir("cpbench")), "the cache folder", FOLDER)


def home_named() -> Path:
    """The same as it is named, for messages; nothing about it is checked."""
    return Path(os.environ.get("CPBENCH_HOME") or platformdirs.user_cache_dir("cpbench"))
