-- +goose Up

-- The worker that makes the last attempt of a run, or made it. NULL: none did.
ALTER TABLE runs ADD COLUMN worker TEXT;
