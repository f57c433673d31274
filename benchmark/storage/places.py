"""Where units and caches are."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from ..errors import BadInput
from ..wording import shown


def home_read() -> Path:
    """The folder of units and caches for those who only read: neither created nor written; it may not exist.

    It is ``$CPBENCH_HOME``, or the platform's cache folder.
    """
    folder = Path(os.environ.get("CPBENCH_HOME") or platformdirs.user_cache_dir("cpbench"))
    try:
        return folder.expanduser()  # no shell expands ~ between quotation marks
    except RuntimeError:
        raise BadInput(f"CPBENCH_HOME {shown(folder)}: the home folder is not known; write the whole path.") from None
