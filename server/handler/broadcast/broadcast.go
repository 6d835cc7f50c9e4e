// Package broadcast is the handler "broadcast": every message goes to everyone
// who is connected to the same path.
//
// A path is a room. It comes with the first who connects to it and goes with the
// last. All of a room get everything in one and the same order: messages, and
// with broadcast.announce who joins and leaves. Nobody waits for anybody: a
// message for a member whose queue is full is treated as webSockets.whenFull
// says, and the others have it already.
package broadcast

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"curlew.example/curlew"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// Rooms are those of one program. The zero value is ready for use. They outlast
// the routes that lead to them: after a reload of the site, who came before it and
// who came behind it are in the same room.
type Rooms struct {
	mu   sync.Mutex // guards the following, and members of each room
	open map[place]*room
}

// A place is where a room is: routes that answer for different hosts have nothing
// in common.
type place struct{ hosts, path string }

// New makes an endpoint whose paths are rooms. It is a constructor for
// server.Options:
//
//	"broadcast": new(broadcast.Rooms).New,
func (rs *Rooms) New(r *site.Route, ws route.Endpoint) (http.Handler, error) {
	hosts := slices.Sorted(slices.Values(r.Hosts.Value))
	e := &entrance{
		rooms: rs, hosts: strings.Join(hosts, " "),
		echo: r.Broadcast.Echo.Value, announce: r.Broadcast.Announce.Value,
	}
	// The same events for all, as an idle member should cost little.
	events := &curlew.Events{Open: e.enter, Message: e.say, Close: e.leave}
	return ws(func(*http.Request) (*curlew.Events, error) { return events, nil }), nil
}

// number returns how many rooms there are.
func (rs *Rooms) number() int {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return len(rs.open)
}

// join returns the room at p, which stays until leave was called as often.
func (rs *Rooms) join(p place) *room {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.open == nil {
		rs.open = make(map[place]*room)
	}
	r := rs.open[p]
	if r == nil {
		r = &room{place: p}
		rs.open[p] = r
	}
	r.users++
	return r
}

func (rs *Rooms) leave(r *room) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r.users--; r.users == 0 {
		delete(rs.open, r.place)
	}
	if len(rs.open) == 0 {
		rs.open = nil // a map keeps the size that it once had
	}
}

// An entrance is a route that leads to rooms.
type entrance struct {
	rooms          *Rooms
	hosts          string
	echo, announce bool
}

// A member is a connection in a room. It is the connection's Value.
type member struct {
	curlew.Seat // the room's lock guards it

	conn *curlew.Conn
	room *room
	id   string // that the others know; "" if they are not told
}

// enter is the event Open.
func (e *entrance) enter(c *curlew.Conn) {
	m := &member{conn: c, room: e.rooms.join(place{e.hosts, path(c)})}
	if e.announce {
		m.id = newID()
	}
	c.SetValue(m)
	m.room.add(m)
}

// say is the event Message.
func (e *entrance) say(c *curlew.Conn, t curlew.Type, p []byte) {
	m := c.Value().(*member)
	except := m
	if e.echo {
		except = nil
	}
	m.room.say(t, p, except)
}

// leave is the event Close. Whom the server sends away, as it stops, the others are
// not told of: they go, too, and of n members each would be told n times.
func (e *entrance) leave(c *curlew.Conn, err *curlew.CloseError) {
	m := c.Value().(*member)
	m.room.remove(m, err.Code != curlew.GoingAway || err.Remote)
	e.rooms.leave(m.room)
}

// path returns the path of a connection's request, spelled in one way: what may
// be escaped or not ("%61" and "a") is not two rooms, what means another thing
// escaped ("%2F" and "/") is.
func path(c *curlew.Conn) string {
	if u := c.Info().URL; u != nil {
		return canonical(u)
	}
	return ""
}
