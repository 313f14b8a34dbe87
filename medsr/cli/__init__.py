"""The command line: arguments, progress, exit codes; no logic.

`main` is the console script: every error that a user can cause ends in one line and its exit code.
"""

from medsr.cli.app import main

__all__ = ["main"]
