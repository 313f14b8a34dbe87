"""A child process that loads once and takes jobs; batch, validation and the viewer share it."""
