"""Run experiments of this replication; ``--help`` lists the options."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from common.launch import main

if __name__ == "__main__":
    raise SystemExit(main(Path(__file__).resolve().parent.name))
