"""`python -m partfill.cli`: the `partfill` command."""

from partfill.cli.main import main

main(prog_name="partfill")
