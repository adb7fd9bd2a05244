"""``python -m oauthtrace``: the command line, where its script is not on the path."""

from oauthtrace.cli import main

main()
