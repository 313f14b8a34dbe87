"""Structures of the body in a scan, found by an instrument that knows nothing of medsr, and how two findings differ.

The instrument is no truth: what it makes of two scans of one person differs as well, and that bounds what it can show.
"""
