"""Draw which filters are dead, and how empty all of them are; ``--help`` lists the options."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # In place of this folder, whose file names are those of other modules.
    sys.path[0] = str(Path(__file__).resolve().parents[3])
    from replications.tost.analysis.launch import main

    raise SystemExit(main(Path(__file__).stem))
