"""Lets the tests import the modules beside this folder, which are scripts and no package."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
