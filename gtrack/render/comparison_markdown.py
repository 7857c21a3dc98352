"""Runs side by side as GitHub-flavoured Markdown: for a pull request or a report."""

from __future__ import annotations

from collections.abc import Sequence

from gtrack.formats.words import plural
from gtrack.ops.code import CodeChange
from gtrack.ops.compare import ABSENT, Comparison, InputRow, MetricRow, Row
from gtrack.records import Run
from gtrack.render.comparison import BETTER, WORSE, change_texts, run_titles, sign, text
from gtrack.render.markdown import LEFT, RIGHT, escape, grid
from gtrack.render.values import duration, iso, metric, value

_DIGEST = 19


def comparison_markdown(comparison: Comparison, code: Sequence[CodeChange], *, everything: bool = False) -> str:
    """Return what differs between runs as GitHub-flavoured Markdown.

    Args:
        comparison: the runs.
        code: how the code of each but the first differs from the first's.
        everything: also what is the same.
    """
    titles = [escape(title) for title in run_titles(comparison.runs)]
    parts = [f"## {' / '.join(titles)}", _runs(comparison.runs)]

    def values(title: str, rows: Sequence[Row], *, quoted: bool = False) -> None:
        tell = value if quoted else text
        shown = [
            [escape(row.name), *("" if one is ABSENT else escape(tell(one)) for one in row.values)]
            for row in rows
            if everything or row.differs
        ]
        if shown:
            parts.append(_table(title, titles, shown))

    values("Parameters", comparison.params, quoted=True)
    parts += _metrics(titles, [row for row in comparison.metrics if everything or row.differs])
    parts += _inputs(titles, [row for row in comparison.inputs if everything or row.differs])
    values("Tags", comparison.tags)
    values("Environment", comparison.environment)
    values("Packages", comparison.packages)
    parts += [_code(titles[0], title, one) for title, one in zip(titles[1:], code, strict=True) if one.differs]
    return "\n\n".join(parts) + "\n"


def _runs(runs: Sequence[Run]) -> str:
    rows = [
        [
            escape(run.name),
            f"`{run.short_id}`",
            escape(run.experiment),
            str(run.status),
            iso(run.started)[:19].replace("T", " "),
            duration(run.duration),
        ]
        for run in runs
    ]
    return grid(["run", "id", "experiment", "status", "started (UTC)", "duration"], [LEFT] * 5 + [RIGHT], rows)


def _table(title: str, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return f"### {title}\n\n" + grid(["", *titles], [LEFT] * (len(titles) + 1), rows)


def _metrics(titles: Sequence[str], rows: Sequence[MetricRow]) -> list[str]:
    if not rows:
        return []
    two = len(titles) == 2
    head = ["", *titles, *(["change", "relative", ""] if two else [])]
    lines = []
    for row in rows:
        cells = [escape(row.name)]
        for number, change in zip(row.values, row.changes, strict=True):
            mark = "" if two else f" {sign(change)}"
            cells.append("" if number is None else f"{metric(number)}{mark}".rstrip())
        lines.append(cells + (list(change_texts(row.changes[1])) if two else []))
    changed = any(change is not None and change.better is not None for row in rows for change in row.changes)
    legend = f"\n\n{BETTER} better, {WORSE} worse than {titles[0]}" if changed else ""
    aligned = [LEFT, *[RIGHT] * len(titles), *([RIGHT, RIGHT, LEFT] if two else [])]
    return ["### Metrics\n\n" + grid(head, aligned, lines) + legend]


def _inputs(titles: Sequence[str], rows: Sequence[InputRow]) -> list[str]:
    lines = [
        [escape(row.name), *("" if one is None else f"`{escape(one.digest[:_DIGEST])}`" for one in row.values)]
        for row in rows
    ]
    return [_table("Inputs", titles, lines)] if lines else []


def _code(base: str, title: str, change: CodeChange) -> str:
    head = f"### Code\n\n`{escape((change.base or 'none')[:10])}` ({base}) → `{escape((change.commit or 'none')[:10])}` ({title})"
    if change.problem:
        return f"{head}\n\nCannot be compared: {escape(change.problem)}."
    rows = [
        [
            escape(file.path if file.old_path is None else f"{file.old_path} → {file.path}"),
            "binary" if file.added is None else f"+{file.added}",
            "" if file.removed is None else f"-{file.removed}",
        ]
        for file in change.files
    ]
    return f"{head}\n\n" + grid([plural(len(rows), "file"), "added", "removed"], [LEFT, RIGHT, RIGHT], rows)
