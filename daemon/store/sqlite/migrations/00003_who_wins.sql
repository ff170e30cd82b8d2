-- +goose Up

-- What watchers go by. id is a random UUID that the program makes, because SQLite can not make a good one;
-- change is a number that no commit has gone past, raised a thousand at a time, or else it would be a page more for
-- each commit; deleted and taken_back are those of the last commits that did that. Below them is what no id may fall
-- short of: the newest tasks and events may be gone.
ALTER TABLE store ADD COLUMN id BLOB;
ALTER TABLE store ADD COLUMN change INTEGER NOT NULL DEFAULT 0;
ALTER TABLE store ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE store ADD COLUMN taken_back INTEGER NOT NULL DEFAULT 0;
ALTER TABLE store ADD COLUMN next_task INTEGER NOT NULL DEFAULT 1;
ALTER TABLE store ADD COLUMN next_event INTEGER NOT NULL DEFAULT 1;

ALTER TABLE tasks ADD COLUMN origin INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN orphan_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN spec TEXT; -- a JSON object; NULL: the program knows
ALTER TABLE tasks ADD COLUMN policy TEXT; -- a JSON object: what has no column of its own; NULL: all defaults
ALTER TABLE tasks ADD COLUMN override_expire_time INTEGER;
ALTER TABLE tasks ADD COLUMN pause_resume_time INTEGER;
CREATE INDEX tasks_group ON tasks (task_group, name) WHERE task_group <> '';

-- The change of a task is the greatest of three: that of its clock (the last commit that changed the task, its clock or
-- which run is its last), that of its counts, and that of its last run. So a start or an end need not write the clock.
ALTER TABLE clocks ADD COLUMN change INTEGER NOT NULL DEFAULT 0;
ALTER TABLE clocks ADD COLUMN failure_count INTEGER NOT NULL DEFAULT 0; -- here, because claims need it

-- What became of all fires and calls: one row to a task, written as runs end. Apart from the clocks, it keeps their rows
-- short, and what ends does not write the pages that claims do.
CREATE TABLE counts (
  pk                   INTEGER PRIMARY KEY,
  change               INTEGER NOT NULL DEFAULT 0,
  succeeded            INTEGER NOT NULL DEFAULT 0,
  failed               INTEGER NOT NULL DEFAULT 0,
  timed_out            INTEGER NOT NULL DEFAULT 0,
  canceled             INTEGER NOT NULL DEFAULT 0,
  lost                 INTEGER NOT NULL DEFAULT 0,
  skipped_overlap      INTEGER NOT NULL DEFAULT 0,
  skipped_paused       INTEGER NOT NULL DEFAULT 0,
  skipped_orphaned     INTEGER NOT NULL DEFAULT 0,
  skipped_excluded     INTEGER NOT NULL DEFAULT 0,
  skipped_limit        INTEGER NOT NULL DEFAULT 0,
  missed               INTEGER NOT NULL DEFAULT 0,
  merged               INTEGER NOT NULL DEFAULT 0
) STRICT;
-- Nothing was ever pruned, so what there is to count is there. failure_count begins with the next run.
INSERT INTO counts (pk) SELECT pk FROM tasks;
UPDATE counts SET
    succeeded = n.succeeded, failed = n.failed, timed_out = n.timed_out, canceled = n.canceled, lost = n.lost,
    skipped_overlap = n.overlap, skipped_paused = n.paused, skipped_orphaned = n.orphaned, skipped_excluded = n.excluded,
    missed = n.missed, merged = n.merged
  FROM (
    SELECT task,
      sum(state = 3) AS succeeded, sum(state = 4) AS failed, sum(state = 5) AS timed_out,
      sum(state = 6) AS canceled, sum(state = 7) AS lost,
      sum((state = 8 AND reason = 1) * max(fires, 1)) AS overlap, sum((state = 8 AND reason = 2) * max(fires, 1)) AS paused,
      sum((state = 8 AND reason = 4) * max(fires, 1)) AS orphaned, sum((state = 8 AND reason = 5) * max(fires, 1)) AS excluded,
      sum((state = 9) * max(fires, 1)) AS missed, sum((state < 8 AND fires > 1) * (fires - 1)) AS merged
    FROM runs GROUP BY task) AS n
  WHERE n.task = counts.pk;

-- change is that of the last commit that recorded or changed the run; 0: that was before there were numbers.
ALTER TABLE runs ADD COLUMN next_attempt_time INTEGER;
ALTER TABLE runs ADD COLUMN change INTEGER NOT NULL DEFAULT 0;

-- What deleted tasks have left: chains of runs that nobody can see, until Sweep has come to their end.
CREATE TABLE remains (
  task                 INTEGER PRIMARY KEY, -- the pk it had
  last_run             INTEGER NOT NULL     -- the newest run that is left
) STRICT;

-- who did what, and why
CREATE TABLE audit (
  event                INTEGER PRIMARY KEY,
  time                 INTEGER NOT NULL, -- the zero time is a number here, too
  action               INTEGER NOT NULL,
  task_id              BLOB    NOT NULL, -- tasks.id then: the task may be gone
  task_name            TEXT    NOT NULL,
  run                  INTEGER NOT NULL, -- 0: none
  actor                TEXT    NOT NULL,
  peer                 TEXT    NOT NULL,
  reason               TEXT    NOT NULL,
  before               BLOB, -- a JSON object
  after                BLOB
) STRICT;
CREATE INDEX audit_task ON audit (task_id, event);
CREATE INDEX audit_time ON audit (time);
