-- +goose Up

-- The instant up to which every instant of the trigger is recorded. Where a next fire is known, all before it
-- that has passed is; where none is, because the task is paused or orphaned or waits, it is where the
-- trigger had come to when that began.
ALTER TABLE clocks ADD COLUMN recorded_time INTEGER;
UPDATE clocks SET recorded_time = min(next_fire_time - 1, CAST(unixepoch('subsec') * 1000000 AS INTEGER))
  WHERE next_fire_time IS NOT NULL;
UPDATE clocks SET recorded_time = (
    SELECT max(coalesce(last_fire_time, anchor_time), coalesce(anchor_time, last_fire_time),
               coalesce(min(t.pause_create_time, t.orphan_time), t.pause_create_time, t.orphan_time, anchor_time, last_fire_time))
    FROM tasks t WHERE t.pk = clocks.pk)
  WHERE next_fire_time IS NULL;

-- When the run is to start. NULL: no jitter, so no run there is has to be written again. It lies behind input
-- and output, because SQLite appends columns: that costs nothing while it is NULL, and to read one behind
-- an output of 256 KiB takes some 0.1 ms.
ALTER TABLE runs ADD COLUMN jittered_time INTEGER;
