"""``python -m mvpose.web_demo`` is ``mvpose-demo``."""

from mvpose.web_demo.command import main

main()
