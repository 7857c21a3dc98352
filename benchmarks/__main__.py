"""``make bench``: gtrack beside its peers, all measured now and here, in one table."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import measure
from benchmarks.measure import QUICK, NotMeasured, Size
from benchmarks.peers import PEERS, Peer, is_installed

Cells = dict[str, str]

# Row of the table, and what gtrack aims at.
IMPORT = ("import with the first verb, s", "≤ 0.12")
RUN = ("run: 10 parameters, 5 metrics, ms", "≤ 25")
CALLS = ("rows of 5 metrics a second, calls", "≥ 100,000")
UNTIL_KEPT = ("  and until they are kept", "")
KEPT = ("rows kept after SIGKILL, %", "100")
COMMIT_FEW = ("commit beside {few:,} runs, ms", "")
COMMIT_MANY = ("commit beside {many:,} runs, ms", "")
RATIO = ("  ratio", "≤ 1.3")
LAUNCH = ("gtrack run beyond python, s", "≤ 0.3")
LIST_FEW = ("gtrack ls of {few:,} runs, s", "≤ 0.3")
LIST_SOME = ("gtrack ls of {some:,} runs, s", "≤ 0.3")
ROWS = (IMPORT, RUN, CALLS, UNTIL_KEPT, KEPT, COMMIT_FEW, COMMIT_MANY, RATIO, LAUNCH, LIST_FEW, LIST_SOME)


class Bench:
    """Measures, and gathers the cells of the table and what went wrong."""

    def __init__(self, size: Size, console: Console) -> None:
        self.size = size
        self.console = console
        self.cells: dict[str, Cells] = {}
        self.problems: list[str] = []

    def of_peer(self, peer: Peer) -> None:
        """Measure what every tracker can do."""
        cells = self.cells.setdefault(peer.name, {})
        size = self.size
        with self._step(peer, "import"):
            cells[IMPORT[0]] = f"{measure.import_seconds(peer, size):.3f}"
        with self._step(peer, "runs"), _place() as place:
            cells[RUN[0]] = f"{1000 * measure.run_seconds(peer, size, place):.1f}"
        with self._step(peer, "rows"), _place() as place:
            calls, until_kept = measure.row_rates(peer, size, place)
            cells[CALLS[0]], cells[UNTIL_KEPT[0]] = f"{calls:,.0f}", f"{until_kept:,.0f}"
        with self._step(peer, "SIGKILL"), _place() as place:
            kept, logged = measure.kept_after_kill(peer, size, place)
            cells[KEPT[0]] = f"{100 * kept / logged:.1f}"

    def of_gtrack(self, peer: Peer) -> None:
        """Measure what depends on the runs that are stored, and the command."""
        cells, size = self.cells.setdefault(peer.name, {}), self.size
        with _place() as few, _place() as some:
            with self._step(peer, f"repositories with {size.few:,} and {size.some:,} runs"):
                measure.stored(few, size.few)
                measure.stored(some, size.some)
            with self._step(peer, "gtrack ls"):
                cells[LIST_FEW[0]] = f"{measure.listing_seconds(size, few):.2f}"
                cells[LIST_SOME[0]] = f"{measure.listing_seconds(size, some):.2f}"
            with self._step(peer, "gtrack run"):
                cells[LAUNCH[0]] = f"{measure.launch_overhead(size, few):.2f}"
            with self._step(peer, f"commits beside {size.many:,} runs"), _place() as many:
                measure.stored(many, size.many)
                beside_few, beside_many, ratio = measure.commit_seconds(peer, size, few, many)
                cells[COMMIT_FEW[0]], cells[COMMIT_MANY[0]] = f"{1000 * beside_few:.1f}", f"{1000 * beside_many:.1f}"
                cells[RATIO[0]] = f"{ratio:.2f}"

    @contextmanager
    def _step(self, peer: Peer, what: str) -> Iterator[None]:
        with self.console.status(f"{peer.name}: {what}"):
            try:
                yield
            except NotMeasured as error:
                self.problems.append(str(error))

    def table(self) -> Table:
        """Return the table: a row for each measurement, a column for each tracker."""
        machine = (
            f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, {sys.platform}"
        )
        table = Table(title=machine)
        table.add_column("medians", no_wrap=True)
        table.add_column("aim", justify="right", no_wrap=True)
        for name in self.cells:
            table.add_column(name, justify="right")
        for label, aim in ROWS:
            found = [cells.get(label, "") for cells in self.cells.values()]
            if any(found):
                table.add_row(label.format(few=self.size.few, some=self.size.some, many=self.size.many), aim, *found)
        return table


@contextmanager
def _place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="gtrack-bench-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


def main() -> int:
    """Measure and print; return 1 when something could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="fewer rows, runs and repeats: a minute, and rough numbers"
    )
    parser.add_argument("--only", action="append", metavar="NAME", help="measure this tracker alone (may be repeated)")
    options = parser.parse_args()
    names = [peer.name for peer in PEERS]
    unknown = set(options.only or []) - set(names)
    if unknown:
        parser.error(f"no tracker is called {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    chosen = [peer for peer in PEERS if not options.only or peer.name in options.only]
    bench = Bench(QUICK if options.quick else Size(), Console(stderr=True))
    for peer in chosen:
        if not is_installed(peer):
            continue
        bench.of_peer(peer)
        if peer.name == "gtrack":
            bench.of_gtrack(peer)
    width = None if sys.stdout.isatty() else 160
    Console(width=width).print(bench.table())
    missing = [peer.name for peer in chosen if not is_installed(peer)]
    if missing:
        sys.stdout.write(f"Not installed here, so not measured: {', '.join(missing)}.\n")
    for problem in bench.problems:
        sys.stdout.write(f"Not measured: {problem}\n")
    return 1 if bench.problems else 0


if __name__ == "__main__":
    sys.exit(main())
