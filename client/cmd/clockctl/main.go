// Command clockctl lists and controls the tasks of a clockd daemon: see clockctl --help.
package main

import (
	"os"

	"github.com/clockd/clockd/client/internal/cli"
)

func main() { os.Exit(cli.Main()) }
