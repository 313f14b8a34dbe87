"""Structures of the body in a scan, found by an instrument that knows nothing of medsr, and how two findings differ.

The instrument is no truth: it errs about references too, and that bounds what it can show.
"""
