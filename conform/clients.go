package conform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Clients tests the clients that connect to it, by the scheme that test clients
// speak since long. A client asks for /getCaseCount, a text message with a
// number, then connects to /runCase?case=N&agent=NAME for each N from 1 on and
// returns every message as it came until the connection ends, and in the end
// connects to /updateReports?agent=NAME, which waits for those of its cases that
// still run: some are only over when the client has seen the end for a while.
// /getCaseInfo?case=N answers with a case's ID and title in JSON,
// /getCaseStatus?case=N&agent=NAME with the verdict.
//
// All fields are fixed before Serve is called.
type Clients struct {
	Cases   []*Case // those that test clients are used
	Options *Options

	// Reported is told an agent's results, in the order of the cases, when it asks
	// for /updateReports, before that connection ends. It may be called by several
	// goroutines at once.
	Reported func(agent string, results []Result)

	// Once: Serve returns nil after the first /updateReports, when that connection
	// has ended.
	Once bool

	mu      sync.Mutex // guards the following
	results map[string]map[string]Result
	keys    map[string]*keyring               // by agents
	running map[string]map[chan struct{}]bool // by agents; closed when a case is over

	progress sync.Mutex // held while Options.Progress is told
}

// maxAgents bounds how many names are remembered.
const maxAgents = 1000

// Serve accepts clients until ctx ends or the listener fails, and returns when all
// are gone. A TLS listener makes it a server for wss.
func (s *Clients) Serve(ctx context.Context, l net.Listener) error {
	o, cases := s.Options.filled(), For(s.Cases, ForClients)
	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		conn, err := l.Accept()
		if err != nil {
			switch cause := context.Cause(ctx); {
			case cause == errOnce:
				return nil
			case cause != nil:
				return cause
			}
			return err
		}
		wg.Go(func() { s.serve(ctx, conn, o, cases, func() { cancel(errOnce) }) })
	}
}

// errOnce ends a server that is to report once.
var errOnce = errors.New("reported")

// Agents returns the names of those of whom there are results, sorted.
func (s *Clients) Agents() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.results))
}

// Results returns what is known of an agent, in the order of the cases.
func (s *Clients) Results(agent string) []Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Result
	for _, c := range For(s.Cases, ForClients) {
		if r, ok := s.results[agent][c.ID]; ok {
			all = append(all, r)
		}
	}
	return all
}

func (s *Clients) keep(agent string, r Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.results == nil {
		s.results = make(map[string]map[string]Result)
	}
	if s.results[agent] == nil {
		if len(s.results) >= maxAgents {
			return
		}
		s.results[agent] = make(map[string]Result)
	}
	s.results[agent][r.ID] = r
}

// begin notes that a case of an agent runs, until over is called.
func (s *Clients) begin(agent string) (over func()) {
	done := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		s.running = make(map[string]map[chan struct{}]bool)
	}
	if s.running[agent] == nil {
		s.running[agent] = make(map[chan struct{}]bool)
	}
	s.running[agent][done] = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if delete(s.running[agent], done); len(s.running[agent]) == 0 {
			delete(s.running, agent)
		}
		close(done)
	}
}

// await waits for the cases of an agent that run now, but not as long as clients
// give handshakes.
func (s *Clients) await(ctx context.Context, agent string, o *Options) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout*o.scale()/2)
	defer cancel()
	s.mu.Lock()
	all := slices.Collect(maps.Keys(s.running[agent]))
	s.mu.Unlock()
	for _, done := range all {
		select {
		case <-done:
		case <-ctx.Done():
		}
	}
}

// ring is what is known of an agent's keys; nil where there are too many agents.
func (s *Clients) ring(agent string) *keyring {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = make(map[string]*keyring)
	}
	if s.keys[agent] == nil && len(s.keys) < maxAgents {
		s.keys[agent] = new(keyring)
	}
	return s.keys[agent]
}

// serve plays one connection's part. It calls end when Serve is to return.
func (s *Clients) serve(ctx context.Context, conn net.Conn, o *Options, cases []*Case, end func()) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { abort(conn) })
	defer stop()
	conn.SetReadDeadline(time.Now().Add(o.Timeout * o.scale()))
	head, rest, err := readHead(conn)
	if err != nil {
		return
	}
	conn.SetReadDeadline(time.Time{})
	path, agent, number, ok := asks(head)
	if !ok {
		return
	}
	keys := s.ring(agent)
	if m, err := parseMessage(head); err == nil && keys != nil {
		for _, key := range m.values("Sec-WebSocket-Key") {
			keys.add(key)
		}
	}
	at := func(c *Case) *session {
		session := newSession(ctx, c, o, nil, &unread{conn, rest}, false)
		session.ring = keys
		session.head <- head
		session.listen(false)
		return session
	}
	var reply string
	switch known := number >= 1 && number <= len(cases); {
	case path == "/getCaseCount":
		reply = strconv.Itoa(len(cases))
	case path == "/runCase" && known:
		over := s.begin(agent)
		defer over()
		r := at(cases[number-1]).result()
		if ctx.Err() != nil {
			return
		}
		s.keep(agent, r)
		if o.Progress != nil {
			s.progress.Lock()
			defer s.progress.Unlock()
			o.Progress(r)
		}
		return
	case path == "/getCaseInfo" && known:
		c := cases[number-1]
		info, _ := json.Marshal(struct { // of strings, which cannot fail
			ID          string `json:"id"`
			Description string `json:"description"`
		}{c.ID, c.Title})
		reply = string(info)
	case path == "/getCaseStatus" && known:
		s.mu.Lock()
		r, ok := s.results[agent][cases[number-1].ID]
		s.mu.Unlock()
		v := "NOT RUN"
		if ok {
			v = r.Verdict().String()
		}
		reply = fmt.Sprintf(`{"behavior":%q}`, v)
	case path == "/updateReports":
		s.await(ctx, agent, o)
		if s.Reported != nil {
			s.Reported(agent, s.Results(agent))
		}
	default:
		fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", http.StatusNotFound, http.StatusText(http.StatusNotFound))
		return
	}
	c := &Case{ID: path, Script: script{opens()}}
	if reply != "" {
		c.Script = script{opens(), send(text(reply))}
	}
	at(c).result()
	if path == "/updateReports" && s.Once {
		end()
	}
}

// asks reads what a client asks for in the first line of its request. A number
// that is none is 0.
func asks(head []byte) (path, agent string, number int, ok bool) {
	fields := strings.Fields(string(head[:firstLine(head)]))
	if len(fields) < 2 {
		return "", "", 0, false
	}
	u, err := url.ParseRequestURI(fields[1])
	if err != nil {
		return "", "", 0, false
	}
	q := u.Query()
	number, _ = strconv.Atoi(q.Get("case"))
	return u.Path, q.Get("agent"), number, true
}

// readHead reads up to the empty line; rest came behind it.
func readHead(conn net.Conn) (head, rest []byte, err error) {
	var p []byte
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		p = append(p, buf[:n]...)
		if i := bytes.Index(p, []byte("\r\n\r\n")); i >= 0 {
			return p[: i+4 : i+4], p[i+4:], nil
		}
		if err != nil || len(p) > 64<<10 {
			return nil, nil, errGone
		}
	}
}

// unread is a connection of which some bytes were read too early.
type unread struct {
	net.Conn
	rest []byte
}

func (u *unread) Read(p []byte) (int, error) {
	if len(u.rest) > 0 {
		n := copy(p, u.rest)
		u.rest = u.rest[n:]
		return n, nil
	}
	return u.Conn.Read(p)
}

// NetConn returns the connection underneath, as tls.Conn's does.
func (u *unread) NetConn() net.Conn { return u.Conn }

// CloseWrite ends our half of the stream, where it has halves.
func (u *unread) CloseWrite() error {
	if c, ok := u.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return fmt.Errorf("conform: %T has no half-close", u.Conn)
}
