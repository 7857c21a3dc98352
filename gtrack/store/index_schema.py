"""The tables of the index."""

from __future__ import annotations

VERSION = 5
"""Raised with every change of the tables or of what is in them: an index of another version is built anew."""

LIVE = ("runs", "bodies", "keys", "params", "metrics", "tags", "inputs")
"""The tables that live runs stand in too, while a question is answered."""
TABLES = ("runs", "bodies", "params", "metrics", "tags", "inputs")

RUN_COLUMNS = {
    **{
        name: f"r.{name}"
        for name in ("experiment", "status", "name", "user", "host", "branch", "head", "dirty", "parent")
    },
    "commit": "r.code_commit",
    "exit_code": "r.exit_code",
    "started": "r.started",
    "duration": "r.duration",
}
"""What is told of a run itself, and the SQL for it."""

# ``runs`` is read from end to end by many questions: what only the answer needs, all of a run as JSON, is in ``bodies``.
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE runs (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tree TEXT NOT NULL,
    experiment TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    started REAL,
    ended REAL,
    duration REAL,
    parent TEXT,
    user TEXT,
    host TEXT,
    exit_code INTEGER,
    code_commit TEXT,
    head TEXT,
    branch TEXT,
    dirty INTEGER NOT NULL,
    notes TEXT,
    environment INTEGER,
    damaged INTEGER NOT NULL,
    defines INTEGER NOT NULL
);
CREATE TABLE bodies (n INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE keys (k INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (kind, name));
CREATE TABLE params (k INTEGER, n INTEGER, num REAL, text TEXT NOT NULL, PRIMARY KEY (k, n)) WITHOUT ROWID;
CREATE TABLE metrics (
    k INTEGER,
    n INTEGER,
    last REAL,
    first REAL,
    least REAL,
    greatest REAL,
    count INTEGER NOT NULL,
    last_step REAL,
    least_step REAL,
    greatest_step REAL,
    PRIMARY KEY (k, n)
) WITHOUT ROWID;
CREATE TABLE tags (k INTEGER, n INTEGER, text TEXT NOT NULL, PRIMARY KEY (k, n)) WITHOUT ROWID;
CREATE TABLE inputs (n INTEGER, name TEXT, digest TEXT, kind TEXT, source TEXT, PRIMARY KEY (n, name)) WITHOUT ROWID;
CREATE TABLE environments (e INTEGER PRIMARY KEY, oid TEXT NOT NULL UNIQUE);
CREATE TABLE packages (e INTEGER, name TEXT, version TEXT, PRIMARY KEY (name, e)) WITHOUT ROWID;
"""

KEY = "SELECT k FROM keys WHERE kind = ? AND name = ?"
"""The number of a parameter, metric or tag."""

REGISTERED = """
DROP TABLE IF EXISTS temp.registered;
CREATE TEMP TABLE registered (id TEXT NOT NULL, model TEXT NOT NULL, stage TEXT);
CREATE INDEX temp.registered_by_id ON registered (id);
"""
"""Which runs have a version of which model, in which stage; filled for as long as a question about it takes."""

INDICES = """
CREATE INDEX runs_by_start ON runs (started DESC, id);
CREATE INDEX runs_by_experiment ON runs (experiment, started DESC, id);
CREATE INDEX runs_by_name ON runs (name);
CREATE INDEX runs_that_define ON runs (started DESC, id) WHERE defines = 1;
CREATE INDEX metrics_by_value ON metrics (k, last, n);
ANALYZE;
"""
