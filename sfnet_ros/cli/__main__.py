"""``python -m sfnet_ros.cli`` is ``sfnet``."""

import sys

from . import main

sys.exit(main())
