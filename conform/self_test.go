package conform

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew/internal/core"
	"curlew.example/curlew/wstest"
)

// rightly are the results that are not OK for ourselves, with the reasons. Nothing
// else may be anything but OK.
var rightly = []allowance{
	{Unimplemented, "plain*,preserved*,frames of 1", ForBoth, "12 13 14", "no compression is set"},
	{Unimplemented, "machine", ForBoth, "8 12 13 14 15.1 15.2 16.1.5 16.6.1", "it has no handshake, and so no extension"},
	{Informational, "*", ForServers, "8.4.15", "a handshake has no body to wait for with Expect"},
	{Informational, "*", ForServers, "8.5.4", "there is no HTTP/1.2 whose handshake is known"},
	{Informational, "*", ForServers, "8.11.9 8.11.10 8.21", "whom to serve, and limits, are net/http's business and the application's: here anybody, and 1 MiB"},
	{Informational, "*", ForServers, "8.19.6 8.19.7 8.19.8 8.19.11", "net/http repairs folded lines and lines that end in LF, as RFC 9112 allows"},
	{Informational, "*", ForServers, "8.24.9", "RFC 6455, 4.1, has no empty members among subprotocols"},
	{Unimplemented, "plain,compressed,no takeover,takeover*,level*,window*,frames*,packets*,preserved*,read*,machine,ws *", ForBoth, "15.6", "there is no TLS"},
	{Informational, "machine", ForBoth, "16.9", "it knows no time"},
	{Informational, "*", ForBoth, "15.3", "a stream that has ended in one direction has ended: RFC 6455 knows no half"},
	{Informational, "*", ForBoth, "16.8.2 16.8.3", "who waits in Write while a Close comes is told so: the peer is done with the connection"},
	{Informational, "*", ForClients, "8.55.6", "net/http drops the space between a name and its colon in answers"},
	{Informational, "*", ForBoth, "2.16.1 2.16.2", "in a flood of pings the newest stands for those before it (RFC 6455, 5.5.3)"},
	{Unimplemented, "compressed", ForBoth, "13.16 13.18", "no context takeover is set"},
	{Unimplemented, "takeover server", ForServers, "13.16 13.18", "no context takeover of clients is set"},
	{Unimplemented, "window of 10 bits", ForClients, "13.16 13.18", "no context takeover of servers is set"},
	{Unimplemented, "window of*", ForClients, "13.32.7", "a larger window than was asked for cannot be answered"},
	{Informational, "*", ForClients, "13.31", "what the case is about is not offered, or nothing smaller is asked for"},
}

// Every case is OK for every way to use the library, in memory. They all meet where
// pools check what is given back, with -tags invariants; elsewhere the ways share the
// cases.
func TestOurServer(t *testing.T) { inBubbles(t, ForServers, (*subject).testServer) }
func TestOurClient(t *testing.T) { inBubbles(t, ForClients, (*subject).testClient) }

func inBubbles(t *testing.T, role Roles, test testOf) {
	for i := range subjects {
		sub := &subjects[i]
		t.Run(sub.name, func(t *testing.T) {
			t.Parallel()
			cases := sub.cases(i, !underRace && underInvariants)
			synctest.Test(t, func(t *testing.T) {
				judge(t, sub.name, role, cases, test(sub, t, inMemory(), cases, nil))
				time.Sleep(time.Minute) // whatever ends late
			})
		})
	}
}

// testOf is testServer or testClient.
type testOf = func(*subject, *testing.T, place, []*Case, *Options) []Result

// The same over the streams that are used in earnest: all cases without
// the race detector and such checks, elsewhere some.
func TestOurServerOverSockets(t *testing.T) { overSockets(t, ForServers, (*subject).testServer) }
func TestOurClientOverSockets(t *testing.T) { overSockets(t, ForClients, (*subject).testClient) }

func overSockets(t *testing.T, role Roles, test testOf) {
	for i, v := range []struct{ scheme, subject string }{
		{"ws", "plain"}, {"ws", "frames of 100"}, {"ws", "reader and writer"}, {"wss", "takeover"}, {"wss", "read and write"},
	} {
		t.Run(v.scheme+"/"+v.subject, func(t *testing.T) {
			p := overTCP(t)
			if v.scheme == "wss" {
				p = secured(p)
			}
			sub := subjectNamed(v.subject)
			cases := sub.cases(i, !underRace && !underInvariants)
			o := &Options{Patience: time.Second, Scale: 3, Parallel: 32} // an end or a pong may take a while on a busy machine
			judge(t, sub.name, role, cases, test(sub, t, p, cases, o))
		})
	}
}

func subjectNamed(name string) *subject {
	for i := range subjects {
		if subjects[i].name == name {
			return &subjects[i]
		}
	}
	panic("no subject is called " + name)
}

// The state machine alone, below everything that knows of time and streams.
func TestMachine(t *testing.T) {
	for _, v := range []struct {
		name string
		role Roles
	}{{"server", ForServers}, {"client", ForClients}} {
		t.Run(v.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cases := light(allCases())
				judge(t, "machine", v.role, cases, testBare(t, For(cases, v.role), v.role))
			})
		})
	}
}

// testBare runs cases without handshakes against Machines.
func testBare(t *testing.T, cases []*Case, role Roles) []Result {
	var machines sync.WaitGroup
	target := &Target{Bare: true, Host: "example.com", Path: "/", Dial: func(context.Context) (net.Conn, error) {
		ours, theirs := wstest.NewLink(nil)
		machines.Go(func() { runMachine(theirs, role == ForServers) })
		return ours, nil
	}}
	o := (*Options)(nil).filled()
	var results []Result
	for _, c := range cases {
		conn, _ := target.Dial(t.Context())
		results = append(results, newSession(t.Context(), c, o, target, conn, role == ForServers).result())
	}
	machines.Wait()
	return results
}

// runMachine is the smallest driver there can be: it echoes until the end.
func runMachine(conn *wstest.End, server bool) {
	defer conn.Close()
	m := core.NewMachine(core.Config{Server: server, MaxMessage: large, MaxFragments: countless, CheckUTF8: true})
	var first core.Event
	var message []byte
	buf := make([]byte, 4096)
	for !m.Done() {
		n, err := conn.Read(buf)
		m.Feed(buf[:n], func(ev *core.Event) {
			if ev.Kind != core.Data {
				return
			}
			if ev.First {
				first, message = *ev, message[:0]
			}
			if message = append(message, ev.Payload...); ev.Last {
				m.Send(first.Opcode, message)
			}
		})
		if _, failed := conn.Write(m.Output()); err != nil || failed != nil {
			return
		}
	}
	if server { // it ends TCP first, RFC 6455, 7.1.1
		conn.CloseWrite()
	}
	conn.SetReadDeadline(time.Now().Add(time.Minute))
	for {
		if _, err := conn.Read(buf); err != nil {
			return
		}
	}
}
