package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// A process is a peer that runs.
type process struct {
	cmd  *exec.Cmd
	out  chan string   // its lines on stdout; closed at their end
	done chan struct{} // closed when it has ended
	errs lastWords
}

// start runs a peer with flags behind its own.
func start(p *peer, flags ...string) (*process, error) {
	args := append(p.command(), flags...)
	pr := &process{cmd: exec.Command(args[0], args[1:]...), out: make(chan string, 1000), done: make(chan struct{})}
	pr.cmd.Stderr = &pr.errs
	// What kills a peer by its size must not take the machine along.
	pr.cmd.Env = append(os.Environ(), "GOMEMLIMIT=1GiB")
	out, err := pr.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := pr.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(pr.done)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			select {
			case pr.out <- lines.Text():
			default: // nobody listens to a server
			}
		}
		close(pr.out)
		io.Copy(io.Discard, out)
		pr.cmd.Wait()
	}()
	return pr, nil
}

// stop ends it.
func (pr *process) stop() {
	pr.cmd.Process.Kill()
	<-pr.done
}

func (pr *process) ended() bool {
	select {
	case <-pr.done:
		return true
	default:
		return false
	}
}

// said is why it ended, in its own words.
func (pr *process) said() string {
	if why := pr.errs.reason(); why != "" {
		return why
	}
	return pr.cmd.ProcessState.String()
}

// listening waits until something accepts at addr.
func (pr *process) listening(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var d net.Dialer
	for {
		c, err := d.DialContext(ctx, "tcp", addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-pr.done:
			return fmt.Errorf("it ended before it listened: %s", pr.said())
		case <-ctx.Done():
			return errors.New("it does not listen")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// lastWords keeps the beginning of each report of a death on stderr.
type lastWords struct {
	mu   sync.Mutex
	text []byte
}

func (l *lastWords) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if most := 256 << 10; len(l.text) > most {
		l.text = l.text[len(l.text)-most:]
	}
	return len(p), nil
}

func (l *lastWords) reason() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(string(l.text)) {
		for _, sign := range []string{"panic: ", "fatal error: ", "RangeError", "MemoryError"} {
			if strings.HasPrefix(line, sign) {
				return strings.TrimSpace(line)
			}
		}
	}
	return ""
}

// freePort returns a port at which nobody listens at the moment.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
