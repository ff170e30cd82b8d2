//go:build !linux

package pgtest

import "syscall"

// account returns as whom PostgreSQL runs: this user, who must not be root. Nothing ends it if this process is killed.
func account(string) (*syscall.SysProcAttr, error) { return nil, nil }

// give has nothing to do.
func give(string) error { return nil }
