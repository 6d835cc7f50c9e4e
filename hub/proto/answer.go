package proto

import (
	"bytes"
	"encoding/json"
	"errors"
)

// An Answer is what the server says: the answer to the request with its ID, or,
// with ID 0, something unasked. Exactly one of the others is set.
type Answer struct {
	ID int64 `json:"id,omitempty"`

	Hello        *Welcome      `json:"hello,omitempty"`
	Subscribed   *Subscribed   `json:"subscribed,omitempty"`
	Unsubscribed *Unsubscribed `json:"unsubscribed,omitempty"` // also unasked
	Published    *Position     `json:"published,omitempty"`
	History      *Page         `json:"history,omitempty"`
	Presence     *Members      `json:"presence,omitempty"`
	Refreshed    *Refreshed    `json:"refreshed,omitempty"`
	Error        *Error        `json:"error,omitempty"`

	Message *Published `json:"message,omitempty"`
	Join    *Event     `json:"join,omitempty"`
	Leave   *Event     `json:"leave,omitempty"`
	Gap     *Gap       `json:"gap,omitempty"`
	Drain   *Drain     `json:"drain,omitempty"`
}

// Welcome is the answer to hello.
type Welcome struct {
	Connection string `json:"connection"`
	Server     string `json:"server"`
	Ping       int64  `json:"ping"` // milliseconds: something is heard at least this often
	Limits     Limits `json:"limits"`
	User       string `json:"user,omitempty"`
	Expires    int64  `json:"expires,omitempty"` // of the token, milliseconds since 1970
}

// Limits are what a connection is told of those that it meets.
type Limits struct {
	Channels     int `json:"channels"`     // that it may subscribe to
	NameBytes    int `json:"nameBytes"`    // of a channel
	MessageBytes int `json:"messageBytes"` // of the data that is published: of data64 what it stands for
}

// Subscribed is the answer to subscribe. Missed messages, if Recovered, and then
// new ones follow it.
type Subscribed struct {
	Channel   string   `json:"channel"`
	Position  Position `json:"position"`          // behind the last message there is
	Recovered bool     `json:"recovered"`         // nothing is missing since the position that was asked for
	Members   []Member `json:"members,omitempty"` // also missing if they have no room in a message
}

// Unsubscribed is the answer to unsubscribe, then empty, or says that the server
// has ended a subscription, and why.
type Unsubscribed struct {
	Channel string `json:"channel,omitempty"`
	Code    string `json:"code,omitempty"`
}

// A Page is the answer to history. It may hold less than there is: then More is set, and
// the rest is asked for with the position of the last message of it, or subscribed to.
type Page struct {
	Messages []*Published `json:"messages"`
	Position Position     `json:"position"`       // behind the last message of the channel; with More, and not in reverse, of this page
	Lost     bool         `json:"lost,omitempty"` // messages since the position that was asked for are not there any more
	More     bool         `json:"more,omitempty"` // there are further ones, in the direction that was asked for
}

// Published is a message on its way to a client.
type Published struct {
	Channel string          `json:"channel"`
	Offset  int64           `json:"offset"`
	Epoch   string          `json:"epoch"`
	Data    json.RawMessage `json:"data,omitempty"`
	Data64  []byte          `json:"data64,omitempty"`
	User    string          `json:"user,omitempty"`
	Key     string          `json:"key,omitempty"`
	Time    int64           `json:"time"`
}

// A Member is a connection that is present in a channel. User is null when it is
// nobody in particular.
type Member struct {
	User       *string         `json:"user"`
	Connection string          `json:"connection"`
	Info       json.RawMessage `json:"info,omitempty"`
}

// Members is the answer to presence.
type Members struct {
	Members []Member `json:"members"`
}

// An Event is a join or a leave.
type Event struct {
	Channel string `json:"channel"`
	Member
}

// A Gap says that messages of a channel were lost for this subscriber: those with
// the offsets From to To.
type Gap struct {
	Channel string `json:"channel"`
	From    int64  `json:"from"`
	To      int64  `json:"to"`
}

// Refreshed is the answer to refresh.
type Refreshed struct {
	Expires int64 `json:"expires,omitempty"` // milliseconds since 1970
}

// Drain announces that the connection will be closed. The client connects again
// after Retry milliseconds.
type Drain struct {
	Retry int64 `json:"retry"`
}

// Append appends the answer as JSON. Data is as long there as it is in a message: what
// HTML would take for its own is not escaped.
func (a *Answer) Append(b []byte) []byte {
	w := bytes.NewBuffer(b)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if e.Encode(a) != nil { // only Info, which the hub has checked; nothing was written
		e.Encode(&Answer{ID: a.ID, Error: &Error{Code: Internal, Message: "the answer cannot be written"}})
	}
	return w.Bytes()[:w.Len()-1] // without the line's end
}

// wrapped is how much deeper data stands in an answer than in a request, at most: a
// page of history in an array.
const wrapped = 8

// ParseAnswers reads what the server has said: an answer, or an array of them. It
// calls f for each; f returns false to stop.
func ParseAnswers(p []byte, f func(*Answer) bool) error {
	if !check(p, maxDepth+wrapped) {
		return errJSON
	}
	var wrong error
	one := func(value []byte) bool {
		a := new(Answer)
		if err := json.Unmarshal(value, a); err != nil {
			wrong = errors.New("an answer is not what it should be")
			return false
		}
		return f(a)
	}
	if !elements(p, one) {
		one(p)
	}
	return wrong
}
