"""DICOM series to an archive over the network; needs the extra `net`."""
