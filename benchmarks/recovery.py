"""Recovery of 10,000 open orders beside a history of 1,000,000 executions; prints JSON. Run: python benchmarks/recovery.py"""

import json

from partfill.runtime.bench.recovery import run

if __name__ == "__main__":
    print(json.dumps(run(), indent=1))
