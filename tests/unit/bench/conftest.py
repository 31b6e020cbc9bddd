"""The benches are a package beside `src`, found from the root of the repository."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))
