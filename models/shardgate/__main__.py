"""`python -m shardgate` is the program itself."""

import sys

from .program import main

sys.exit(main())
