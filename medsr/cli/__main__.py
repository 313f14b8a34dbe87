"""`python -m medsr.cli`: the command line without its script, as jobs on other machines call it."""

from medsr.cli import main

main()
