"""The query language: what a person asks of the runs, as text, becomes parameterised SQL for the index."""
