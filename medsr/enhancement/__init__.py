"""One scan enhanced: the posterior mean and samples, consistency, the envelope, regions, slabs, and files to files."""
