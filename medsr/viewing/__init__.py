"""What a viewer asks of medsr, without a window: wishes, jobs of the warm child, comparison and checks of scans.

Above runs and report, below the command line. `wish` and `exchange` are imported by the viewer and take no torch with
them; `comparison`, `checks`, `jobs` run in the child process. Order inside: wish, exchange, comparison, checks, jobs.
"""
