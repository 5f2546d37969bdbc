"""Lets the tests import the modules beside this folder and those that scripts share, which are no
packages."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "models"), str(ROOT / "scripts")]
