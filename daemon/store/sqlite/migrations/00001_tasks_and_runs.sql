-- +goose Up

-- Instants are whole microseconds since 1970 in UTC; NULL is the zero time. Numbers of states, causes,
-- reasons and policies are those of package task. Triggers are in the text form of package schedule.

-- what holds for the whole file
CREATE TABLE store (
  only                 INTEGER PRIMARY KEY CHECK (only = 1),
  namespace            TEXT    NOT NULL,
  next_run             INTEGER NOT NULL -- no run with this id or a greater one was ever taken back
) STRICT;

-- what callers and declarations say of a task: seldom written
CREATE TABLE tasks (
  pk                   INTEGER PRIMARY KEY,
  id                   BLOB    NOT NULL UNIQUE,
  name                 TEXT    NOT NULL,
  state                INTEGER NOT NULL,
  version              INTEGER NOT NULL,
  create_time          INTEGER,
  update_time          INTEGER,
  orphan_time          INTEGER,
  description          TEXT    NOT NULL,
  task_group           TEXT    NOT NULL,
  labels               TEXT, -- a JSON object of strings; NULL: none
  declared_trigger     TEXT    NOT NULL,
  overlap              INTEGER NOT NULL,
  catch_up             INTEGER NOT NULL,
  delivery             INTEGER NOT NULL,
  timeout              INTEGER NOT NULL, -- nanoseconds
  target_kind          TEXT    NOT NULL,
  target_summary       TEXT    NOT NULL,
  override_trigger     TEXT, -- NULL: there is no override
  override_actor       TEXT,
  override_reason      TEXT,
  override_create_time INTEGER,
  on_declared_change   INTEGER,
  declaration_changed  INTEGER,
  pause_actor          TEXT, -- NULL: it is not paused
  pause_reason         TEXT,
  pause_create_time    INTEGER
) STRICT;
CREATE UNIQUE INDEX tasks_name ON tasks (name);
CREATE INDEX tasks_state ON tasks (state, name);

-- what moves with each fire: about a hundred rows to a page, so that a claim dirties few pages
CREATE TABLE clocks (
  pk                   INTEGER PRIMARY KEY,
  next_fire_time       INTEGER,
  fire_count           INTEGER NOT NULL,
  anchor_time          INTEGER,
  last_fire_time       INTEGER,
  last_end_time        INTEGER,
  fires                BLOB, -- signed varints
  last_run             INTEGER -- the newest run: the head of the chain along runs.prev_run
) STRICT;
CREATE INDEX clocks_due ON clocks (next_fire_time) WHERE next_fire_time IS NOT NULL;

-- appended to. An index over all of it would cost half of the claims, so the history of a task is a chain
CREATE TABLE runs (
  run                  INTEGER PRIMARY KEY,
  task                 INTEGER NOT NULL, -- tasks.pk
  prev_run             INTEGER, -- the run of the same task before it
  state                INTEGER NOT NULL,
  cause                INTEGER NOT NULL,
  reason               INTEGER NOT NULL,
  attempt              INTEGER NOT NULL,
  fires                INTEGER NOT NULL,
  scheduled_time       INTEGER,
  first_scheduled_time INTEGER,
  start_time           INTEGER,
  end_time             INTEGER,
  error                TEXT    NOT NULL,
  actor                TEXT    NOT NULL,
  earlier              TEXT, -- a JSON array of attempts; NULL: none
  input                BLOB,
  output               BLOB
) STRICT;
-- holds only what is under way, so that a start finds it without reading the history
CREATE INDEX runs_unfinished ON runs (run) WHERE state < 3;

-- which run a repeated call gets
CREATE TABLE requests (
  id                   BLOB    PRIMARY KEY,
  run                  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX requests_run ON requests (run);
