-- +goose Up

-- Everything lies in one schema, which the connection has as its search_path. NULL is the zero time. Numbers of states,
-- causes, reasons and policies are those of package task. Triggers are in the text form of package schedule. Names are
-- ordered by bytes. A byte that text can not hold is U+0010 and two hexadecimal digits: see text.go.

-- What holds for all. Every transaction that changes something locks this row after all others and before it takes its
-- numbers from the sequences below, and so they commit in the order of their numbers, whichever node they are of. The
-- row is locked often and written seldom, or an old snapshot would make a long chain of its versions.
CREATE TABLE store (
  one                  smallint    PRIMARY KEY DEFAULT 1 CHECK (one = 1),
  id                   uuid        NOT NULL DEFAULT gen_random_uuid(),
  namespace            text        NOT NULL,
  deleted              bigint      NOT NULL DEFAULT 0, -- as in store.Position
  taken_back           bigint      NOT NULL DEFAULT 0,
  tasks_watched_until  timestamptz, -- until when commits write what they have changed into the feed
  runs_watched_until   timestamptz
);
CREATE SEQUENCE change_numbers;
CREATE SEQUENCE run_numbers;
CREATE SEQUENCE event_numbers;
CREATE SEQUENCE task_numbers;

-- what callers and declarations say of a task: seldom written
CREATE TABLE tasks (
  pk                   bigint      PRIMARY KEY, -- from task_numbers: an id of its own, which no other task gets, whatever it is called
  id                   uuid        NOT NULL,
  name                 text        COLLATE "C" NOT NULL,
  state                smallint    NOT NULL,
  version              bigint      NOT NULL,
  create_time          timestamptz,
  update_time          timestamptz,
  orphan_time          timestamptz,
  orphan_reason        text        NOT NULL,
  origin               smallint    NOT NULL,
  revision             bigint      NOT NULL,
  description          text        NOT NULL,
  task_group           text        COLLATE "C" NOT NULL,
  labels               text, -- a JSON object of strings; NULL: none
  declared_trigger     text        NOT NULL,
  policy               text, -- a JSON object of what is no default; NULL: nothing is
  target_kind          text        NOT NULL,
  target_summary       text        NOT NULL,
  spec                 text, -- a JSON object; NULL: the program knows
  override_trigger     text, -- NULL: there is no override
  override_actor       text,
  override_reason      text,
  override_create_time timestamptz,
  override_expire_time timestamptz,
  on_declared_change   smallint,
  declaration_changed  boolean,
  pause_actor          text, -- NULL: it is not paused
  pause_reason         text,
  pause_create_time    timestamptz,
  pause_resume_time    timestamptz,
  deadline             timestamptz -- the earlier of override_expire_time and pause_resume_time
);
CREATE UNIQUE INDEX tasks_id ON tasks (id);
CREATE UNIQUE INDEX tasks_name ON tasks (name);
CREATE INDEX tasks_state ON tasks (state, name);
CREATE INDEX tasks_group ON tasks (task_group, name) WHERE task_group <> '';
CREATE INDEX tasks_deadline ON tasks (deadline) WHERE deadline IS NOT NULL;
CREATE INDEX tasks_declared ON tasks (id) WHERE origin = 0 AND orphan_time IS NULL;

-- What moves with each fire and each end. An end changes no column of an index, so that its row version can stay in the
-- page, if there is room.
CREATE TABLE clocks (
  pk                   bigint      PRIMARY KEY,
  next_fire_time       timestamptz,
  recorded_time        timestamptz,
  excluded_time        timestamptz,
  anchor_time          timestamptz,
  last_fire_time       timestamptz,
  last_end_time        timestamptz,
  fires                bytea, -- signed varints
  fire_count           bigint      NOT NULL,
  failure_count        bigint      NOT NULL,
  last_run             bigint, -- the newest run; it may have been pruned
  change               bigint      NOT NULL,
  -- Who holds it: see store.Cluster. A task may be claimed, edited and called by a node if
  -- CASE WHEN in_hand > 0 THEN node = me ELSE nobodys = 0 END. The zero UUID is the node of those who have not joined.
  in_hand              integer     NOT NULL DEFAULT 0, -- how many of its runs are in the hands of node, but for those beside
  nobodys              integer     NOT NULL DEFAULT 0, -- how many are in nobody's hands (open_runs.node IS NULL)
  node                 uuid, -- NULL if and only if in_hand is 0
  succeeded            bigint      NOT NULL DEFAULT 0,
  failed               bigint      NOT NULL DEFAULT 0,
  timed_out            bigint      NOT NULL DEFAULT 0,
  canceled             bigint      NOT NULL DEFAULT 0,
  lost                 bigint      NOT NULL DEFAULT 0,
  skipped_overlap      bigint      NOT NULL DEFAULT 0,
  skipped_paused       bigint      NOT NULL DEFAULT 0,
  skipped_orphaned     bigint      NOT NULL DEFAULT 0,
  skipped_excluded     bigint      NOT NULL DEFAULT 0,
  skipped_limit        bigint      NOT NULL DEFAULT 0,
  missed               bigint      NOT NULL DEFAULT 0,
  merged               bigint      NOT NULL DEFAULT 0
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX clocks_due ON clocks (next_fire_time, pk) WHERE next_fire_time IS NOT NULL;

-- Runs that have not ended: a small table, into and out of which every run goes.
CREATE TABLE open_runs (
  run                  bigint      PRIMARY KEY,
  task                 bigint      NOT NULL, -- tasks.pk
  node                 uuid, -- in whose hands it is; NULL: in nobody's
  last_node            uuid, -- in whose hands it was last, while it is in nobody's
  beside               boolean     NOT NULL DEFAULT false, -- it does not count in clocks.in_hand
  nth                  smallint, -- of the runs that a claim has recorded of one instant of the task, from 0; NULL: no claim has
  state                smallint    NOT NULL,
  cause                smallint    NOT NULL,
  reason               smallint    NOT NULL,
  attempt              integer     NOT NULL,
  fires                bigint      NOT NULL,
  scheduled_time       timestamptz,
  jittered_time        timestamptz,
  first_scheduled_time timestamptz,
  next_attempt_time    timestamptz,
  start_time           timestamptz,
  end_time             timestamptz,
  error                text        NOT NULL,
  actor                text        NOT NULL,
  worker               text,
  earlier              text, -- a JSON array of attempts; NULL: none
  input                bytea,
  output               bytea,
  change               bigint      NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0);
-- No instant of a task is claimed twice: whatever goes wrong with clocks and nodes, it ends in an error and not in a second
-- start. What no claim has recorded has no nth.
CREATE UNIQUE INDEX open_runs_fire ON open_runs (task, scheduled_time, nth);
CREATE INDEX open_runs_nobodys ON open_runs (task) WHERE node IS NULL;

-- Runs that have ended: appended to, and never written again. A partition holds those that were recorded on one day (UTC),
-- whenever they ended, and is dropped as a whole. The partition for days that have none is the default one.
CREATE TABLE runs (
  day                  date        NOT NULL, -- when it was recorded: days says for each run
  run                  bigint      NOT NULL,
  task                 bigint      NOT NULL,
  node                 uuid,
  state                smallint    NOT NULL,
  cause                smallint    NOT NULL,
  reason               smallint    NOT NULL,
  attempt              integer     NOT NULL,
  fires                bigint      NOT NULL,
  scheduled_time       timestamptz,
  jittered_time        timestamptz,
  first_scheduled_time timestamptz,
  next_attempt_time    timestamptz,
  start_time           timestamptz,
  end_time             timestamptz,
  error                text        NOT NULL,
  actor                text        NOT NULL,
  worker               text,
  earlier              text,
  input                bytea,
  output               bytea,
  change               bigint      NOT NULL,
  PRIMARY KEY (run, day)
) PARTITION BY RANGE (day);
CREATE TABLE runs_default PARTITION OF runs DEFAULT;
CREATE INDEX runs_task ON runs (task, run);

-- On which day a run was recorded: on the last whose first_run is not greater.
CREATE TABLE days (
  day                  date        PRIMARY KEY,
  first_run            bigint      NOT NULL
);

-- which run a repeated call gets
CREATE TABLE requests (
  id                   uuid        PRIMARY KEY,
  run                  bigint      NOT NULL,
  task                 bigint      NOT NULL -- tasks.pk; it may be gone
);
CREATE INDEX requests_run ON requests (run);

-- what deleted tasks have left, which nobody can see, until Sweep has come to its end
CREATE TABLE remains (
  task                 bigint      PRIMARY KEY -- the pk it had
);

-- who did what, and why
CREATE TABLE audit (
  event                bigint      PRIMARY KEY,
  time                 timestamptz NOT NULL, -- the zero time is the first of the year 1
  action               smallint    NOT NULL,
  task_id              uuid        NOT NULL, -- tasks.id then: the task may be gone
  task_name            text        NOT NULL,
  run                  bigint      NOT NULL, -- 0: none
  actor                text        NOT NULL,
  peer                 text        NOT NULL,
  reason               text        NOT NULL,
  before               bytea,
  after                bytea
);
CREATE INDEX audit_task ON audit (task_id, event);
CREATE INDEX audit_time ON audit (time);

-- The marks of transactions, kept for a few minutes: whoever has not heard whether one was committed looks for its mark.
CREATE TABLE outcomes (
  id                   uuid        PRIMARY KEY,
  time                 timestamptz NOT NULL
);
CREATE INDEX outcomes_time ON outcomes (time);

-- What commits have changed, for the watches at all nodes. Written only while somebody watches, and kept for a few minutes.
CREATE TABLE feed (
  change               bigint      PRIMARY KEY,
  time                 timestamptz NOT NULL,
  changes              bytea       NOT NULL
);

-- the daemons of the cluster
CREATE TABLE nodes (
  id                   uuid        PRIMARY KEY,
  name                 text        NOT NULL,
  address              text        NOT NULL,
  version              text        NOT NULL,
  revision             bigint      NOT NULL,
  start_time           timestamptz NOT NULL,
  lease                interval    NOT NULL,
  lease_expire_time    timestamptz NOT NULL,
  state                smallint    NOT NULL, -- as in task.NodeState: 1 lives
  end_time             timestamptz,
  tasks                bigint      NOT NULL,
  going                bigint      NOT NULL,
  waiting              bigint      NOT NULL,
  workers              bigint      NOT NULL,
  clock_offset         interval    NOT NULL,
  draining             boolean     NOT NULL,
  cleared              boolean     NOT NULL DEFAULT false -- it has ended, and no run is in its hands any more
);

-- which node can run which task
CREATE TABLE offers (
  node                 uuid        NOT NULL,
  offerer              smallint    NOT NULL,
  task_id              uuid        NOT NULL,
  PRIMARY KEY (task_id, offerer, node)
);
CREATE INDEX offers_node ON offers (node, offerer);

-- how many places of a group each node has
CREATE TABLE places (
  task_group           text        COLLATE "C" NOT NULL,
  node                 uuid        NOT NULL,
  granted              integer     NOT NULL,
  turn                 bigint      NOT NULL, -- the place that can not be divided is for the node with the lowest
  used                 integer     NOT NULL,
  wanted               integer     NOT NULL,
  PRIMARY KEY (task_group, node)
);
CREATE INDEX places_node ON places (node);
