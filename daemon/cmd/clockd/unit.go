package main

import (
	_ "embed" // the units are files of their own
	"io"
)

var (
	//go:embed clockd.service
	serviceUnit string
	//go:embed clockd.socket
	socketUnit string
)

type unitCommand struct {
	Socket bool `help:"Print the socket unit that belongs to the service, in its place."`
}

// Run prints a unit.
func (c *unitCommand) Run(env environment) error {
	text := serviceUnit
	if c.Socket {
		text = socketUnit
	}
	_, err := io.WriteString(env.stdout, text)
	return err
}
