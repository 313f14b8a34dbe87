"""The scanner: how a scan was acquired, the operator that says so, and the named tasks that degrade a scan."""
