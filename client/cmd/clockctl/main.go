// Command clockctl lists and controls the tasks of a clockd daemon: see clockctl --help.
package main

import (
	"context"
	"os"
	"os/signal"

	"github.com/clockd/clockd/client/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	// A second interrupt ends the program at once, whatever the first is waiting for.
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Run(ctx, os.Args[1:], cli.Process()))
}
