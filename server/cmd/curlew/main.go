// Command curlew runs WebSocket sites and talks to WebSocket servers.
//
//	curlew serve [FILE] [--listen ADDR]...   run a site; without a file, the demo
//	curlew check FILE                        say what is wrong with a site file
//	curlew connect URL                       talk to a WebSocket server
//	curlew version
//
// It exits with 0 when done, 1 when what was asked for failed and 2 when it was
// asked wrongly. Diagnostics go to standard error.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// commands are what can be asked for.
type commands struct {
	Serve   serve   `cmd:""`
	Check   check   `cmd:""`
	Connect connect `cmd:""`
	Version version `cmd:""`
}

// A Program is one run of the command: its streams. Tests start it with theirs.
type Program struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

func main() {
	// A reader of ours that went away is an error of Write, not the end.
	signal.Ignore(syscall.SIGPIPE)
	p := &Program{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends at once
	os.Exit(p.Run(ctx, os.Args[1:]))
}

// wrongUsage is an error about how the command was called.
type wrongUsage struct{ error }

// errSaid is a failure that has been told already.
var errSaid = errors.New("failed")

// Run does what args ask for, until it is done or ctx is, and returns the exit
// code.
func (p *Program) Run(ctx context.Context, args []string) int {
	var c commands
	var exit *int
	k, err := kong.New(&c,
		kong.Name("curlew"), kong.Writers(p.Stdout, p.Stderr), kong.Help(printHelp),
		kong.Exit(func(n int) {
			if exit == nil {
				exit = &n
			}
		}),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(p),
	)
	if err != nil {
		fmt.Fprintln(p.Stderr, "curlew:", err)
		return 2
	}
	if len(args) == 0 {
		fmt.Fprint(p.Stderr, aboutAll)
		return 2
	}
	parsed, err := k.Parse(args)
	if exit != nil { // help was asked for and given
		return *exit
	}
	if err != nil {
		fmt.Fprintf(p.Stderr, "curlew: %s (see curlew --help)\n", printable(err.Error()))
		return 2
	}
	err = parsed.Run()
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSaid):
		return 1
	}
	fmt.Fprintf(p.Stderr, "curlew: %s\n", printable(strings.TrimPrefix(err.Error(), "curlew: "))) // the library's own
	if errors.As(err, new(wrongUsage)) {
		return 2
	}
	return 1
}
