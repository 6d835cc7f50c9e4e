package hub

import (
	"context"
	"encoding/json"
	"time"

	"curlew.example/curlew/hub/proto"
)

// A Position is a place in a channel, see proto.Position.
type Position = proto.Position

// A Broker keeps the messages and the members of channels and brings them to those
// who listen, here and on other nodes. hub/hubtest has the tests that every broker
// must pass. All methods may be called at once, and with any name of a channel that
// is valid. An error that is not a *proto.Error reaches clients as "unavailable".
type Broker interface {
	// Publish gives a message its position, stores it as k says, and has it
	// delivered, in one step. With a Dedupe key that the same user has used in the
	// channel within DedupeWindow it only returns the position from then, and again.
	Publish(ctx context.Context, channel string, p *Publication, k Keep) (at Position, again bool, err error)

	// Subscribe has the sink given everything that is published behind the position
	// returned, which is that of the last message. A sink may be called before
	// Subscribe has returned.
	Subscribe(ctx context.Context, channel string, s Sink) (Position, error)

	// Unsubscribe ends that. The sink may be called until it has returned.
	Unsubscribe(channel string, s Sink)

	// History returns what is stored.
	History(ctx context.Context, channel string, q Query) (*Page, error)

	// Join makes a connection a member. If a member with the same user, who must
	// have a name, has left within its grace, it takes his place: nobody hears of
	// either.
	Join(ctx context.Context, channel string, m *Member) error

	// Leave has a member listed for a grace more, and then no longer.
	Leave(channel, connection string, grace time.Duration)

	// Members returns those of a channel.
	Members(ctx context.Context, channel string) ([]*Member, error)

	// Close ends all.
	Close() error
}

// A Sink is given what happens in a channel, in order, never two calls at once. It
// must neither block nor call the broker.
type Sink interface {
	Deliver(m *Message)
	Joined(m *Member)
	Left(m *Member)
}

// A Publication is what is to be published. It is not changed, nor may it be later.
type Publication struct {
	Data   []byte // JSON, or with Binary any bytes
	Binary bool
	User   string // who publishes; "" if that is nobody in particular
	Key    string // of what the message is the newest state, for conflating
	Dedupe string // at most 64 bytes
}

// DedupeWindow is how long a Dedupe key is remembered, at least as long as there is
// room.
const DedupeWindow = 2 * time.Minute

// Keep says what is stored of a channel: the last Size messages, as long as they
// are not older than Age, where 0 is no limit. Size 0 is nothing.
type Keep struct {
	Size int
	Age  time.Duration
}

// A Message is what was published. It must not be changed.
type Message struct {
	proto.Message
	Prev int64 // the offset of the message before it in its channel

	stored time.Duration // when Memory stored it
}

// A Query asks for messages.
type Query struct {
	Since   *Position // behind which they lie, or with Reverse before; nil: all
	Limit   int       // at most so many; 0 is none at all
	Reverse bool      // the newest first
}

// A Page is an answer to a Query.
type Page struct {
	Messages []*Message
	Position Position // of the last message of the channel
	Lost     bool     // Since is of another epoch, of the future, or messages behind it are not stored any more
}

// A Member is a connection that is present in a channel.
type Member struct {
	User       string // "" if that is nobody in particular
	Connection string
	Info       json.RawMessage // of the user, for the others; may be nil
}
