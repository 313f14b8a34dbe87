"""DICOM series to `Volume`, and volumes to derived series: headers, geometry and pixels of both kinds of object.

Rule: nothing that names a patient leaves the headers. Order inside, one way: options, headers, frames, distances,
stack, patients, series, splitting, triage, pixels, tilt, reading, alike, uids, stored, enhanced, inherited, references,
derivation, derived, encoding, folders, places, archive, parametric.
"""
