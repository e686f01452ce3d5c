"""How long one tick takes with a large fleet: `python -m benchmarks.tick` on a PostgreSQL.

Run by `make bench-tick`, which gives it a private one. The cloud is a stub that answers at once:
what is measured is our own work, the database's included.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.django_settings")

PROMISE_SECONDS = 1.0


def main() -> int:
    """Fill a test database, tick, print; 1 when the promise is broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--ticks", type=int, default=15)
    wish = parser.parse_args()
    django.setup()

    from django.db import connection
    from django.test.utils import CaptureQueriesContext, setup_databases, teardown_databases

    databases = setup_databases(verbosity=0, interactive=False)
    try:
        took, statements = _measure(wish.nodes, wish.jobs, wish.ticks, CaptureQueriesContext)
        vendor = connection.vendor
    finally:
        teardown_databases(databases, verbosity=0)
    worst = max(took)
    print(f"{wish.nodes} nodes at work, {wish.jobs} jobs queued, {vendor}:")
    print(f"  median {statistics.median(took):.3f} s, worst of {len(took)} {worst:.3f} s")
    print(f"  {statements} statements")
    kept = statistics.median(took) <= PROMISE_SECONDS
    print(f"  under {PROMISE_SECONDS:g} s: {'kept' if kept else 'BROKEN'}")
    return 0 if kept else 1


def _measure(nodes: int, jobs: int, ticks: int, capture: type) -> tuple[list[float], int]:
    from django.db import connection

    from orchestrator.clock import DATABASE_CLOCK
    from orchestrator.reconciler import Reconciler
    from tests.support.big_fleet import fill

    cloud = fill(nodes, jobs, "dub", DATABASE_CLOCK.now())
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    reconciler = Reconciler(cloud, DATABASE_CLOCK, lambda: True)
    # The first one opens a thousand ledger entries.
    reconciler.tick()
    took = []
    for _ in range(ticks):
        began = time.perf_counter()
        reconciler.tick()
        took.append(time.perf_counter() - began)
    with capture(connection) as seen:
        reconciler.tick()
    return took, len(seen)


if __name__ == "__main__":
    sys.exit(main())
