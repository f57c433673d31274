"""``python -m cpbench``: the command line."""

from .benchmark.cli.main import main

if __name__ == "__main__":
    main()
