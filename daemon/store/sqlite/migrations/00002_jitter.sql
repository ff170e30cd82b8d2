-- +goose Up

-- The instant up to which every instant of the trigger is recorded. No trigger had exclusions so far, so it
-- is where the trigger has come to, but before what is due next: an event may have fired while that was
-- overdue, and what fires at its anchor has yet to be recorded.
ALTER TABLE clocks ADD COLUMN recorded_time INTEGER;
UPDATE clocks SET recorded_time = max(coalesce(last_fire_time, anchor_time), coalesce(anchor_time, last_fire_time));
UPDATE clocks SET recorded_time = next_fire_time - 1 WHERE recorded_time >= next_fire_time;

-- When the run is to start. NULL: no jitter, so no run there is has to be written again. It lies behind input
-- and output, because SQLite appends columns: that costs nothing while it is NULL, and to read one behind
-- an output of 256 KiB takes some 0.1 ms.
ALTER TABLE runs ADD COLUMN jittered_time INTEGER;
