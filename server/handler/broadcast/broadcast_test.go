package broadcast

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/wstest"
)

// A house is a site in memory whose routes are broadcast's.
type house struct {
	t       *testing.T
	rooms   *Rooms
	network *wstest.Network

	mu   sync.Mutex
	ends map[net.Conn]*wstest.End // the server's, by the client's
}

// open runs the routes of a site file, in the bubble of the test.
func open(t *testing.T, routes string) *house {
	t.Helper()
	h := &house{t: t, rooms: new(Rooms), ends: make(map[net.Conn]*wstest.End)}
	h.network = wstest.NewNetwork(&wstest.NetworkOptions{Link: wstest.LinkOptions{Buffer: 1000}, Dialed: func(client, server *wstest.End) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.ends[client] = server
	}})
	h.serve("site:80", routes)
	return h
}

// serve runs routes at another address of the house, with the same rooms: what a
// reload does.
func (h *house) serve(address, routes string) {
	h.t.Helper()
	s, err := config.Parse("site.json5", []byte("{ routes: ["+routes+"] }"))
	if err != nil {
		h.t.Fatal(err)
	}
	table := new(route.Table)
	for _, r := range s.Routes {
		handler, err := h.rooms.New(r, func(f func(*http.Request) (*curlew.Events, error)) http.Handler {
			return curlew.Handle(config.Options(r), f)
		})
		if err == nil {
			err = table.Add(r, handler)
		}
		if err != nil {
			h.t.Fatal(err)
		}
	}
	server := &http.Server{Handler: table}
	l := h.network.Listen(address)
	go server.Serve(l)
	h.t.Cleanup(func() { server.Close() })
}

func (h *house) connect(address string) net.Conn {
	h.t.Helper()
	c, err := h.network.DialContext(h.t.Context(), "tcp", address)
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

// enter returns a member of the room at path, who is in when it returns.
func (h *house) enter(path string, header ...http.Header) *wstest.Peer {
	h.t.Helper()
	p, _ := wstest.Open(h.t, h.connect("site:80"), path, append(header, nil)[0])
	synctest.Wait()
	return p
}

// stall makes the server wait to send to p, or lets it.
func (h *house) stall(p *wstest.Peer, on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ends[p.Conn()].Stall(on)
}

// leave ends p's membership in order.
func (h *house) leave(p *wstest.Peer) {
	h.t.Helper()
	p.Send(wstest.Close(curlew.NormalClosure, ""))
	p.WantClose("the answer", curlew.NormalClosure, "")
	synctest.Wait()
}

const plain = `{ match: '/rooms/{room}', handler: 'broadcast' }`

// bubble runs f in a bubble of testing/synctest.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func TestEveryone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, plain)
		a, b, c := h.enter("/rooms/1"), h.enter("/rooms/1?as=b"), h.enter("/rooms/2")
		a.Send(wstest.More(wstest.Text("he")), wstest.Cont("llo"))
		a.Want("one's own message", wstest.Text("hello"))
		b.Want("somebody's message", wstest.Text("hello"))
		b.Send(wstest.Binary([]byte{0, 255}), wstest.Text(""))
		a.Want("types as they were, and an empty message", wstest.Binary([]byte{0, 255}), wstest.Text(""))
		b.Want("the same", wstest.Binary([]byte{0, 255}), wstest.Text(""))
		c.WantIdle("another room hears nothing")
		h.leave(b)
		a.Send(wstest.Text("alone"))
		a.Want("alone", wstest.Text("alone"))
	})
}

func TestNoEcho(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, `{ match: '/rooms/{room}', handler: 'broadcast', broadcast: { echo: false } }`)
		a, b, c := h.enter("/rooms/1"), h.enter("/rooms/1"), h.enter("/rooms/1")
		a.Send(wstest.Text("hello"))
		b.Want("somebody's message", wstest.Text("hello"))
		c.Want("somebody's message", wstest.Text("hello"))
		a.WantIdle("not one's own")
	})
}

// TestRoomsByPath: what is one room and what is not.
func TestRoomsByPath(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, `
			{ match: '/rooms/', hosts: 'a.example', handler: 'broadcast' },
			{ match: '/rooms/', hosts: ['b.example', 'c.example'], handler: 'broadcast' },
			{ pattern: '/p/{room}', handler: 'broadcast' },
			{ match: '/rooms/', handler: 'broadcast' }`)
		a := h.enter("http://a.example/rooms/a")
		for url, same := range map[string]bool{
			"http://a.example/rooms/a": true, "http://A.example:80/rooms/%61?x": true, "http://a.example/rooms/a/": false,
			"http://a.example/rooms/A": false, "http://a.example/rooms//a": false, "http://b.example/rooms/a": false, "http://d.example/rooms/a": false,
		} {
			b := h.enter(url)
			b.Send(wstest.Text(url))
			b.Want("the echo", wstest.Text(url))
			if same {
				a.Want("in the same room", wstest.Text(url))
			} else {
				a.WantIdle("another room: " + url)
			}
			h.leave(b)
		}
		slash := h.enter("http://d.example/rooms/x%2Fy")
		for _, url := range []string{"http://d.example/rooms/x/y", "http://d.example/rooms/x%252Fy", "http://d.example/p/x"} {
			b := h.enter(url)
			b.Send(wstest.Text(url))
			slash.WantIdle("an escaped slash divides nothing: " + url)
		}
		b := h.enter("http://d.example/rooms/x%2fy")
		b.Send(wstest.Text("here"))
		slash.Want("escaped in lower case", wstest.Text("here"))
		b, c := h.enter("http://b.example/rooms/x"), h.enter("http://c.example/rooms/x")
		b.Send(wstest.Text("one route"))
		c.Want("hosts of one route", wstest.Text("one route"))
	})
}

// An event is an announcement.
type event struct {
	Event, ID string
	Count     int
}

// announced reads an announcement, whose text is exactly as the contract says.
func announced(t *testing.T, p *wstest.Peer, why string) event {
	t.Helper()
	f := p.Next(why)
	var e event
	if err := json.Unmarshal(f.Payload, &e); err != nil || f.Opcode != frame.Text || !f.Fin {
		t.Fatalf("%s: %v: %v", why, f, err)
	}
	if want := fmt.Sprintf(`{"event":"%s","id":"%s","count":%d}`, e.Event, e.ID, e.Count); string(f.Payload) != want || e.ID == "" {
		t.Fatalf("%s: %s, not %s", why, f.Payload, want)
	}
	return e
}

func TestAnnounce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, `{ match: '/rooms/{room}', handler: 'broadcast', broadcast: { announce: true } }`)
		a := h.enter("/rooms/1")
		b := h.enter("/rooms/1")
		joined := announced(t, a, "b comes")
		if joined.Event != "join" || joined.Count != 2 {
			t.Errorf("%+v", joined)
		}
		c := h.enter("/rooms/1")
		third := announced(t, a, "c comes")
		if got := announced(t, b, "c comes"); got != third || got.Event != "join" || got.Count != 3 || got.ID == joined.ID {
			t.Errorf("%+v, %+v", got, third)
		}
		h.enter("/rooms/2")
		c.WantIdle("who joins is not told of it, nor of other rooms")
		h.leave(b)
		for who, p := range map[string]*wstest.Peer{"a": a, "c": c} {
			if got, want := announced(t, p, "b goes"), (event{"leave", joined.ID, 2}); got != want {
				t.Errorf("%s: %+v, want %+v", who, got, want)
			}
		}
		c.Close() // no Close frame
		if got, want := announced(t, a, "c is lost"), (event{"leave", third.ID, 1}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		a.WantIdle("that is all")
	})
}

func TestNoAnnounce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, plain)
		a := h.enter("/rooms/1")
		h.leave(h.enter("/rooms/1"))
		a.WantIdle("nobody is announced by default")
	})
}

// TestHB1_RoomsAreFreed: a room goes with the last of it, in whatever order they
// come and go, and nobody is left in it.
func TestHB1_RoomsAreFreed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, `{ match: '/rooms/', handler: 'broadcast', broadcast: { announce: true } }`)
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				for j := range 50 {
					c, err := curlew.Dial(t.Context(), fmt.Sprintf("ws://site:80/rooms/%d", (i+j)%7), &curlew.DialOptions{DialContext: h.network.DialContext})
					if err != nil {
						t.Error(err)
						return
					}
					c.Write(t.Context(), curlew.Text, []byte("hello"))
					for {
						_, p, err := c.Read(t.Context(), nil)
						if err != nil {
							t.Error(err)
							return
						}
						if string(p) == "hello" {
							break
						}
					}
					if j%2 == 0 {
						c.Close(curlew.NormalClosure, "")
					} else {
						c.Abort(nil)
					}
					<-c.Done()
				}
			})
		}
		all.Wait()
		synctest.Wait()
		if n := h.rooms.number(); n != 0 || h.rooms.open != nil {
			t.Errorf("%d rooms are left", n)
		}
		p := h.enter("/rooms/1")
		if n := h.rooms.number(); n != 1 {
			t.Errorf("%d rooms", n)
		}
		p.Close()
		synctest.Wait()
		if n := h.rooms.number(); n != 0 {
			t.Errorf("%d rooms are left", n)
		}
	})
}

// TestOrder: all of a room get the same in the same order, whoever sends.
func TestOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const senders, messages = 5, 200
		h := open(t, `{ match: '/rooms/{room}', handler: 'broadcast', limits: { sendQueue: 'unlimited' } }`)
		var members []*curlew.Conn
		for range senders {
			c, err := curlew.Dial(t.Context(), "ws://site:80/rooms/1", &curlew.DialOptions{DialContext: h.network.DialContext})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Abort(nil)
			members = append(members, c)
		}
		synctest.Wait()
		heard := make([][]string, senders)
		var all sync.WaitGroup
		for i, c := range members {
			all.Go(func() {
				for n := range messages {
					c.Write(context.Background(), curlew.Text, fmt.Appendf(nil, "%d %d", i, n))
				}
			})
			all.Go(func() {
				for range senders * messages {
					_, p, err := c.Read(context.Background(), nil)
					if err != nil {
						t.Error(err)
						return
					}
					heard[i] = append(heard[i], string(p))
				}
			})
		}
		all.Wait()
		for i := range members {
			if a, b := strings.Join(heard[0], ","), strings.Join(heard[i], ","); a != b {
				t.Errorf("0 and %d heard in different orders", i)
			}
		}
		next := make([]int, senders)
		for _, s := range heard[0] {
			var from, n int
			fmt.Sscanf(s, "%d %d", &from, &n)
			if n != next[from] {
				t.Fatalf("of %d came %d, not %d", from, n, next[from])
			}
			next[from]++
		}
	})
}

// TestSL1_WhenFull: a member who takes nothing costs its queue and no more, is
// treated as the route says, and nobody waits for it.
func TestSL1_WhenFull(t *testing.T) {
	const size, queue = 1000, 10_000
	for policy, check := range map[string]func(t *testing.T, got []int, closed frame.Code){
		"close": func(t *testing.T, _ []int, closed frame.Code) {
			if closed != curlew.PolicyViolation {
				t.Errorf("closed with %v", closed)
			}
		},
		"dropOldest": func(t *testing.T, got []int, closed frame.Code) {
			if n := len(got); closed != 0 || n < 8 || n > 15 || got[n-1] != 99 {
				t.Errorf("got %v, closed %v", got, closed)
			}
		},
		"dropNewest": func(t *testing.T, got []int, closed frame.Code) {
			if n := len(got); closed != 0 || n < 8 || n > 15 || got[0] != 0 || got[n-1] != n-1 {
				t.Errorf("got %v, closed %v", got, closed)
			}
		},
	} {
		t.Run(policy, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := open(t, fmt.Sprintf(`{ match: '/rooms/{room}', handler: 'broadcast', limits: { sendQueue: %d },
					timeouts: { write: 'never', inactivity: 'never' }, webSockets: { ping: 'never', whenFull: '%s' } }`, queue, policy))
				slow, quick, sender := h.enter("/rooms/1"), h.enter("/rooms/1"), h.enter("/rooms/1")
				h.stall(slow, true)
				for i := range 100 {
					message := wstest.Text(fmt.Sprintf("%*d", size, i))
					sender.Send(message)
					sender.Want("the echo", message)
					quick.Want("does not wait for the slow one", message)
				}
				h.stall(slow, false)
				var got []int
				for {
					if policy != "close" && len(got) > 0 {
						synctest.Wait()
						if h.end(slow).Unread() == 0 {
							break
						}
					}
					f := slow.Next("what was kept")
					if f.Opcode == frame.Close {
						code, _, _ := frame.ParseClose(f.Payload)
						check(t, got, code)
						return
					}
					var n int
					fmt.Sscan(string(f.Payload), &n)
					got = append(got, n)
				}
				check(t, got, 0)
				sender.Send(wstest.Text("again"))
				slow.Want("who was slow goes on", wstest.Text("again"))
			})
		})
	}
}

// end returns p's own end.
func (h *house) end(p *wstest.Peer) *wstest.End { return p.Conn().(*wstest.End) }

// TestSL4_Stalled: members who take nothing cost the others nothing, and the sender
// neither, until they are dropped: everything comes at the instant when it was sent.
func TestSL4_Stalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const members, stalled, messages = 300, 3, 50
		h := open(t, `{ match: '/rooms/{room}', handler: 'broadcast', webSockets: { ping: 'never' } }`)
		sender := h.enter("/rooms/1")
		var slow, quick []*wstest.Peer
		for i := range members {
			p := h.enter("/rooms/1")
			if i%(members/stalled) == 0 {
				h.stall(p, true)
				slow = append(slow, p)
				continue
			}
			quick = append(quick, p)
		}
		for i := range messages {
			message := wstest.Text(fmt.Sprintf("%4000d", i))
			began := time.Now()
			sender.Send(message)
			sender.Want("the echo", message)
			for _, p := range quick {
				p.Want("at once", message)
			}
			if d := time.Since(began); d != 0 {
				t.Fatalf("message %d took %v", i, d)
			}
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		for _, p := range slow {
			h.stall(p, false)
			if n := h.end(p).Unread(); n > 2000 {
				t.Errorf("%d bytes wait for one that was stalled", n)
			}
		}
		h.rooms.mu.Lock()
		n := 0
		for _, r := range h.rooms.open {
			n += r.users
		}
		h.rooms.mu.Unlock()
		if n != members-stalled+1 {
			t.Errorf("%d members are left", n)
		}
	})
}

// TestSL1_DroppedInTime: who takes nothing for the time of timeouts.write is gone,
// and the others are told.
func TestSL1_DroppedInTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, `{ match: '/rooms/{room}', handler: 'broadcast', broadcast: { announce: true }, timeouts: { write: '3 s' } }`)
		other := h.enter("/rooms/1")
		slow := h.enter("/rooms/1")
		id := announced(t, other, "the slow one comes").ID
		h.stall(slow, true)
		long := wstest.Text(strings.Repeat("x", 10_000))
		other.Send(long)
		other.Want("the echo", long)
		began := time.Now()
		if got := announced(t, other, "it is dropped"); got != (event{"leave", id, 1}) {
			t.Errorf("%+v", got)
		}
		if d := time.Since(began); d < 3*time.Second || d > 3300*time.Millisecond {
			t.Errorf("after %v", d)
		}
	})
}

// TestPreparedOnce: a message is compressed for those who want it so, plain for
// the others, in frames of the route.
func TestPreparedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, `{ match: '/rooms/{room}', handler: 'broadcast', limits: { maxFrame: 700 }, webSockets: { compression: true } }`)
		offer := http.Header{"Sec-Websocket-Extensions": {"permessage-deflate"}}
		packed, packed2, whole := h.enter("/rooms/1", offer), h.enter("/rooms/1", offer), h.enter("/rooms/1")
		text := strings.Repeat("hello ", 200)
		whole.Send(wstest.Text(text))
		whole.Want("two frames", wstest.More(wstest.Text(text[:700])), wstest.Cont(text[700:]))
		f, f2 := packed.Next("compressed"), packed2.Next("compressed")
		if f.RSV != frame.RSV1 || len(f.Payload) > 100 || !bytes.Equal(f.Payload, f2.Payload) {
			t.Errorf("%v, %v", f, f2)
		}
	})
}

// TestFrames: with webSockets.preserveFrames a message leaves whole, as one frame,
// as those of several senders must not mix.
func TestFrames(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, `{ match: '/rooms/{room}', handler: 'broadcast', limits: { maxFrame: 4, maxPacket: 4 }, webSockets: { preserveFrames: true } }`)
		a, b := h.enter("/rooms/1"), h.enter("/rooms/1")
		a.Send(wstest.More(wstest.Text("one ")))
		b.Send(wstest.Text("two"))
		a.Want("b's", wstest.Text("two"))
		a.Send(wstest.Cont("and a half"))
		b.Want("each at once", wstest.Text("two"), wstest.Text("one and a half"))
	})
}

// TestReload: who comes by a new generation of the site finds who came by the old
// one; each keeps the settings of its own.
func TestReload(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, plain)
		old := h.enter("/rooms/1")
		h.serve("new:80", `{ match: '/rooms/{name}', handler: 'broadcast', broadcast: { echo: false } }`)
		late, _ := wstest.Open(t, h.connect("new:80"), "/rooms/1", nil)
		synctest.Wait()
		late.Send(wstest.Text("hello"))
		old.Want("of the new one", wstest.Text("hello"))
		late.WantIdle("no echo there")
		old.Send(wstest.Text("hi"))
		old.Want("echo here", wstest.Text("hi"))
		late.Want("of the old one", wstest.Text("hi"))
	})
}

// TestMembers: a room forgets nobody, whoever goes. That it does not stay large is
// curlew.Fanout's, and tested there.
func TestMembers(t *testing.T) {
	var r room
	const most = 1000
	var all []*member
	for i := range 2 * most {
		m := &member{room: &r}
		r.add(m)
		all = append(all, m)
		if i >= most { // the oldest, whose place another one takes
			r.remove(all[0], true)
			all = all[1:]
		}
	}
	for n := most; n > 0; n-- {
		if r.members.Len() != n {
			t.Fatalf("%d members, not %d", r.members.Len(), n)
		}
		there := make(map[*member]bool)
		for m := range r.members.All() {
			there[m] = true
		}
		for _, m := range all {
			if !there[m] || !m.Taken() {
				t.Fatalf("of %d members one is forgotten", n)
			}
		}
		r.remove(all[(n*7)%len(all)], true)
		all = append(all[:(n*7)%len(all)], all[(n*7)%len(all)+1:]...)
	}
	if r.members.Len() != 0 {
		t.Errorf("%d members", r.members.Len())
	}
}
