"""``make bench``: gtrack beside its peers, all measured now and here, in one table."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import measure, sharing
from benchmarks.generate import make_repository
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
VERSION = ("gtrack --version, s", "≤ 0.1")
LIST_FEW = ("gtrack ls of {few:,} runs, s", "≤ 0.3")
LIST_SOME = ("gtrack ls of {some:,} runs, s", "≤ 0.3")
BUILD = ("index of {many:,} runs from nothing, s", "≤ 20")
BUILD_MEMORY = ("  memory with its helpers, MB", "≤ 500")
UPDATE = ("  after one new run, s", "≤ 0.1")
FIND = ("filter, order, first 100 of {many:,}, ms", "≤ 50")
ORDER = ("order, first 100 of {many:,}, ms", "≤ 50")
FRAME_FIRST = ("search_runs of 1,000 runs, first call, s", "")
FRAME = ("  and later ones, s", "≤ 0.2")
LIST_FOUND = ("gtrack ls --where --sort of {many:,}, s", "≤ 0.5")
DIFF = ("gtrack diff of 50 runs, s", "≤ 1")
HISTORIES = ("histories of 100 runs of {long:,} steps, s", "≤ 1")
REGISTRY = ("gtrack models of {tags:,} registry tags, s", "≤ 0.3")
PUSH = ("gtrack push of {some:,} new runs, s", "≤ 3")
PULL = ("gtrack pull of them, s", "≤ 3")
MERGE = ("merge of {some:,} + {some:,} runs over {many:,}, s", "≤ 1")
CLONE = ("gtrack clone of {cloned:,} runs with {cloned_mb:,} MB, s", "≤ 10")
CLONE_SIZE = ("  what it brings, MB", "≤ 100")
LARGE = ("sha256sum and cp of {large_mb:,} MB : logging it", "≥ 0.7")
VERIFY = ("gtrack verify of {found:,} runs, s", "≤ 10")
RUN_SIZE = ("one more run after gc: metrics of 4 digits, KB", "≤ 3")
RUN_SIZE_FULL = ("  of 17 digits, which are noise, KB", "")
GRID_BARE = ("tutorial: 27 forests without a tracker, s", "")
GRID_MANUAL = ("  with parameters, metrics, figure, model, s", "≤ bare + 1")
GRID_AUTOLOG = ("  with autologging too, s", "≤ 3 × bare")
GRID_SIZE = ("  kept of it, MB", "≤ 4")
MODEL = ("log_model of a forest of 100 trees, s", "≤ 0.1")
ROWS = (
    *(IMPORT, RUN, CALLS, UNTIL_KEPT, KEPT, COMMIT_FEW, COMMIT_MANY, RATIO, LAUNCH, VERSION, LIST_FEW, LIST_SOME),
    *(BUILD, BUILD_MEMORY, UPDATE, FIND, ORDER, FRAME_FIRST, FRAME, LIST_FOUND, DIFF, HISTORIES, REGISTRY),
    *(PUSH, PULL, MERGE, CLONE, CLONE_SIZE, LARGE, VERIFY, RUN_SIZE, RUN_SIZE_FULL),
    *(GRID_BARE, GRID_MANUAL, GRID_AUTOLOG, GRID_SIZE, MODEL),
)
MLFLOW = "mlflow"


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
            with self._step(peer, "gtrack --version and ls"):
                cells[VERSION[0]] = f"{measure.command_seconds(size, few, '--version'):.2f}"
                cells[LIST_FEW[0]] = f"{measure.command_seconds(size, few, 'ls'):.2f}"
                cells[LIST_SOME[0]] = f"{measure.command_seconds(size, some, 'ls'):.2f}"
            with self._step(peer, "gtrack run"):
                cells[LAUNCH[0]] = f"{measure.launch_overhead(size, few):.2f}"
            with self._step(peer, f"commits beside {size.many:,} runs"), _place() as many:
                measure.stored(many, size.many)
                beside_few, beside_many, ratio = measure.commit_seconds(peer, size, few, many)
                cells[COMMIT_FEW[0]], cells[COMMIT_MANY[0]] = f"{1000 * beside_few:.1f}", f"{1000 * beside_many:.1f}"
                cells[RATIO[0]] = f"{ratio:.2f}"
                self._of_finding(peer, many)
        with self._step(peer, "histories"), _place() as place:
            measure.stored(place, 100, size.long)
            cells[HISTORIES[0]] = f"{measure.finding('histories', place)['seconds']:.2f}"
        with self._step(peer, "the registry"), _place() as place:
            cells[REGISTRY[0]] = f"{measure.command_seconds(size, measure.registered(place, size.tags), 'models'):.2f}"

    def of_sharing(self, peer: Peer) -> None:
        """Measure what many people and machines ask for."""
        cells, size = self.cells.setdefault(peer.name, {}), self.size
        with self._step(peer, "push and pull"), _place() as place:
            pushed, pulled = sharing.moved_seconds(place, size.some)
            cells[PUSH[0]], cells[PULL[0]] = f"{pushed:.2f}", f"{pulled:.2f}"
        with self._step(peer, "a merge"), _place() as place:
            cells[MERGE[0]] = f"{sharing.merge_seconds(place, size.many, size.some):.2f}"
        with self._step(peer, "a clone"), _place() as place:
            seconds, megabytes = sharing.clone_figures(place, size.cloned, size.cloned_mb)
            cells[CLONE[0]], cells[CLONE_SIZE[0]] = f"{seconds:.1f}", f"{megabytes:.0f}"
        with self._step(peer, "a large artifact"), _place() as place:
            cells[LARGE[0]] = f"{sharing.large_ratio(place, size.large_mb):.2f}"
        with self._step(peer, "verify"), _place() as place:
            cells[VERIFY[0]] = f"{sharing.verify_seconds(place, size.found):.1f}"
        for row, digits in ((RUN_SIZE, 4), (RUN_SIZE_FULL, 17)):
            with self._step(peer, "the size of a run"), _place() as place:
                cells[row[0]] = f"{sharing.bytes_per_run(place, size.some, digits) / 1000:.1f}"

    def _of_finding(self, peer: Peer, many: Path) -> None:
        """Measure questions over many runs."""
        cells, size = self.cells[peer.name], self.size
        with self._step(peer, "the index"):
            built = measure.finding("build", many)
            cells[BUILD[0]], cells[BUILD_MEMORY[0]] = f"{built['seconds']:.1f}", f"{built['megabytes']:.0f}"
            cells[UPDATE[0]] = f"{measure.finding('update', many)['seconds']:.3f}"
        with self._step(peer, "finding"):
            cells[FIND[0]] = f"{1000 * measure.finding('find', many)['seconds']:.1f}"
            cells[ORDER[0]] = f"{1000 * measure.finding('order', many)['seconds']:.1f}"
            found = measure.finding("frame", many)
            cells[FRAME_FIRST[0]], cells[FRAME[0]] = f"{found['first']:.2f}", f"{found['seconds']:.3f}"
        with self._step(peer, "gtrack ls --where and diff"):
            sorted_by = ("--where", "metrics.accuracy > 0.5", "--sort", "-metrics.accuracy", "-n", "100")
            cells[LIST_FOUND[0]] = f"{measure.command_seconds(size, many, 'ls', *sorted_by):.2f}"
            runs = [f"last~{number}" for number in range(50)]
            cells[DIFF[0]] = f"{measure.command_seconds(size, many, 'diff', *runs):.2f}"

    def of_mlflow(self, peer: Peer) -> None:
        """Measure the same questions in MLflow, over fewer runs."""
        cells, runs = self.cells.setdefault(peer.name, {}), self.size.found
        with self._step(peer, f"questions over {runs:,} runs"), _place() as place:
            measure.finding("mlflow_fill", place, RUNS=str(runs))
            of_runs = f"of {runs:,}: "
            cells[FIND[0]] = f"{of_runs}{1000 * measure.finding('mlflow_find', place)['seconds']:,.0f}"
            cells[ORDER[0]] = f"{of_runs}{1000 * measure.finding('mlflow_order', place)['seconds']:,.0f}"
            found = measure.finding("mlflow_frame", place)
            cells[FRAME_FIRST[0]] = f"{found['first']:.2f}"
            cells[FRAME[0]] = f"{of_runs}{found['seconds']:.2f}"

    def of_tutorial(self, peer: Peer) -> None:
        """Measure the tutorial: a grid of models, by hand and with autologging."""
        cells = self.cells.setdefault(peer.name, {})
        with (
            self._step(peer, "the tutorial"),
            _place() as bare,
            _place() as manual,
            _place() as autolog,
            _place() as one,
        ):
            for place in (manual, autolog, one):
                make_repository(place)
            cells[GRID_BARE[0]] = f"{measure.grid(peer.name, 'bare', bare):.1f}"
            cells[GRID_MANUAL[0]] = f"{measure.grid(peer.name, 'manual', manual):.1f}"
            cells[GRID_AUTOLOG[0]] = f"{measure.grid(peer.name, 'autolog', autolog):.1f}"
            cells[MODEL[0]] = f"{measure.grid(peer.name, 'model', one):.2f}"
            kept = autolog if peer.name != MLFLOW else autolog / "artifacts"
            cells[GRID_SIZE[0]] = f"{measure.kept_megabytes(kept):.1f}"

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
                table.add_row(label.format(**asdict(self.size)), aim, *found)
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
        if peer.name in ("gtrack", MLFLOW):
            bench.of_tutorial(peer)
        if peer.name == "gtrack":
            bench.of_gtrack(peer)
            bench.of_sharing(peer)
        elif peer.name == MLFLOW:
            bench.of_mlflow(peer)
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
