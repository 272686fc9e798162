"""`python -m hack.localcluster`."""

from hack.localcluster.cli import main

main()
