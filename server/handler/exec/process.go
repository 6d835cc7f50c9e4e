package exec

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"curlew.example/curlew"
)

const (
	// farewell is how long a program has to end by itself when its input has
	// ended, before it gets a signal.
	farewell = 100 * time.Millisecond

	// linger is how long, once a program and what it has started are gone, more
	// output is waited for in all: of something that has left its process group.
	linger = time.Second

	// afterwards is how much of that is passed on, at most: what a pipe may hold.
	afterwards = 1 << 20
)

// A process is the program of one connection.
type process struct {
	h       *handler
	cmd     *exec.Cmd
	name    string // for the log
	release func() // gives the place back

	stdin, stdout, stderr *os.File // our ends

	exited chan struct{} // closed when the program has been waited for
	read   chan struct{} // closed when its output has been passed on, as far as possible
	left   chan struct{} // closed by the event Close
	failed chan struct{} // closed by fail
	once   sync.Once     // of failed

	late   atomic.Bool   // the program is gone: see linger
	beyond int           // bytes read since; output's
	waited time.Duration // for them; output's

	scratch []byte       // a message for the program; message's
	giving  atomic.Bool  // it is being written to
	given   atomic.Int64 // bytes that it has taken
}

// start starts the program. release is called when it and what it has started are
// gone.
func (h *handler) start(file, name string, env []string, release func()) (*process, error) {
	p := &process{
		h: h, name: name, release: release,
		exited: make(chan struct{}), read: make(chan struct{}), left: make(chan struct{}), failed: make(chan struct{}),
		cmd: &exec.Cmd{
			Path: file, Args: append([]string{name}, h.settings.Command.Value[1:]...), Env: env, Dir: h.command.directory,
		},
	}
	separate(p.cmd, h.command.as)
	var theirs [3]*os.File
	err := pipes(&theirs, &p.stdin, &p.stdout, &p.stderr)
	if err == nil {
		p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = theirs[0], theirs[1], theirs[2]
		err = p.cmd.Start()
	}
	for _, f := range theirs {
		f.Close() // nil is an error
	}
	if err != nil {
		for _, f := range []*os.File{p.stdin, p.stdout, p.stderr} {
			f.Close()
		}
		return nil, err
	}
	h.processes.places.says()
	go func() {
		defer h.processes.places.said()
		p.errors()
	}()
	go func() {
		p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// pipes makes a program's ends of three pipes, and ours.
func pipes(theirs *[3]*os.File, stdin, stdout, stderr **os.File) (err error) {
	if theirs[0], *stdin, err = os.Pipe(); err != nil {
		return err
	}
	if *stdout, theirs[1], err = os.Pipe(); err != nil {
		return err
	}
	*stderr, theirs[2], err = os.Pipe()
	return err
}

// opened is the event Open.
func (p *process) opened(c *curlew.Conn) {
	go p.output(c)
	go p.run(c)
}

// closed is the event Close.
func (p *process) closed(*curlew.Conn, *curlew.CloseError) { close(p.left) }

// fail closes the connection and ends the program.
func (p *process) fail(c *curlew.Conn, code curlew.Code, reason string) {
	c.Close(code, reason)
	p.once.Do(func() { close(p.failed) })
}

// run sees to the end of the program, of its connection, and of what both need.
func (p *process) run(c *curlew.Conn) {
	natural := false
	select {
	case <-p.exited:
		natural = true
		p.sweep(time.Now().Add(p.killAfter()))
	case <-p.failed:
		p.end()
	case <-c.Done():
		p.hearOut()
		p.end()
	}
	p.stdin.Close()
	p.late.Store(true)
	for _, f := range []*os.File{p.stdout, p.stderr} {
		if f.SetReadDeadline(time.Now().Add(linger)) != nil { // no such thing on this system
			time.AfterFunc(linger, func() { f.Close() })
		}
	}
	p.release()
	if natural {
		<-p.read
		p.conclude(c)
	}
	p.stdout.Close()
}

// conclude ends the connection of a program that has ended by itself.
func (p *process) conclude(c *curlew.Conn) {
	state := p.cmd.ProcessState
	switch {
	case state == nil: // somebody else has waited for it
		c.Close(curlew.InternalError, "")
	case state.Success():
		c.Close(curlew.NormalClosure, "")
	default:
		p.say(slog.LevelWarn, "exec: a program has failed", "status", state.String())
		c.Close(curlew.InternalError, state.String())
	}
}

func (p *process) killAfter() time.Duration { return p.h.settings.KillAfter.Value }

// hearOut lets the program read what the client said before it left, as long as it
// does read; and waits for what is yet to be given to it, however busy we are.
func (p *process) hearOut() {
	limit := time.Now().Add(p.killAfter())
	for last := p.given.Load(); !p.await(p.left, farewell) && time.Now().Before(limit); {
		n := p.given.Load()
		if n == last && p.giving.Load() {
			return
		}
		last = n
	}
}

// end ends the program, which runs or has just ended: first by the end of its
// input, then by signals.
func (p *process) end() {
	p.stdin.Close()
	p.stdout.Close()
	g := groupOf(p.cmd)
	limit := time.Now().Add(p.killAfter())
	if !p.await(p.exited, farewell) {
		limit = time.Now().Add(p.killAfter())
		g.terminate()
		if !p.await(p.exited, p.killAfter()) {
			g.kill()
			<-p.exited
		}
	}
	p.sweep(limit)
}

// sweep ends what a program that has ended has left behind in its group.
func (p *process) sweep(limit time.Time) {
	g := groupOf(p.cmd)
	if !g.alive() {
		return
	}
	p.stdin.Close()
	g.terminate()
	tick := time.NewTicker(farewell / 10)
	defer tick.Stop()
	for {
		switch {
		case !g.alive():
			return
		case !time.Now().Before(limit):
			g.kill()
			return
		}
		<-tick.C
	}
}

// await reports whether c is closed within the time d.
func (p *process) await(c <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c:
		return true
	case <-t.C:
		return false
	}
}

// maxScratch is up to which size a message is put together with what separates it
// from the next one, to be written at once.
const maxScratch = 64 << 10

// message is the event Message. A program that does not read makes the client
// wait.
func (p *process) message(c *curlew.Conn, t curlew.Type, b []byte) {
	if t == curlew.Binary && p.h.input == curlew.Text {
		p.fail(c, curlew.UnsupportedData, "text only")
		return
	}
	lengths := p.h.settings.Mode.Value == "lengths"
	if rest, ok := bytes.CutSuffix(b, []byte("\n")); ok && !lengths {
		b = bytes.TrimSuffix(rest, []byte("\r"))
	}
	switch {
	case len(b) > p.h.line:
		p.fail(c, curlew.MessageTooBig, "")
		return
	case !lengths && bytes.IndexByte(b, '\n') >= 0:
		p.fail(c, curlew.InvalidPayload, "line break inside a message")
		return
	}
	p.scratch = p.scratch[:0]
	if lengths {
		p.scratch = binary.BigEndian.AppendUint32(p.scratch, uint32(len(b)))
	}
	large := len(b) > maxScratch
	if !large {
		p.scratch = append(p.scratch, b...)
	} else if lengths {
		p.give(p.scratch)
		p.scratch = p.scratch[:0]
	}
	if large {
		p.give(b)
	}
	if !lengths {
		p.scratch = append(p.scratch, '\n')
	}
	p.give(p.scratch)
}

// give writes to the program. If that fails the program does not want it, or has
// ended.
func (p *process) give(b []byte) {
	if len(b) > 0 {
		p.giving.Store(true)
		n, _ := p.stdin.Write(b)
		p.given.Add(int64(n))
		p.giving.Store(false)
	}
}

// output passes on what the program writes. A client that does not read makes the
// program wait.
func (p *process) output(c *curlew.Conn) {
	defer close(p.read)
	s := splitter{lengths: p.h.settings.Mode.Value == "lengths", most: p.h.line, text: p.h.output == curlew.Text}
	err := s.split(reader{p}, func(b []byte) error { return send(c, p.h.output, b) })
	switch {
	case err == nil, c.Err() != nil:
	case errors.Is(err, curlew.ErrInvalidUTF8):
		p.say(slog.LevelWarn, "exec: a program has written a text that is not UTF-8")
		p.fail(c, curlew.InternalError, "output is not UTF-8")
	case err == errLong:
		p.say(slog.LevelWarn, "exec: a program has written a message longer than maxLine")
		p.fail(c, curlew.InternalError, "output too long")
	case err == errPartial:
		p.say(slog.LevelWarn, "exec: the output of a program ends inside a message")
		p.fail(c, curlew.InternalError, "output incomplete")
	default:
		p.fail(c, curlew.InternalError, "")
	}
}

// send sends a message: at once with others if the queue has room, else it waits
// until the stream has taken it. Larger ones than may be sent whole go in pieces.
func send(c *curlew.Conn, t curlew.Type, b []byte) error {
	err := c.Send(t, b)
	switch {
	case errors.Is(err, curlew.ErrQueueFull):
		err = c.Write(context.Background(), t, b)
	case errors.Is(err, curlew.ErrTooBig):
		var w *curlew.Writer
		if w, err = c.Writer(context.Background(), t); err == nil {
			if _, err = w.Write(b); err == nil {
				err = w.Close()
			}
		}
	}
	return err
}

// A reader reads the output of a program.
type reader struct{ p *process }

func (r reader) Read(b []byte) (int, error) {
	p := r.p
	if !p.late.Load() {
		return p.stdout.Read(b)
	}
	if p.beyond >= afterwards || p.waited >= linger {
		return 0, io.EOF
	}
	began := time.Now()
	p.stdout.SetReadDeadline(began.Add(linger - p.waited))
	n, err := p.stdout.Read(b)
	p.beyond += n
	p.waited += time.Since(began)
	return n, err
}
