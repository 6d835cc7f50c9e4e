package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	"curlew.example/curlew/hub/proto"
)

// Options are the settings of a hub. The zero value is the good default, apart from
// Namespaces, without which there are no channels. They must not be changed once
// they are in use.
type Options struct {
	// Namespaces are the settings of channels by the part of their name before the
	// first ":", or all of it.
	Namespaces map[string]*Namespace

	// Broker keeps the channels: nil is a Memory. The hub closes it.
	Broker Broker

	// MaxChannels is how many channels a connection may subscribe to: 0 is 128. As
	// often, and at least 128 times, it may do so in a second.
	MaxChannels int

	// MaxName is the longest name of a channel, in bytes: 0 is 255, the most.
	MaxName int

	// MaxData is the longest data of a message, in bytes: 0 is 64 KiB. A message is
	// longer than its data; for a connection whose MaxMessage is less than that it is
	// a gap.
	MaxData int

	// PublishRate is how many messages a connection may publish in a second: 0 is
	// no limit. A second's worth may come at once.
	PublishRate int

	// MaxHistory is how many messages one request for history gets: 0 is 1000. More
	// than about 512 KiB it does not get either.
	MaxHistory int

	// HelloTimeout is how long a client may take to say hello: 0 is 10 s. It is then
	// closed with 4002.
	HelloTimeout time.Duration

	// Ping is what clients are told of how often they hear something: 0 is 25 s, as
	// in curlew.Options.
	Ping time.Duration

	// Server is the version that clients are told; it may be empty.
	Server string

	// Grace is how long a member stays listed whose connection is gone: 0 is 5 s,
	// negative is none.
	Grace time.Duration

	// Connect decides who a client is, by the token of its hello, which may be
	// empty, and by the request that opened the connection, which is nil where
	// there was none. It is called again with the token of a refresh. nil: everybody
	// is nobody in particular. Its error refuses the client, with the code of a
	// *proto.Error, else unauthorized.
	Connect func(ctx context.Context, r *http.Request, token string) (*Identity, error)

	// Subscribe and Publish, if set, are asked for what the namespace or the
	// identity's rights allow.
	// Their error refuses it, with the code of a *proto.Error, else forbidden.
	// Publish may return something else to be published, or nil for what was given.
	Subscribe func(ctx context.Context, c *Client, channel string) error
	Publish   func(ctx context.Context, c *Client, channel string, p *Publication) (*Publication, error)

	// ErrorLog is told of what fails in the broker: nil is package log's.
	ErrorLog *log.Logger
}

// An Identity is who a client is and what it may do.
type Identity struct {
	User    string          // "" is nobody in particular
	Info    json.RawMessage // what other members are shown, as the data of a message; may be nil
	Expires time.Time       // when a refresh must have come; zero: never
	Value   any             // the program's own, for Subscribe and Publish: see Client.Value

	// Rights are what the identity may do besides what namespaces allow. The first
	// one whose channel matches counts.
	Rights []Right
}

// A Right is for a channel, or for all whose names begin with what is before a "*"
// at its end.
type Right struct {
	Channel            string
	Subscribe, Publish bool
}

func (g Right) matches(channel string) bool {
	n := len(g.Channel)
	if n > 0 && g.Channel[n-1] == '*' {
		return len(channel) >= n-1 && channel[:n-1] == g.Channel[:n-1]
	}
	return channel == g.Channel
}

// A Namespace is the settings of channels. The zero value keeps nothing and lets
// everybody subscribe, and subscribers publish.
type Namespace struct {
	History   History
	Presence  bool // who is subscribed can be asked for
	JoinLeave bool // subscribers are told who comes and goes; implies Presence
	Publish   Who  // who may: 0 is Subscribers
	Subscribe Who  // who may: 0 is Anyone
	WhenSlow  WhenSlow
}

// History says what a channel keeps: the last Size messages, not older than Age,
// where 0 is no limit.
type History struct {
	Size int
	Age  time.Duration
}

// Who may do something.
type Who int

const (
	Default     Who = iota // as the field says
	Nobody                 // but the program and those with the Right
	Subscribers            // of the channel
	Users                  // who have a name
	Anyone
)

// WhenSlow says what happens to a subscriber that takes messages too slowly.
type WhenSlow int

const (
	Disconnect WhenSlow = iota // the connection is closed with 4001: resuming heals it
	DropOldest                 // the oldest waiting messages are dropped, and a gap is announced
	Conflate                   // of waiting messages with the same key the newest remains, and gaps are announced
)

// settings are Options with their defaults.
type settings struct {
	Options
	limits proto.Limits
}

func (o *Options) settings() (*settings, error) {
	if o == nil {
		o = &Options{}
	}
	s := &settings{Options: *o}
	for name, ns := range o.Namespaces {
		if ns == nil || !proto.ValidName(name) || proto.Namespace(name) != name {
			return nil, fmt.Errorf("hub: the namespace %q has no settings, or is no name", name)
		}
		if ns.History.Size < 0 || ns.History.Age < 0 {
			return nil, errors.New("hub: a history of less than nothing")
		}
		if min(ns.Publish, ns.Subscribe) < Default || max(ns.Publish, ns.Subscribe) > Anyone || ns.WhenSlow < Disconnect || ns.WhenSlow > Conflate {
			return nil, fmt.Errorf("hub: the namespace %q says what nobody knows", name)
		}
	}
	if min(s.MaxChannels, s.MaxName, s.MaxData, s.PublishRate, s.MaxHistory) < 0 || min(s.HelloTimeout, s.Ping) < 0 {
		return nil, errors.New("hub: a limit of less than nothing")
	}
	s.HelloTimeout = cmp.Or(s.HelloTimeout, 10*time.Second)
	s.Ping = cmp.Or(s.Ping, 25*time.Second)
	if s.Grace = cmp.Or(s.Grace, 5*time.Second); s.Grace < 0 {
		s.Grace = 0
	}
	s.MaxHistory = cmp.Or(s.MaxHistory, 1000)
	s.limits = proto.Limits{
		Channels:     cmp.Or(s.MaxChannels, 128),
		NameBytes:    min(cmp.Or(s.MaxName, proto.MaxName), proto.MaxName),
		MessageBytes: cmp.Or(s.MaxData, 64<<10),
	}
	if s.ErrorLog == nil {
		s.ErrorLog = log.Default()
	}
	return s, nil
}
