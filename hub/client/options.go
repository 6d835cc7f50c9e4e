package client

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/hub/proto"
)

// Options are the settings of a Client. The zero value is the good default; nil is
// the zero value.
type Options struct {
	// Token returns what is said in hello, and when the token that was said before
	// is about to expire. nil: none is said. If it fails, it is asked again later.
	Token func(ctx context.Context) (string, error)

	// Dial connects: nil is curlew.Dial; fallback.Dial, given its own options, gets
	// through where upgrades do not.
	Dial func(ctx context.Context, url string, o *curlew.DialOptions) (*curlew.Conn, error)

	// DialOptions are those of Dial. Its Subprotocols are set.
	DialOptions *curlew.DialOptions

	// MinWait and MaxWait bound the times between attempts to connect: 0 are 0.5 s
	// and 30 s.
	MinWait, MaxWait time.Duration

	// Outbox is how many bytes of what was published may wait while there is no
	// connection: 0 is 1 MiB. More is refused with ErrOutbox.
	Outbox int

	// State, if set, is told of changes. It is called in order and must not block.
	State func(s State, err error)
}

// A State is that of the connection.
type State int

const (
	Connecting State = iota // err is why the last connection ended, or could not be made
	Connected
	Ended // for good: err says why, nil after Close
)

func (s State) String() string { return [...]string{"connecting", "connected", "ended"}[s] }

// Events are the callbacks of a subscription. They are called in order, and never
// two at once in a client; nil ones are skipped.
type Events struct {
	// Since is the position to begin at, as for one who returns; nil is now.
	Since *proto.Position

	// Subscribed is called each time the server has answered. recovered says that
	// nothing is missing since the position before. members are those present; nil if
	// the namespace has no presence, or if they are too many for one answer.
	Subscribed func(at proto.Position, recovered bool, members []proto.Member)

	// Message is called for each message. m is the callback's.
	Message func(m *Message)

	// Gap is called when messages are lost: those with the offsets from to to, or,
	// if both are 0, some that nobody knows.
	Gap func(from, to int64)

	// Join and Leave are called when somebody else comes and goes.
	Join, Leave func(m proto.Member)

	// Ended is called when the server ends the subscription for good, or refuses it.
	Ended func(err error)
}

// A Message is one that was published.
type Message struct {
	Channel string
	proto.Position
	Data   []byte // JSON, or with Binary any bytes
	Binary bool
	User   string
	Key    string
	Time   time.Time
}

func messageOf(p *proto.Published) *Message {
	m := &Message{
		Channel: p.Channel, Position: proto.Position{Epoch: p.Epoch, Offset: p.Offset},
		Data: p.Data, User: p.User, Key: p.Key, Time: time.UnixMilli(p.Time),
	}
	if p.Data == nil {
		m.Data, m.Binary = p.Data64, true
	}
	return m
}

// PublishOptions say more about a message. nil is the zero value.
type PublishOptions struct {
	Binary bool   // the data is bytes, not JSON
	Key    string // of what this is the newest state
	Dedupe string // "" is a new one
}

// HistoryOptions say what is asked for. nil is all there is.
type HistoryOptions struct {
	Since   *proto.Position
	Limit   int
	Reverse bool
}

// request is the JSON of a request.
type request struct {
	ID          int64        `json:"id"`
	Hello       *hello       `json:"hello,omitempty"`
	Subscribe   *subscribe   `json:"subscribe,omitempty"`
	Unsubscribe *named       `json:"unsubscribe,omitempty"`
	Publish     *publish     `json:"publish,omitempty"`
	History     *historyOf   `json:"history,omitempty"`
	Presence    *named       `json:"presence,omitempty"`
	Refresh     *refreshWith `json:"refresh,omitempty"`
}

type (
	hello struct {
		Token  string `json:"token,omitempty"`
		Client string `json:"client"`
	}
	refreshWith struct {
		Token string `json:"token"`
	}
	named struct {
		Channel string `json:"channel"`
	}
	subscribe struct {
		Channel  string          `json:"channel"`
		Since    *proto.Position `json:"since,omitempty"`
		Presence bool            `json:"presence,omitempty"`
	}
	publish struct {
		Channel string          `json:"channel"`
		Data    json.RawMessage `json:"data,omitempty"`
		Data64  *[]byte         `json:"data64,omitempty"`
		Key     string          `json:"key,omitempty"`
		Dedupe  string          `json:"dedupe,omitempty"`
	}
	historyOf struct {
		Channel string          `json:"channel"`
		Since   *proto.Position `json:"since,omitempty"`
		Limit   int             `json:"limit,omitempty"`
		Reverse bool            `json:"reverse,omitempty"`
	}
)

func (o *Options) filled() *Options {
	with := Options{}
	if o != nil {
		with = *o
	}
	if with.Dial == nil {
		with.Dial = curlew.Dial
	}
	dial := curlew.DialOptions{}
	if with.DialOptions != nil {
		dial = *with.DialOptions
	}
	dial.Subprotocols, dial.RequireSubprotocol = []string{proto.Subprotocol}, true
	dial.WhenFull = curlew.WhenFullDropNewest // see Client.sendLocked
	if dial.InactivityTimeout == 0 {
		dial.InactivityTimeout = -1 // the server's pings are answered; that is life enough
	}
	with.DialOptions = &dial
	with.MinWait = cmp.Or(with.MinWait, 500*time.Millisecond)
	with.MaxWait = cmp.Or(with.MaxWait, 30*time.Second)
	with.Outbox = cmp.Or(with.Outbox, 1<<20)
	return &with
}
