"""Turns a pickled estimator into a model that the gateway serves: the command of the package, for a
clone.

    python models/export.py model.pkl --name NAME --rows FILE.csv

writes into the folder of this script. `python -m shardgate.exporter` is the same after `pip install`.
"""

import sys
from pathlib import Path

from shardgate.exporter.command import main

if __name__ == "__main__":
    sys.exit(main(repository=Path(__file__).resolve().parent, program="export.py"))
