"""Folders of scans enhanced: plan, claims, supervised processes, what is kept of every case, and the page of a run."""
