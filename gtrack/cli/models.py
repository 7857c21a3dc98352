"""``gtrack models``: ask models, and (with the registry) their versions and stages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gtrack.cli.reading import Json, Markdown, one_format
from gtrack.cli.session import examples, note, now, open_project, out, write
from gtrack.errors import UsageError
from gtrack.ops.load_model import open_pyfunc
from gtrack.ops.predict import predict_table, write_whole
from gtrack.render.data import to_json
from gtrack.render.markdown import columns_markdown
from gtrack.render.models import model_columns, model_data, write_models
from gtrack.render.values import plural, printable

_STDOUT = "-"


def list_models(ctx: typer.Context, json: Json = False, markdown: Markdown = False) -> None:
    """List the registered models, or ask one.

    Shown are how many versions each has, what is in each stage, and the latest version with its metrics.
    """
    if ctx.invoked_subcommand is not None:
        return
    one_format(json=json, csv=False, markdown=markdown)
    registry = open_project(ctx).registry
    ledger = registry.ledger()
    models = list(ledger.models.values())
    if json:
        write(to_json([model_data(model) for model in models]))
    elif markdown:
        write(columns_markdown(model_columns(models, now(), terminal=False)))
    elif models:
        write_models(out(), models, now())
    else:
        note("No models yet. 'gtrack register RUN --model NAME' registers the model of a run.")
    for problem in ledger.problems:
        note(f"The tag {printable(problem.tag)} is passed over: {problem.text}.", "yellow")


def predict(
    ctx: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="runs:/RUN/PATH, models:/NAME/VERSION, models:/NAME/STAGE, models:/NAME/latest, or a directory.",
        ),
    ],
    table: Annotated[
        Path,
        typer.Option(
            "--input", "-i", metavar="FILE", help="The table: .csv, .tsv, .json or .parquet.", show_default=False
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to, in the format that the suffix says; - is CSV on stdout."
        ),
    ] = _STDOUT,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust", help="Run whatever code the model holds; needed for pickles that were not logged here."
        ),
    ] = False,
) -> None:
    """Predict for each row of a table.

    The columns are found by their names and put into the order of the model's signature; others are left out. The output has
    one row for each row, and is written whole or not at all.
    """
    target = None if output == _STDOUT else Path(output)
    if target is not None and target.exists() and table.exists() and target.samefile(table):
        raise UsageError(f"{target} is the input; give another file with --output.")
    loaded = open_pyfunc(model, lambda: open_project(ctx), trust=trust)
    data, rows = predict_table(loaded, table, output if target is not None else "stdout.csv")
    if target is None:
        sys.stdout.write(data.decode())
        return
    write_whole(target, data)
    note(f"{plural(rows, 'prediction')} in {target}", "none")


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    models = typer.Typer(rich_markup_mode=None)
    models.callback(
        invoke_without_command=True,
        epilog=examples("gtrack models", "gtrack models --json", "gtrack models predict runs:/last/model -i new.csv"),
    )(list_models)
    models.command(
        epilog=examples(
            "gtrack models predict runs:/last/model --input new.csv --output predictions.csv",
            "gtrack models predict models:/churn/production -i new.parquet -o out.parquet",
            "gtrack models predict runs:/best:f1/model -i new.csv | head",
        )
    )(predict)
    app.add_typer(models, name="models")
