package site

import (
	"math"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Hub is what the site says of its hub. There is one, to which every route whose
// handler is "hub" leads.
type Hub struct {
	From Place // Line 0: the file says nothing

	Namespaces    map[string]*Namespace
	Limits        HubLimits
	HistoryMemory Setting[int64] // bytes; may be Unlimited
	Grace         Setting[time.Duration]
	Auth          HubAuth
	APIKeys       Setting[APIKeys]
}

// A Namespace is the settings of the hub's channels of one namespace.
type Namespace struct {
	History             History
	Presence, JoinLeave Setting[bool]
	Publish             Setting[string] // "nobody", "subscribers", "users" or "anyone"
	Subscribe           Setting[string] // "nobody", "users" or "anyone"
	WhenSlow            Setting[string] // "disconnect", "dropOldest" or "conflate"
}

// History says what a channel keeps; nothing if Size is not set.
type History struct {
	Size Setting[int]           // messages
	Age  Setting[time.Duration] // may be Unlimited
}

// HubLimits are those of each connection to the hub.
type HubLimits struct {
	Channels           Setting[int]
	NameBytes          Setting[int]
	MessageBytes       Setting[int64]
	PublishesPerSecond Setting[int] // may be Unlimited
	History            Setting[int] // messages of one answer
}

// HubAuth says who the hub's users are and what they may do.
type HubAuth struct {
	JWT     JWT
	Webhook Setting[Webhook]
	Ask     Setting[[]string] // "connect", "subscribe", "publish"
	Timeout Setting[time.Duration]
	Cache   Setting[time.Duration]
}

// A Webhook is the URL of who is asked.
type Webhook string

// String shows neither a password nor a query.
func (w Webhook) String() string {
	u, err := url.Parse(string(w))
	if err != nil {
		return notShown
	}
	if u.RawQuery != "" {
		u.RawQuery = "…"
	}
	return quoteJSON5(u.Redacted())
}

// APIKeys are the keys of the hub's API, or the file that has them.
type APIKeys struct {
	File string
	List []string
}

// String shows no key.
func (k APIKeys) String() string { return Keys{File: k.File}.String() }

func (h *Hub) fields() []field {
	return []field{
		{name: "namespaces", to: namespaces{&h.Namespaces},
			doc: "The channels that there are: settings by namespace, which is what stands before the first `:` in the name of a channel, or all of it."},
		{name: "limits", to: nested{list: h.Limits.fields()}, doc: "Limits of each connection."},
		{name: "historyMemory", to: size(&h.HistoryMemory, math.MaxInt64), def: `'1 GB'`,
			doc: "What the messages that all channels keep may take. When it is spent a channel forgets its oldest for its newest, and one that has none keeps none; who misses something is told."},
		{name: "grace", to: someDuration(&h.Grace), def: `'5 s'`,
			doc: "How long a member of a channel stays listed whose connection is lost: if the same user is back by then, nobody hears of it."},
		{name: "auth", to: nested{list: h.Auth.fields()}, doc: "Who the hub's users are, besides those whom `auth` of the route knows."},
		{name: "apiKeys", to: apiKeys(&h.APIKeys), none: "no API",
			doc: "The keys of the API: a list, or a file with one a line, read again when it changes. A key has 16 characters or more, without spaces. Who has one may do everything."},
	}
}

func (l *HubLimits) fields() []field {
	return []field{
		{name: "channels", to: number(&l.Channels, 1, 1<<20), def: `128`,
			doc: "Channels that a connection is subscribed to."},
		{name: "nameBytes", to: number(&l.NameBytes, 1, 255), def: `255`,
			doc: "Bytes of the name of a channel."},
		{name: "messageBytes", to: someSize(&l.MessageBytes, math.MaxInt32), def: `'64 KB'`,
			doc: "The data of a message. A larger one is answered by `too_big`; beyond `limits.maxMessage` of the route the connection ends."},
		{name: "publishesPerSecond", to: count(&l.PublishesPerSecond), def: `'unlimited'`,
			doc: "Messages that a connection publishes: a second's worth may come at once, more are answered by `limit`."},
		{name: "history", to: number(&l.History, 1, 1<<20), def: `1000`,
			doc: "Messages that one answer to `history` holds."},
	}
}

func (a *HubAuth) fields() []field {
	return []field{
		{name: "jwt", to: nested{list: a.jwtFields()},
			doc: "JSON Web Tokens, in the `hello` of the protocol or where `from` says. `sub` is the user, `channels` his rights, `info` what other members are shown."},
		{name: "webhook", to: webhookURL(&a.Webhook), none: "none",
			doc: "A URL that is asked by POST who may connect, subscribe and publish. If it does not answer, nobody may."},
		{name: "ask", to: texts(&a.Ask, "event", checkEvent), def: `['connect', 'subscribe', 'publish']`,
			doc: "What the webhook is asked about, of `connect`, `subscribe` and `publish`."},
		{name: "timeout", to: someDuration(&a.Timeout), def: `'3 s'`,
			doc: "How long an answer of the webhook may take."},
		{name: "cache", to: duration0(&a.Cache), def: `'10 s'`,
			doc: "How long an answer about connecting or subscribing holds for the same credentials and channel; `'never'` asks each time."},
	}
}

// jwtFields are those of tokens, but for roles, which the hub does not know.
func (a *HubAuth) jwtFields() []field {
	return slices.DeleteFunc(a.JWT.fields(), func(f field) bool { return f.name == "roles" })
}

func (ns *Namespace) fields() []field {
	return []field{
		{name: "history", to: historyBinding{&ns.History}, none: "nothing is kept",
			doc: "What a channel keeps for those who come, or come back."},
		{name: "presence", to: boolean(&ns.Presence), def: `false`,
			doc: "Who is subscribed can be asked for."},
		{name: "joinLeave", to: boolean(&ns.JoinLeave), def: `false`,
			doc: "Subscribers are told who comes and goes."},
		{name: "publish", to: word(&ns.Publish, "nobody", "subscribers", "users", "anyone"), def: `'subscribers'`,
			doc: "Who may publish: `'users'` are those who have a name. Rights in a token, and the API's keys, allow more."},
		{name: "subscribe", to: word(&ns.Subscribe, "nobody", "users", "anyone"), def: `'anyone'`,
			doc: "Who may subscribe, and see history and presence. Rights in a token allow more."},
		{name: "whenSlow", to: word(&ns.WhenSlow, "disconnect", "dropOldest", "conflate"), def: `'disconnect'`,
			doc: "What happens to a subscriber that does not take messages: its connection ends with 4001, and it resumes; or the oldest that wait are dropped; " +
				"or of those with the same key all but the newest. It is told what is lost."},
	}
}

// A historyBinding reads an object.
type historyBinding struct{ h *History }

func (historyBinding) what() string { return "object" }

func (b historyBinding) fields() []field {
	return []field{
		{name: "size", to: number(&b.h.Size, 1, 1<<20), required: true, none: "1000",
			doc: "How many messages of each channel are kept."},
		{name: "age", to: duration(&b.h.Age), def: `'unlimited'`,
			doc: "How long."},
	}
}

func (b historyBinding) read(d *decoder, n *Node) { d.object(n, b.fields()) }

func (b historyBinding) tell(key, none string) []InForce {
	if !b.h.Size.Set() {
		return []InForce{{Key: key, Value: none}}
	}
	return told(key, b.fields())
}

// namespaces binds the settings of each namespace.
type namespaces struct{ p *map[string]*Namespace }

func (namespaces) what() string    { return "object" }
func (namespaces) fields() []field { return new(Namespace).fields() }

func (b namespaces) read(d *decoder, n *Node) {
	if n.Kind != Object {
		d.wrongKind(n, "an object { name: { … } }")
		return
	}
	all := make(map[string]*Namespace)
	for _, m := range n.Members {
		mark := d.path.push(m.Name)
		ns := new(Namespace)
		if right := checkNamespace(m.Name); right != "" {
			d.failAt(d.place(m.Line, m.Column), quote(m.Name)+" is no name of a namespace", right)
		} else if !m.Value.bad {
			d.defaults(ns.fields())
			d.object(m.Value, ns.fields())
		}
		all[m.Name] = ns
		d.path.pop(mark)
	}
	*b.p = all
}

func (namespaces) schema() keywords {
	return keywords{"type": "object", "additionalProperties": objectSchema(new(Namespace).fields())}
}

func (b namespaces) tell(key, none string) []InForce {
	var list []InForce
	names := make([]string, 0, len(*b.p))
	for name := range *b.p {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		list = append(list, told(key+"."+name, (*b.p)[name].fields())...)
	}
	return list
}

// told lists what fields hold that can all say it themselves, or have fields that do.
func told(key string, fields []field) (list []InForce) {
	for _, f := range fields {
		switch to := f.to.(type) {
		case teller:
			list = append(list, to.tell(key+"."+f.name, f.none)...)
		case group:
			list = append(list, told(key+"."+f.name, to.fields())...)
		}
	}
	return list
}

// checkNamespace returns what would be right instead of a name.
func checkNamespace(s string) string {
	switch {
	case s == "":
		return "a name has a character at least"
	case len(s) > 255:
		return "a name has 255 bytes at most"
	case strings.Contains(s, ":"):
		return "it is what stands before the ':' in the names of channels: '" + cutQuoted(s[:strings.IndexByte(s, ':')]) + "'"
	case strings.ContainsFunc(s, func(r rune) bool { return r == '*' || r == '>' || unicode.IsSpace(r) || unicode.IsControl(r) }):
		return "spaces, control characters, * and > are not possible"
	}
	return ""
}

func checkEvent(s string) (string, error) {
	known := []string{"connect", "subscribe", "publish"}
	if slices.Contains(known, s) {
		return s, nil
	}
	if w := nearest(s, known); w != "" {
		return "", problem("unknown event "+quote(s), "did you mean '"+w+"'?")
	}
	return "", problem("unknown event "+quote(s), "one of 'connect', 'subscribe', 'publish' is wanted")
}

// webhookURL binds a URL of http or https.
func webhookURL(p *Setting[Webhook]) binding {
	return shaped[Webhook]{scalar[Webhook]{p, "URL", func(d *decoder, n *Node) (Webhook, bool) {
		s, ok := checked(d, n, "a URL", func(s string) error {
			u, err := url.Parse(s)
			switch {
			case err != nil, u.Host == "", u.Scheme != "http" && u.Scheme != "https":
				return problem("this is not a URL", "write it such as 'http://127.0.0.1:9000/hub'") // it is not shown: it may hold a password
			case strings.Contains(s, "#"):
				return problem("this URL has a fragment", "nobody would see it: leave out what begins with #")
			}
			return nil
		})
		return Webhook(s), ok
	}}, keywords{"type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^#]+$"}}
}

// duration0 binds a time that may be none at all, by the words for no limit.
func duration0(p *Setting[time.Duration]) binding {
	b := duration(p).(shaped[time.Duration])
	b.kind = "time or `'never'`"
	return b
}

// minAPIKey is the length of the shortest key.
const minAPIKey = 16

// apiKeys binds a list of keys, or the name of a file.
func apiKeys(p *Setting[APIKeys]) binding {
	return shaped[APIKeys]{scalar[APIKeys]{p, "list, or file", func(d *decoder, n *Node) (k APIKeys, ok bool) {
		before := len(d.errs)
		if n.Kind != Array {
			var name Setting[string]
			fileName(&name, "file").read(d, n)
			return APIKeys{File: name.Value}, len(d.errs) == before
		}
		for i, item := range n.Items {
			mark := len(d.path.text)
			d.path.index(i)
			switch {
			case item.bad:
			case item.Kind != String:
				d.wrongKind(item, "a key")
			case CheckAPIKey(item.Text) != nil:
				d.wrong(item, CheckAPIKey(item.Text))
			}
			k.List = append(k.List, item.Text)
			d.path.pop(mark)
		}
		if len(n.Items) == 0 {
			d.fail(n, "found an empty list", "leave the key out if there is no API")
		}
		return k, len(d.errs) == before
	}}, keywords{"anyOf": []any{
		keywords{"type": "string", "minLength": 1},
		keywords{"type": "array", "minItems": 1, "items": keywords{"type": "string", "minLength": minAPIKey, "pattern": `^[!-~]+$`}},
	}}}
}

// CheckAPIKey says what is wrong with a key, and does not show it.
func CheckAPIKey(s string) error {
	if len(s) < minAPIKey || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return problem("found a key that is too short, or has other characters than letters, digits and signs", "16 are wanted or more; one is made by: openssl rand -hex 24")
	}
	return nil
}

// A hubBinding binds all of it.
type hubBinding struct{ h *Hub }

func (hubBinding) what() string      { return "object" }
func (b hubBinding) fields() []field { return b.h.fields() }

func (b hubBinding) read(d *decoder, n *Node) {
	b.h.From = d.at(n)
	d.object(n, b.h.fields())
	b.h.Auth.JWT.full(d)
	switch ask := b.h.Auth.Ask; {
	case !ask.Set():
	case n.member("auth").member("webhook") == nil && d.whole:
		d.failAt(ask.From, "there is no webhook to ask", "add webhook: 'http://127.0.0.1:9000/hub'")
	case len(ask.Value) == 0:
		d.failAt(ask.From, "found an empty list", "leave the webhook out to let everybody come without asking it")
	}
}

func (b hubBinding) schema() keywords { return objectSchema(b.h.fields()) }

func (b hubBinding) tell(key, none string) []InForce {
	if b.h.From.Line == 0 {
		return []InForce{{Key: key, Value: none}}
	}
	list := told(key, b.h.fields())
	if !b.h.Auth.JWT.Keys.Set() {
		list = slices.DeleteFunc(list, func(f InForce) bool { return strings.HasPrefix(f.Key, key+".auth.jwt.") })
	}
	return list
}

// A hubAbove is the object of the handler, which has no settings of its own.
type hubAbove struct{ nested }

func (hubAbove) read(d *decoder, n *Node) {
	if n.Kind == Object && len(n.Members) == 0 {
		return
	}
	d.fail(n, "this key is not possible here", "'hub' stands at the top level: all routes lead to one hub")
}

// DefaultScript is the path of the client's script where none is said.
const DefaultScript = "/curlew.js"

// ScriptPath is where the client's script is served, in front of the routes; "": nowhere,
// as it is turned off or a route is for exactly this path.
func (s *Site) ScriptPath() string {
	path := s.ClientScript.Value
	if slices.ContainsFunc(s.Routes, func(r *Route) bool { return r.Match.Value == path }) {
		return ""
	}
	return path
}

// clientScript binds a path, or false.
func clientScript(p *Setting[string]) binding {
	return shaped[string]{scalar[string]{p, "path or `false`", func(d *decoder, n *Node) (string, bool) {
		if n.Kind == Bool {
			if n.Bool {
				return DefaultScript, true
			}
			return "", true
		}
		return checked(d, n, "a path or false", func(s string) error {
			err := checkMatch(s)
			switch {
			case err != nil:
				return err
			case strings.ContainsAny(s, "{}"):
				return problem(quote(s)+" captures something", "the script has one path")
			case strings.HasSuffix(s, "/"):
				return problem(quote(s)+" is no path of a file", "write it such as '/lib/curlew.js'")
			}
			return nil
		})
	}}, keywords{"anyOf": []any{keywords{"type": "boolean"}, keywords{"type": "string", "pattern": `^/[^?#{}\\]*[^?#{}\\/]$`}}}}
}
