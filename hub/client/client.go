package client

import (
	"context"
	crand "crypto/rand"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/hub/proto"
)

// Errors of a Client, besides *proto.Error, which the server has answered.
var (
	ErrClosed = errors.New("hub client: it has ended")
	ErrOutbox = errors.New("hub client: too much waits to be published")
)

// A Client is a connection to a hub that comes back. All methods may be called at
// once, and within callbacks those that wait for nothing: Subscribe, Unsubscribe,
// Position, Err.
type Client struct {
	url    string
	o      *Options
	ctx    context.Context // ends with the client
	cancel func()
	ended  chan struct{}

	mu     sync.Mutex     // guards the following
	conn   *curlew.Conn   // nil while there is none on which hello was answered
	hello  *proto.Welcome // the last answer to it
	id     int64          // of the last request
	asked  map[int64]*call
	calls  []*call // that wait for a connection, or for room in its queue, in order
	bytes  int     // of them
	full   bool    // conn has no room: push sees to the calls
	subs   map[string]*Subscription
	closed bool
	err    error // why it has ended
}

// A call is a request and who waits for its answer.
type call struct {
	request request
	size    int
	done    chan *proto.Answer // one answer; nil: nobody waits
	sent    time.Time          // for the first time
	answer  func(*proto.Answer)
}

// A Subscription is that to one channel.
type Subscription struct {
	c       *Client
	channel string
	ev      *Events

	// The client's lock guards these.
	at    *proto.Position // of the last message; nil: none yet
	live  bool            // the server has answered, on this connection
	again *time.Timer     // it is asked again
}

// New returns a client, which connects by itself, to a URL with the scheme ws or
// wss.
func New(url string, o *Options) *Client {
	c := &Client{
		url: url, o: o.filled(), ended: make(chan struct{}),
		asked: make(map[int64]*call), subs: make(map[string]*Subscription),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	go c.run()
	return c
}

// Close ends the client. What was not answered yet fails with ErrClosed. It waits for
// callbacks that are under way: in one of them, call it in a goroutine of its own.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	conn := c.conn
	c.mu.Unlock()
	if conn != nil {
		conn.Close(curlew.NormalClosure, "")
	}
	c.cancel()
	<-c.ended
	return nil
}

// Done is closed when the client has ended, by Close or because the server does
// not want it back; Err then says why, nil after Close.
func (c *Client) Done() <-chan struct{} { return c.ended }

// Err is why the client has ended.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Welcome returns what the server has answered to hello the last time: the name of the
// connection, the user, the server's limits. nil: never yet. It must not be changed.
func (c *Client) Welcome() *proto.Welcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hello
}

// Subscribe begins a subscription. It does not wait: see Events.Subscribed and
// Events.Ended. A channel can be subscribed to once; the second time ends the first
// subscription.
func (c *Client) Subscribe(channel string, ev *Events) *Subscription {
	if ev == nil {
		ev = &Events{}
	}
	s := &Subscription{c: c, channel: channel, ev: ev, at: ev.Since}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.subs[channel]; old != nil {
		c.unsubscribeLocked(old)
	}
	c.subs[channel] = s
	if c.conn != nil {
		c.subscribeLocked(s)
	}
	return s
}

// Unsubscribe ends the subscription. A callback may still be under way.
func (s *Subscription) Unsubscribe() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.c.subs[s.channel] == s {
		delete(s.c.subs, s.channel)
		s.c.unsubscribeLocked(s)
	}
}

// Position returns that of the last message, nil if there was none.
func (s *Subscription) Position() *proto.Position {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.at == nil {
		return nil
	}
	at := *s.at
	return &at
}

func (c *Client) unsubscribeLocked(s *Subscription) {
	if s.again != nil {
		s.again.Stop()
	}
	if c.conn != nil {
		c.sendLocked(&call{request: request{Unsubscribe: &named{s.channel}}})
	}
}

func (c *Client) subscribeLocked(s *Subscription) {
	s.live = false
	c.sendLocked(&call{
		request: request{Subscribe: &subscribe{Channel: s.channel, Since: s.at, Presence: s.ev.Subscribed != nil}},
		answer:  func(a *proto.Answer) { c.subscribed(s, a) },
	})
}

// Publish publishes data, which is JSON, and waits until it is stored. While there
// is no connection it waits for one; if that stays away, and the answer with it, for so
// long that nobody can tell whether it was stored, that is an error (unavailable). If ctx
// ends first it may or may not be published.
func (c *Client) Publish(ctx context.Context, channel string, data []byte, o *PublishOptions) (proto.Position, error) {
	if o == nil {
		o = &PublishOptions{}
	}
	p := &publish{Channel: channel, Key: o.Key, Dedupe: o.Dedupe}
	if p.Dedupe == "" {
		p.Dedupe = newKey()
	}
	if o.Binary {
		p.Data64 = &data
	} else if !json.Valid(data) {
		return proto.Position{}, errors.New("hub client: the data is not JSON")
	} else {
		p.Data = data
	}
	a, err := c.ask(ctx, request{Publish: p}, len(data))
	if err != nil {
		return proto.Position{}, err
	}
	if a.Published == nil {
		return proto.Position{}, errAnswer
	}
	return *a.Published, nil
}

// newKey returns a dedupe key that nobody else has.
func newKey() string { return crand.Text() }

var errAnswer = errors.New("hub client: the server has answered something else")

// History returns messages of a channel, not always all, and a position: what is not among
// them lies behind it, and is asked for, or subscribed to, since then. lost says that
// some since the position asked for are not there any more.
func (c *Client) History(ctx context.Context, channel string, o *HistoryOptions) (list []*Message, at proto.Position, lost bool, err error) {
	if o == nil {
		o = &HistoryOptions{}
	}
	a, err := c.ask(ctx, request{History: &historyOf{channel, o.Since, o.Limit, o.Reverse}}, 0)
	if err != nil {
		return nil, at, false, err
	}
	if a.History == nil {
		return nil, at, false, errAnswer
	}
	for _, p := range a.History.Messages {
		list = append(list, messageOf(p))
	}
	return list, a.History.Position, a.History.Lost, nil
}

// Presence returns who is present in a channel.
func (c *Client) Presence(ctx context.Context, channel string) ([]proto.Member, error) {
	a, err := c.ask(ctx, request{Presence: &named{channel}}, 0)
	if err != nil {
		return nil, err
	}
	if a.Presence == nil {
		return nil, errAnswer
	}
	return a.Presence.Members, nil
}

// ask makes a request, and again after a lost connection, until it is answered.
func (c *Client) ask(ctx context.Context, r request, size int) (*proto.Answer, error) {
	k := &call{request: r, size: size, done: make(chan *proto.Answer, 1)}
	c.mu.Lock()
	switch {
	case c.closed || c.err != nil:
		c.mu.Unlock()
		return nil, c.endError()
	case c.conn != nil:
		c.sendLocked(k)
	case c.bytes+size > c.o.Outbox:
		c.mu.Unlock()
		return nil, ErrOutbox
	default:
		c.calls = append(c.calls, k)
		c.bytes += size
	}
	c.mu.Unlock()
	select {
	case a := <-k.done:
		if a.Error != nil {
			return nil, a.Error
		}
		return a, nil
	case <-c.ended:
		return nil, c.endError()
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.asked, k.request.ID)
		if i := slices.Index(c.calls, k); i >= 0 {
			c.calls = slices.Delete(c.calls, i, i+1)
			c.bytes -= k.size
		}
		return nil, ctx.Err()
	}
}

func (c *Client) endError() error {
	if err := c.Err(); err != nil {
		return err
	}
	return ErrClosed
}

// sendLocked sends a request on the connection that there is, behind those that wait
// for room.
func (c *Client) sendLocked(k *call) {
	if !c.full {
		// Another error is the connection's, which is about to end: then it is repeated.
		if !errors.Is(c.conn.Send(curlew.Text, c.textLocked(k)), curlew.ErrQueueFull) {
			return
		}
		delete(c.asked, k.request.ID)
		c.full = true
		go c.push(c.conn)
	}
	c.calls = append(c.calls, k)
	c.bytes += k.size
}

// textLocked returns a request as JSON, whose answer is waited for from now on.
func (c *Client) textLocked(k *call) []byte {
	c.id++
	if k.request.ID = c.id; k.sent.IsZero() {
		k.sent = time.Now().Round(0) // the clock of the day also goes on while the machine sleeps
	}
	c.asked[c.id] = k
	p, _ := json.Marshal(&k.request) // its data was looked at
	return p
}

// push sends the calls that found no room. It ends with them, or with the
// connection.
func (c *Client) push(conn *curlew.Conn) {
	for {
		c.mu.Lock()
		if c.conn != conn || len(c.calls) == 0 {
			if c.conn == conn {
				c.full = false
			}
			c.mu.Unlock()
			return
		}
		k := c.calls[0]
		c.calls = c.calls[1:]
		c.bytes -= k.size
		p := c.textLocked(k)
		c.mu.Unlock()
		conn.Write(context.Background(), curlew.Text, p) // an error: as in sendLocked
	}
}

// wait is the time before attempt n, counted from 0.
func (o *Options) wait(n int) time.Duration {
	most := o.MinWait << min(n, 20)
	if most > o.MaxWait || most <= 0 {
		most = o.MaxWait
	}
	return rand.N(most) + 1
}
