"""What a viewer asks of medsr, without a window: commands, comparisons, checks, and the jobs of its worker process.

The viewer imports `command` and `exchange`, which take no PyTorch with them; `comparison`, `checks` and `jobs` run in
the worker process (`medsr.worker`).
"""
