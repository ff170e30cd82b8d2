// Package postgres keeps tasks and runs in PostgreSQL, for any number of daemons at the same time.
package postgres

import _ "github.com/jackc/pgx/v5/pgxpool" // until the store is written
