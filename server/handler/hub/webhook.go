package hub

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"curlew.example/curlew/hub"
	"curlew.example/curlew/hub/proto"
	"curlew.example/curlew/server/site"
)

const (
	// maxAnswer is the longest answer, in bytes.
	maxAnswer = 64 << 10

	// maxAsked is how many questions are under way at once; others wait, as long as
	// an answer may take.
	maxAsked = 64

	// maxReason is the longest reason that a client is told, in bytes.
	maxReason = 200
)

// A webhook is asked who may connect, subscribe and publish. If it does not answer as
// it should, nobody may: the error is "unavailable". A nil one asks nothing.
type webhook struct {
	url     string
	events  []string
	timeout time.Duration
	client  *http.Client
	failed  func(event string, err error)
	answers *answers
	places  chan struct{}
}

func newWebhook(a *site.HubAuth, dial func(context.Context, string, string) (net.Conn, error), failed func(string, error)) *webhook {
	return &webhook{
		url: string(a.Webhook.Value), events: a.Ask.Value, timeout: a.Timeout.Value, failed: failed,
		answers: newAnswers(max(a.Cache.Value, 0)), places: make(chan struct{}, maxAsked),
		client: &http.Client{
			Transport: &http.Transport{
				Proxy: nil, DialContext: dial, DisableCompression: true, MaxIdleConnsPerHost: maxAsked, IdleConnTimeout: 30 * time.Second,
				MaxResponseHeaderBytes: maxAnswer,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// asks reports whether the webhook is asked about an event.
func (w *webhook) asks(event string) bool { return w != nil && slices.Contains(w.events, event) }

func (w *webhook) forget() {
	if w != nil {
		w.answers.clear()
	}
}

func (w *webhook) close() {
	if w != nil {
		w.client.CloseIdleConnections()
	}
}

// A question is what the webhook gets.
type question struct {
	Event      string            `json:"event"`
	Connection string            `json:"connection,omitempty"` // not when it connects
	User       string            `json:"user,omitempty"`
	Channel    string            `json:"channel,omitempty"`
	Data       json.RawMessage   `json:"data,omitempty"` // of publish
	Data64     []byte            `json:"data64,omitempty"`
	Key        string            `json:"key,omitempty"`
	Token      string            `json:"token,omitempty"`
	Address    string            `json:"address,omitempty"`
	Headers    map[string]string `json:"headers,omitempty"`
}

// A verdict is what it answers. Where it says null it says nothing.
type verdict struct {
	Allow  *bool  `json:"allow"`
	Reason string `json:"reason"` // that the client is told if not

	User     *string             `json:"user"`     // of connect: another name
	Info     *json.RawMessage    `json:"info"`     // of connect: what other members are shown
	Expires  int64               `json:"expires"`  // of connect: milliseconds since 1970, 0: never
	Channels map[string][]string `json:"channels"` // of connect: more rights

	Data   *json.RawMessage `json:"data"` // of publish: instead of what was published
	Data64 []byte           `json:"data64"`
}

func (c *credential) question(event string) *question {
	return &question{Event: event, User: c.User, Token: c.Token, Address: c.Address, Headers: c.Fields}
}

func (w *webhook) connect(ctx context.Context, who *hub.Identity, c *credential) (*hub.Identity, error) {
	v, err := w.decide(ctx, c.question("connect"), proto.Unauthorized)
	if err != nil {
		return nil, err
	}
	with := *who
	if v.User != nil {
		with.User = *v.User
	}
	if v.Info != nil {
		with.Info = *v.Info
	}
	if at := time.UnixMilli(v.Expires); v.Expires != 0 && (with.Expires.IsZero() || at.Before(with.Expires)) {
		with.Expires = at
	}
	more, err := rights(v.Channels)
	if err != nil {
		return nil, w.unavailable("connect", err)
	}
	with.Rights = slices.Concat(more, who.Rights)
	slices.SortStableFunc(with.Rights, narrower)
	return &with, nil
}

func (w *webhook) subscribe(ctx context.Context, c *hub.Client, channel string) error {
	q := credentialOf(c).question("subscribe")
	q.Connection, q.Channel = c.Connection(), channel
	_, err := w.decide(ctx, q, proto.Forbidden)
	return err
}

func (w *webhook) publish(ctx context.Context, c *hub.Client, channel string, p *hub.Publication) (*hub.Publication, error) {
	q := credentialOf(c).question("publish")
	q.Connection, q.Channel, q.Key = c.Connection(), channel, p.Key
	if p.Binary {
		q.Data64 = p.Data
	} else {
		q.Data = p.Data
	}
	v, err := w.decide(ctx, q, proto.Forbidden)
	if err != nil || v.Data == nil && v.Data64 == nil {
		return p, err
	}
	with := *p
	if with.Data, with.Binary = v.Data64, true; v.Data64 == nil {
		with.Data, with.Binary = *v.Data, false
	}
	return &with, nil
}

// credentialOf returns what the client has come with. One that came before there was
// a webhook has only its name.
func credentialOf(c *hub.Client) *credential {
	if is, ok := c.Value().(*credential); ok {
		return is
	}
	return &credential{User: c.User()}
}

// decide returns what the webhook answers, or answered lately, if that is yes.
func (w *webhook) decide(ctx context.Context, q *question, refusal string) (*verdict, error) {
	key, now := q.key(), time.Now()
	v, asked := w.answers.find(key, now)
	if v == nil {
		var err error
		if v, err = w.ask(ctx, q); err != nil && ctx.Err() != nil {
			return nil, err // who wanted to know has gone
		} else if err != nil {
			return nil, w.unavailable(q.Event, err)
		}
		if q.Event != "publish" {
			w.answers.add(key, v, asked, now)
		}
	}
	if *v.Allow {
		return v, nil
	}
	reason := strings.ToValidUTF8(v.Reason[:min(len(v.Reason), maxReason)], "")
	if reason == "" {
		reason = "the webhook has refused it"
	}
	return nil, &proto.Error{Code: refusal, Message: reason}
}

func (w *webhook) unavailable(event string, err error) error {
	w.failed(event, err)
	return &proto.Error{Code: proto.Unavailable, Message: "who may is not known at the moment", Retry: true}
}

// key is what an answer is remembered by: all that the question says, each part with
// its length, so that no two questions have one key.
func (q *question) key() [sha256.Size]byte {
	parts := []string{q.Event, q.User, q.Channel, q.Token, q.Address}
	for _, name := range slices.Sorted(maps.Keys(q.Headers)) {
		parts = append(parts, name, q.Headers[name])
	}
	if q.User == "" && len(q.Headers) == 0 && q.Token == "" {
		parts = append(parts, q.Connection) // nobody in particular
	}
	h := sha256.New()
	for _, p := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		io.WriteString(h, p)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

var errNoVerdict = errors.New(`the answer is not an object with "allow": true or false`)

// ask asks.
func (w *webhook) ask(ctx context.Context, q *question) (*verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	select {
	case w.places <- struct{}{}:
		defer func() { <-w.places }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%d questions are under way: %w", maxAsked, ctx.Err())
	}
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return nil, withoutURL(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "curlew")
	a, err := w.client.Do(r)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer a.Body.Close()
	switch {
	case a.StatusCode == http.StatusUnauthorized || a.StatusCode == http.StatusForbidden:
		return &verdict{Allow: new(bool)}, nil
	case a.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the answer has the status %d", a.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(a.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, withoutURL(err)
	case len(text) > maxAnswer:
		return nil, errors.New("the answer is longer than 64 KiB")
	}
	v := new(verdict)
	if json.Unmarshal(text, v) != nil || v.Allow == nil {
		return nil, errNoVerdict
	}
	return v, nil
}

// withoutURL is an error of package http without the URL, in which a secret may stand.
func withoutURL(err error) error {
	if e := (*url.Error)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}
