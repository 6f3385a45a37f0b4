"""Messages per second of `partfill audit`, by format; prints JSON. Run: python benchmarks/audit.py FILE FORMAT"""

import json
import sys

from partfill.runtime.audit import Audit
from partfill.runtime.reading import frames, open_input
from partfill.venues.formats import FORMATS

if __name__ == "__main__":
    file, name = sys.argv[1:3]
    with Audit(FORMATS[name]()) as audit:
        decoder = FORMATS[name]()
        summary = audit.run(frames(open_input(file, "message"), decoder.framing))
        print(json.dumps({"messages": summary.messages, "per_s": round(summary.messages / summary.seconds)}))
