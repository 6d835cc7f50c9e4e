// Command curlew runs WebSocket sites and talks to WebSocket servers.
//
//	curlew serve [FILE] [--listen ADDR]...   run a site; without a file, the demo
//	curlew check FILE                        say what is wrong with a site file
//	curlew explain FILE URL                  say which route answers, and its settings
//	curlew convert FILE                      make a site file of another server's configuration
//	curlew schema                            a JSON schema of site files, for editors
//	curlew connect URL                       talk to a WebSocket server
//	curlew hub URL subscribe CHANNEL...      hear what a hub's channels say
//	curlew hub URL publish CHANNEL [DATA]    say something in one
//	curlew hub URL presence CHANNEL          say who is there
//	curlew hub URL history CHANNEL           show what was said
//	curlew hub URL top                       show what goes on in the hub
//	curlew conform server URL [CASE]...      test a server for conformance
//	curlew conform client ADDR [CASE]...     test the clients that come
//	curlew conform report FILE...            show several results side by side
//	curlew conform diff BEFORE AFTER         say what changed between two results
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
	Serve   serve       `cmd:""`
	Check   check       `cmd:""`
	Explain explanation `cmd:""`
	Convert conversion  `cmd:""`
	Schema  schema      `cmd:""`
	Connect connect     `cmd:""`
	Hub     hubCommands `cmd:""`
	Conform conformance `cmd:""`
	Version version     `cmd:""`
}

// A Program is one run of the command: its streams. Tests start it with theirs.
type Program struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

func main() {
	// A reader of ours that went away is an error of Write, not the end. The signal
	// is not ignored, as the programs of exec would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	p := &Program{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends at once
	os.Exit(p.Run(ctx, os.Args[1:]))
}

// wrongUsage is an error about how the command was called.
type wrongUsage struct{ error }

var (
	errSaid        = errors.New("failed") // and told already
	errInterrupted = errors.New("interrupted")
)

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
	parsed, err := k.Parse(usual(args))
	if exit != nil { // help was asked for and given
		return *exit
	}
	if err != nil {
		fmt.Fprintln(p.Stderr, "curlew:", printable(mistyped(err)))
		return 2
	}
	err = parsed.Run()
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSaid):
		return 1
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = errInterrupted
	}
	fmt.Fprintf(p.Stderr, "curlew: %s\n", printable(plain(err)))
	if errors.As(err, new(wrongUsage)) {
		return 2
	}
	return 1
}

// plain is the text of an error without the name of the package that it is from.
func plain(err error) string {
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "curlew: "), "conform: ")
}

// usual puts our words in the place of others that people try.
func usual(args []string) []string {
	switch args[0] {
	case "help":
		return append(args[1:len(args):len(args)], "--help")
	case "--version":
		return append([]string{"version"}, args[1:]...)
	case "conform":
		return withoutMinus(args)
	case "hub":
		return urlBehind(args)
	}
	return args
}

// mistyped says what kong found wrong in our words, and where there is help.
func mistyped(err error) string {
	text, command := err.Error(), ""
	if e := (*kong.ParseError)(nil); errors.As(err, &e) && e.Context.Selected() != nil {
		command = e.Context.Selected().Path() + " "
	}
	if what, ok := strings.CutPrefix(text, `expected "<`); ok {
		what, _, _ = strings.Cut(what, ">") // perhaps more of them may follow
		text = strings.ToUpper(what) + " is missing"
	}
	return text + " (see curlew " + command + "--help)"
}

// awaited calls f and returns what it does, or nothing when ctx is done first:
// the file that f reads may be a pipe.
func awaited[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return *new(T), ctx.Err()
	}
}
