package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"curlew.example/curlew"
	"curlew.example/curlew/hub/client"
	"curlew.example/curlew/hub/proto"
)

// hubCommands talk to a hub: URL stands in front of the command or behind it.
type hubCommands struct {
	Subscribe hubSubscribe `cmd:""`
	Publish   hubPublish   `cmd:""`
	Presence  hubPresence  `cmd:""`
	History   hubHistory   `cmd:""`
	Top       hubTop       `cmd:""`
}

// urlBehind puts the command of "hub URL COMMAND" in front of the URL. Where there is
// none the URL is not what is wrong.
func urlBehind(args []string) []string {
	known := func(a string) bool {
		return slices.Contains([]string{"subscribe", "publish", "presence", "history", "top"}, a)
	}
	if len(args) < 2 || known(args[1]) {
		return args
	}
	url, rest := args[1], args[2:]
	switch i := slices.IndexFunc(rest, known); {
	case i >= 0:
		return slices.Concat(args[:1], []string{rest[i], url}, rest[:i], rest[i+1:])
	case strings.Contains(url, "://"):
		return slices.Concat(args[:1], rest)
	}
	return args
}

// hubAt is a hub, and how it is reached.
type hubAt struct {
	URL      string `arg:""`
	Token    string
	Header   []string `sep:"none"`
	Origin   string
	Proxy    string
	Insecure bool
	Cacert   string
}

// secretOf returns a secret, or the first one in the file whose name follows an @: as
// hub.apiKeys has them, one a line, and what begins with # is none.
func secretOf(flag, s string) (string, error) {
	name, isFile := strings.CutPrefix(s, "@")
	if !isFile {
		return s, nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return line, nil
		}
	}
	return "", fmt.Errorf("%s: there is nothing in %s", flag, name)
}

func (h *hubAt) options() (*curlew.DialOptions, error) {
	if err := checkURL(h.URL); err != nil {
		return nil, wrongUsage{err}
	}
	return (&connect{Header: h.Header, Origin: h.Origin, Proxy: h.Proxy, Insecure: h.Insecure, Cacert: h.Cacert}).options()
}

// A mouthpiece is a client of a hub that writes what it hears, as lines of JSON. Its
// context ends when the connection cannot be made, or has ended for good.
type mouthpiece struct {
	*client.Client
	ctx context.Context
	end context.CancelCauseFunc

	mu  sync.Mutex
	out *lines
}

// errGone ends a program whose reader has gone.
var errGone = errors.New("nobody reads")

// open connects, and comes back when the connection is lost later.
func (h *hubAt) open(ctx context.Context, p *Program) (*mouthpiece, error) {
	dial, err := h.options()
	if err != nil {
		return nil, err
	}
	token, err := secretOf("--token", h.Token)
	if err != nil {
		return nil, err
	}
	m := &mouthpiece{out: newLines(p.Stdout)}
	m.ctx, m.end = context.WithCancelCause(ctx)
	was := false
	o := &client.Options{DialOptions: dial, State: func(s client.State, err error) {
		switch {
		case s == client.Connected:
			if was {
				fmt.Fprintln(p.Stderr, "connected again")
			}
			was = true
		case s == client.Ended && err != nil, s == client.Connecting && err != nil && !was:
			m.end(ended(err))
		case s == client.Connecting && err != nil:
			fmt.Fprintln(p.Stderr, oneLine("connection lost: "+ended(err).Error()))
		}
	}}
	if token != "" {
		o.Token = func(context.Context) (string, error) { return token, nil }
	}
	m.Client = client.New(h.URL, o)
	return m, nil
}

// ended says how a connection has ended, or why there is none.
func ended(err error) error {
	var e *curlew.CloseError
	if !errors.As(err, &e) {
		return explain(err)
	}
	text := fmt.Sprintf("closed by the server: %v", e.Code)
	if !e.Remote {
		text = fmt.Sprintf("closed: %v", e.Code)
	}
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return errors.New(text)
}

// why says why something could not be done. That the connection has ended may be known
// from that alone yet.
func (m *mouthpiece) why(err error) error {
	switch cause := context.Cause(m.ctx); {
	case err == nil && cause == nil, errors.As(err, new(*proto.Error)):
		return err
	case cause == nil:
		return ended(err)
	case errors.Is(cause, errGone), errors.Is(cause, errEnough):
		return nil
	default:
		return cause
	}
}

// write writes what the server would say.
func (m *mouthpiece) write(a *proto.Answer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.out.message(curlew.Text, a.Append(nil), false) != nil {
		m.end(errGone)
	}
}

// published is a message as the server says it.
func published(m *client.Message) *proto.Published {
	return (&proto.Message{
		Channel: m.Channel, Position: m.Position, Data: m.Data, Binary: m.Binary, User: m.User, Key: m.Key, Time: m.Time.UnixMilli(),
	}).Published()
}

type hubSubscribe struct {
	hubAt
	Channels []string `arg:"" name:"channel"`
	Since    string
	History  int
	Count    int
}

func (c *hubSubscribe) Run(ctx context.Context, p *Program) error {
	since, err := positionOf(c.Since)
	switch {
	case err != nil:
		return err
	case c.Count < 0 || c.History < 0:
		return wrongUsage{errors.New("--count, --history: a number of messages")}
	case since != nil && (len(c.Channels) > 1 || c.History > 0):
		return wrongUsage{errors.New("--since: is for one channel, without --history")}
	}
	m, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	defer m.Close()
	l := &listener{m: m, count: c.Count}
	for _, channel := range c.Channels {
		answered := make(chan struct{}, 1)
		if c.History > 0 {
			l.hold()
		}
		m.Subscribe(channel, l.events(channel, since, answered))
		if c.History == 0 {
			continue
		}
		select { // what is published meanwhile comes behind what is kept
		case <-answered:
		case <-m.ctx.Done():
		}
		list, _, _, err := m.Client.History(m.ctx, channel, &client.HistoryOptions{Limit: c.History, Reverse: true})
		if err != nil {
			return m.why(err)
		}
		l.release(list)
	}
	<-m.ctx.Done()
	if ctx.Err() != nil {
		return nil // as it was asked to
	}
	return m.why(nil)
}

// A listener writes what it hears in channels.
type listener struct {
	m     *mouthpiece
	count int // messages to end after; 0: none

	mu      sync.Mutex // guards the following
	written int
	holding bool
	held    []*client.Message
}

func (l *listener) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holding = true
}

// release writes what a channel keeps, the newest first, and then what was held and is
// not among it.
func (l *listener) release(kept []*client.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := make(map[string]bool)
	for _, one := range slices.Backward(kept) {
		known[fmt.Sprint(one.Channel, one.Position)] = true
		l.writeLocked(one)
	}
	for _, one := range l.held {
		if !known[fmt.Sprint(one.Channel, one.Position)] {
			l.writeLocked(one)
		}
	}
	l.held, l.holding = nil, false
}

func (l *listener) writeLocked(one *client.Message) {
	if l.m.ctx.Err() != nil {
		return
	}
	l.m.write(&proto.Answer{Message: published(one)})
	if l.written++; l.written == l.count {
		l.m.end(errEnough)
	}
}

func (l *listener) message(one *client.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holding {
		l.held = append(l.held, one)
	} else {
		l.writeLocked(one)
	}
}

func (l *listener) events(channel string, since *proto.Position, answered chan<- struct{}) *client.Events {
	m := l.m
	return &client.Events{
		Since: since, Message: l.message,
		Subscribed: func(at proto.Position, recovered bool, members []proto.Member) {
			select {
			case answered <- struct{}{}:
			default:
			}
			m.write(&proto.Answer{Subscribed: &proto.Subscribed{Channel: channel, Position: at, Recovered: recovered, Members: members}})
		},
		Gap: func(from, to int64) { m.write(&proto.Answer{Gap: &proto.Gap{Channel: channel, From: from, To: to}}) },
		Join: func(who proto.Member) {
			m.write(&proto.Answer{Join: &proto.Event{Channel: channel, Member: who}})
		},
		Leave: func(who proto.Member) {
			m.write(&proto.Answer{Leave: &proto.Event{Channel: channel, Member: who}})
		},
		Ended: func(err error) { m.end(fmt.Errorf("%s: %w", channel, err)) },
	}
}

// positionOf reads --since: a position as it stands in what is written.
func positionOf(text string) (*proto.Position, error) {
	if text == "" {
		return nil, nil
	}
	var at proto.Position
	if err := json.Unmarshal([]byte(text), &at); err != nil || at.Epoch == "" || at.Offset < 0 || at.Offset > proto.MaxID {
		return nil, wrongUsage{errors.New(`--since: a position, such as '{"epoch":"a1","offset":41}'`)}
	}
	return &at, nil
}

type hubPublish struct {
	hubAt
	Channel string  `arg:""`
	Data    *string `arg:"" optional:""` // may be empty
	Key     string
	Text    bool
}

func (c *hubPublish) Run(ctx context.Context, p *Program) error {
	m, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	defer m.Close()
	if c.Data != nil {
		return c.publish(m, []byte(*c.Data))
	}
	in := newReader(p.Stdin)
	for {
		line, err := awaited(m.ctx, in.line)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return m.why(fmt.Errorf("standard input: %w", err))
		case len(line) == 0 && !c.Text:
			continue
		}
		if err := c.publish(m, line); err != nil {
			return err
		}
	}
}

func (c *hubPublish) publish(m *mouthpiece, data []byte) error {
	switch {
	case c.Text:
		data, _ = json.Marshal(string(data)) // what is no UTF-8 becomes so
	case !json.Valid(data):
		return wrongUsage{fmt.Errorf("%s: JSON is wanted; --text takes it as a text", oneLine(string(data[:min(len(data), 60)])))}
	}
	o := &client.PublishOptions{Key: c.Key}
	at, err := m.Publish(m.ctx, c.Channel, data, o)
	if e := (*proto.Error)(nil); errors.As(err, &e) && e.Code == proto.Forbidden && c.subscribed(m) {
		at, err = m.Publish(m.ctx, c.Channel, data, o) // which perhaps only subscribers may
	}
	if err != nil {
		return m.why(err)
	}
	m.write(&proto.Answer{Published: &at})
	return nil
}

// subscribed makes us a subscriber, if that is possible.
func (c *hubPublish) subscribed(m *mouthpiece) bool {
	answered := make(chan bool, 1)
	answer := func(ok bool) {
		select {
		case answered <- ok:
		default:
		}
	}
	m.Subscribe(c.Channel, &client.Events{
		Subscribed: func(proto.Position, bool, []proto.Member) { answer(true) },
		Ended:      func(error) { answer(false) },
	})
	select {
	case ok := <-answered:
		return ok
	case <-m.ctx.Done():
		return false
	}
}

type hubPresence struct {
	hubAt
	Channel string `arg:""`
}

func (c *hubPresence) Run(ctx context.Context, p *Program) error {
	m, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	defer m.Close()
	list, err := m.Presence(m.ctx, c.Channel)
	if err != nil {
		return m.why(err)
	}
	for _, one := range list {
		text, err := json.Marshal(one)
		if err != nil {
			return err
		}
		if m.out.message(curlew.Text, text, false) != nil {
			return nil
		}
	}
	return nil
}

type hubHistory struct {
	hubAt
	Channel string `arg:""`
	Since   string
	Limit   int
	Reverse bool
}

func (c *hubHistory) Run(ctx context.Context, p *Program) error {
	since, err := positionOf(c.Since)
	if err != nil {
		return err
	}
	if c.Limit < 0 {
		return wrongUsage{errors.New("--limit: a number of messages")}
	}
	m, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	defer m.Close()
	list, _, lost, err := m.Client.History(m.ctx, c.Channel, &client.HistoryOptions{Since: since, Limit: c.Limit, Reverse: c.Reverse})
	if err != nil {
		return m.why(err)
	}
	if lost {
		fmt.Fprintln(p.Stderr, "some messages since then are not kept any more")
	}
	for _, one := range list {
		m.write(&proto.Answer{Message: published(one)})
	}
	return nil
}
