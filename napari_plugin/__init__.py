"""The napari plugin of medsr (import name `medsr_napari`).

This release holds the NIfTI reader and the sample scan only; the widget that enhances a scan inside the viewer follows.
Until then enhance on the command line (`medsr enhance IN OUT`) and open both scans here: they lie on the same place.

Floor 6, the top: modules here import from medsr, and nothing of medsr imports them. Importing them takes neither Qt nor
napari nor torch: what is heavy is imported inside the functions that need it.
"""
