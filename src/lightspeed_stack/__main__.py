"""``python -m lightspeed_stack``."""

from lightspeed_stack.cli.main import main

main()
