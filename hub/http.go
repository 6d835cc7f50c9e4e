package hub

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/hub/proto"
	"curlew.example/curlew/internal/handshake"
)

// HandlerOptions are the settings of Handler. nil is the zero value.
type HandlerOptions struct {
	// WebSocket serves the clients of curlew.v1: nil is curlew.Handle with Conn.
	WebSocket http.Handler

	// Conn are the settings of the connections if WebSocket is nil; nil is the zero
	// value. See ConnOptions. Its origins are those whose pages may have events, too.
	Conn *curlew.Options

	// Keys are the API keys: those who know one may do everything. With none, and
	// without Key, the program itself is the only one who may.
	Keys []string

	// Key, if set, is asked too whether something is a key.
	Key func(key string) bool
}

// Handler returns what serves a hub at a path and below it: the protocol curlew.v1
// at the path itself, server-sent events at …/events, and the API at …/publish and
// so on: docs/hub.md.
func (h *Hub) Handler(o *HandlerOptions) http.Handler {
	if o == nil {
		o = &HandlerOptions{}
	}
	s := &service{hub: h, webSocket: o.WebSocket, key: o.Key}
	if s.webSocket == nil {
		s.webSocket = curlew.Handle(h.ConnOptions(o.Conn), func(r *http.Request) (*curlew.Events, error) { return h.Events(r), nil })
	}
	if c := o.Conn; c != nil {
		s.listed = handshake.Policy{Origins: c.Origins, AllowOrigin: c.AllowOrigin}
		s.any = c.InsecureAnyOrigin && c.AllowOrigin == nil
	}
	for _, k := range o.Keys {
		s.keys = append(s.keys, sha256.Sum256([]byte(k)))
	}
	return s
}

type service struct {
	hub       *Hub
	webSocket http.Handler
	keys      [][sha256.Size]byte
	key       func(string) bool
	listed    handshake.Policy // the origins that may bring credentials
	any       bool             // the others may come too
}

// admit says whether the page that sent r, if it was one, may have events, and sets
// what its browser wants to read about that. As for WebSockets an Origin alone
// decides: RFC 6455, 10.2.
func (s *service) admit(w http.ResponseWriter, r *http.Request) bool {
	head := w.Header()
	head.Add("Vary", "Origin")
	err := s.listed.CheckOrigin(r)
	switch origin := r.Header["Origin"]; {
	case err == nil && len(origin) == 1:
		head.Set("Access-Control-Allow-Origin", origin[0])
		head.Set("Access-Control-Allow-Credentials", "true")
	case err != nil && s.any && len(origin) < 2:
		head.Set("Access-Control-Allow-Origin", "*") // nothing that belongs to a user is sent or shown
		err = nil
	}
	return err == nil
}

// preflight answers a browser's question whether a page may send a token or an id.
func preflight(w http.ResponseWriter) {
	head := w.Header()
	head.Set("Access-Control-Allow-Methods", "GET")
	head.Set("Access-Control-Allow-Headers", "Authorization, Last-Event-ID")
	head.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}

//go:embed openapi.json
var openAPI []byte

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	if len(r.Header["Upgrade"]) > 0 {
		s.webSocket.ServeHTTP(w, r)
		return
	}
	switch name {
	case "events":
		s.events(w, r)
	case "openapi.json":
		if method(w, r, http.MethodGet, http.MethodHead) {
			w.Header().Set("Content-Type", "application/json")
			w.Write(openAPI)
		}
	default:
		if do := calls[name]; do != nil {
			s.call(w, r, do)
			return
		}
		s.webSocket.ServeHTTP(w, r)
	}
}

// method reports whether a request has one of the methods, or has been refused.
func method(w http.ResponseWriter, r *http.Request, list ...string) bool {
	if slices.Contains(list, r.Method) {
		return true
	}
	w.Header().Set("Allow", strings.Join(list, ", "))
	http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
	return false
}

// statuses are those of errors.
var statuses = map[string]int{
	proto.BadRequest: http.StatusBadRequest, proto.UnknownChannel: http.StatusNotFound,
	proto.Forbidden: http.StatusForbidden, proto.Unauthorized: http.StatusUnauthorized, proto.Expired: http.StatusUnauthorized,
	proto.Limit: http.StatusTooManyRequests, proto.TooBig: http.StatusRequestEntityTooLarge,
	proto.Unavailable: http.StatusServiceUnavailable, proto.Internal: http.StatusInternalServerError,
}

// maxBody is the longest body of a call, in bytes.
const maxBody = 4 << 20

// authorized looks for an API key.
func (s *service) authorized(r *http.Request) bool {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum, found := sha256.Sum256([]byte(strings.TrimSpace(key))), 0
	for i := range s.keys {
		found |= subtle.ConstantTimeCompare(s.keys[i][:], sum[:])
	}
	if !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	return found == 1 || s.key != nil && s.key(strings.TrimSpace(key))
}

// A call does one request of the API.
type call struct {
	kind proto.Kind // whose members it has; Unknown: those of the map
	do   func(h *Hub, ctx context.Context, r *proto.Request, body []byte) (any, error)
}

// calls are the API, by name.
var calls = map[string]*call{
	"publish":  {proto.Publish, (*Hub).callPublish},
	"history":  {proto.History, (*Hub).callHistory},
	"presence": {proto.Presence, (*Hub).callPresence},

	"disconnect":  {proto.Unknown, (*Hub).callDisconnect},
	"unsubscribe": {proto.Unknown, (*Hub).callUnsubscribe},
	"channels":    {proto.Unknown, (*Hub).callChannels},
	"info":        {proto.Unknown, (*Hub).callInfo},
}

func (s *service) call(w http.ResponseWriter, r *http.Request, c *call) {
	head := w.Header()
	head.Set("Cache-Control", "no-store")
	if !method(w, r, http.MethodPost) {
		return
	}
	if !s.authorized(r) {
		head.Set("WWW-Authenticate", `Bearer realm="hub"`)
		answer(w, nil, &proto.Error{Code: proto.Unauthorized, Message: "an API key is wanted"})
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		var long *http.MaxBytesError
		if errors.As(err, &long) {
			answer(w, nil, &proto.Error{Code: proto.TooBig, Message: "the body is longer than 4 MiB"})
			return
		}
		answer(w, nil, &proto.Error{Code: proto.BadRequest, Message: "the body did not come whole"})
		return
	}
	if c.kind == proto.Unknown {
		a, err := c.do(s.hub, r.Context(), nil, body)
		answer(w, a, s.hub.refusal(err))
		return
	}
	list := []any{}
	var first *proto.Error
	array, err := proto.ParseBody(c.kind, body, func(q *proto.Request) {
		var a any
		var e error
		if e = nilOr(q.Err); e == nil {
			a, e = c.do(s.hub, r.Context(), q, body)
		}
		if refused := s.hub.refusal(e); refused != nil {
			if first == nil {
				first = refused
			}
			a = &proto.Answer{Error: refused}
		}
		list = append(list, a)
	})
	switch {
	case err != nil:
		answer(w, nil, &proto.Error{Code: proto.BadRequest, Message: "the body is not JSON"})
	case array:
		answer(w, list, nil)
	default:
		answer(w, list[0], first)
	}
}

func nilOr(e *proto.Error) error {
	if e == nil {
		return nil
	}
	return e
}

func (h *Hub) refusal(err error) *proto.Error {
	if err == nil {
		return nil
	}
	return h.errorOf(err, proto.Unavailable)
}

// answer writes a as JSON, or e.
func answer(w http.ResponseWriter, a any, e *proto.Error) {
	status := http.StatusOK
	if e != nil {
		a, status = &proto.Answer{Error: e}, statuses[e.Code]
		if e.Retry || e.Code == proto.Limit {
			w.Header().Set("Retry-After", "1")
		}
	}
	p, err := json.Marshal(a)
	if err != nil {
		status, p = http.StatusInternalServerError, []byte(`{"error":{"code":"internal"}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(p, '\n'))
}

func (h *Hub) callPublish(ctx context.Context, r *proto.Request, _ []byte) (any, error) {
	at, err := h.Publish(ctx, r.Channel, &Publication{Data: slices.Clone(r.Data), Binary: r.Binary, User: r.User, Key: r.Key, Dedupe: r.Dedupe})
	return &proto.Answer{Published: &at}, err
}

func (h *Hub) callHistory(ctx context.Context, r *proto.Request, _ []byte) (any, error) {
	if _, err := h.namespace(r.Channel); err != nil {
		return nil, err
	}
	p, err := h.page(ctx, r)
	if err != nil {
		return nil, err
	}
	return &proto.Answer{History: p}, nil
}

func (h *Hub) callPresence(ctx context.Context, r *proto.Request, _ []byte) (any, error) {
	all, err := h.Members(ctx, r.Channel)
	list := make([]proto.Member, len(all))
	for i, m := range all {
		list[i] = *m.proto()
	}
	return &proto.Answer{Presence: &proto.Members{Members: list}}, err
}

// target is the body of calls that are about somebody.
type target struct {
	Channel    string `json:"channel"`
	User       string `json:"user"`
	Connection string `json:"connection"`
	Reason     string `json:"reason"`
}

func targetOf(body []byte, of any) error {
	if err := json.Unmarshal(body, of); err != nil {
		return &proto.Error{Code: proto.BadRequest, Message: "the body is not the object that it should be"}
	}
	return nil
}

func (h *Hub) callDisconnect(_ context.Context, _ *proto.Request, body []byte) (any, error) {
	var t target
	if err := targetOf(body, &t); err != nil {
		return nil, err
	}
	if t.User == "" && t.Connection == "" || len(t.Reason) > 123 {
		return nil, &proto.Error{Code: proto.BadRequest, Message: "user or connection is wanted, and a reason of at most 123 bytes"}
	}
	return map[string]any{"disconnected": map[string]int{"connections": h.Disconnect(t.User, t.Connection, t.Reason)}}, nil
}

func (h *Hub) callUnsubscribe(_ context.Context, _ *proto.Request, body []byte) (any, error) {
	var t target
	if err := targetOf(body, &t); err != nil {
		return nil, err
	}
	if t.Channel == "" || t.User == "" && t.Connection == "" {
		return nil, &proto.Error{Code: proto.BadRequest, Message: "channel, and user or connection, are wanted"}
	}
	n := h.Unsubscribe(t.Channel, t.User, t.Connection, proto.Forbidden)
	return map[string]any{"unsubscribed": map[string]int{"connections": n}}, nil
}

// maxListed is how many channels one call lists.
const maxListed = 1000

func (h *Hub) callChannels(_ context.Context, _ *proto.Request, body []byte) (any, error) {
	var q struct {
		Prefix string `json:"prefix"`
		After  string `json:"after"`
	}
	if len(body) > 0 {
		if err := targetOf(body, &q); err != nil {
			return nil, err
		}
	}
	list := h.Channels(q.Prefix, q.After, maxListed+1)
	more := len(list) > maxListed
	return map[string]any{"channels": list[:min(len(list), maxListed)], "more": more}, nil
}

func (h *Hub) callInfo(context.Context, *proto.Request, []byte) (any, error) {
	return map[string]any{"info": h.Stats(), "limits": h.settings().limits, "time": time.Now().UnixMilli()}, nil
}

// A Listed is a channel that somebody on this node is subscribed to.
type Listed struct {
	Channel     string `json:"channel"`
	Subscribers int    `json:"subscribers"`
	Offset      int64  `json:"offset"` // of the last message
}

// Channels returns at most n of the channels of this node whose names begin with
// prefix, in the order of their names, and come behind after.
func (h *Hub) Channels(prefix, after string, n int) []Listed {
	list := []Listed{}
	cut := func() {
		slices.SortFunc(list, func(a, b Listed) int { return strings.Compare(a.Channel, b.Channel) })
		list = list[:min(max(n, 0), len(list))]
	}
	full, last := false, "" // of a full list
	for i := range h.shards {
		cs := &h.shards[i]
		cs.mu.Lock()
		var some []*channel
		for name, ch := range cs.open {
			if strings.HasPrefix(name, prefix) && name > after && (!full || name < last) {
				some = append(some, ch)
			}
		}
		cs.mu.Unlock()
		for _, ch := range some {
			ch.mu.Lock()
			list = append(list, Listed{ch.name, ch.subs.Len(), ch.top.Offset})
			ch.mu.Unlock()
		}
		if len(list) > n && n > 0 {
			cut()
			full, last = true, list[n-1].Channel
		}
	}
	cut()
	return list
}
