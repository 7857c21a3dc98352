"""``gtrack ls --group-by``: one line for all runs that have the same of something."""

from __future__ import annotations

from gtrack.cli.session import note, out, write
from gtrack.ops.group import Grouping
from gtrack.render.data import rows_csv, to_json
from gtrack.render.groups import group_columns, group_data, group_rows, write_groups
from gtrack.render.markdown import columns_markdown


def write_grouping(grouping: Grouping, *, json: bool, csv: bool, markdown: bool) -> None:
    """Write groups of runs as a table, or in the one format that is asked for."""
    if json:
        write(to_json(group_data(grouping)))
    elif csv:
        write(rows_csv(group_rows(grouping)))
    elif markdown:
        write(columns_markdown(group_columns(grouping, terminal=False)))
    elif grouping.groups:
        write_groups(out(), grouping)
    else:
        note("No run is in any group.")
