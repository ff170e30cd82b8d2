-- +goose Up

-- How far what exclusions took out is recorded, where that is not as far as recorded_time. NULL: as far.
ALTER TABLE clocks ADD COLUMN excluded_time INTEGER;
