"""The report of a validation: its pages, tables and figures, and the same numbers for machines."""
