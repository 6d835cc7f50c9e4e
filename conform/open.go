package conform

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// A head is a request or a response of HTTP/1.1 as it goes on the wire.
type head struct {
	before  []byte // in front of it, in the same write
	first   string
	fields  []field
	tail    []byte  // right behind the empty line
	frames  []frame // behind that
	eol     string  // instead of CR LF
	colon   string  // instead of a colon and a space
	chop    int     // bytes a write; 0: all at once
	raw     []byte  // instead of all that
	halfway []Step  // when half of it is written
	second  []edit  // if not nil: behind it a right request, edited
}

type field struct{ name, value string }

// An edit changes a right head into the one that a case wants.
type edit func(*head)

// line sets the first line. In it and in the values of fields {path} stands for
// the target's path, {scheme} for http or https, {host} for the target's host, {?}
// for what separates a query from the path: "&" if there is one already.
func line(text string) edit { return func(h *head) { h.first = text } }

// set replaces the field of that name, or adds it.
func set(name, value string) edit {
	return func(h *head) {
		for i := range h.fields {
			if strings.EqualFold(h.fields[i].name, name) {
				h.fields[i] = field{name, value}
				return
			}
		}
		h.fields = append(h.fields, field{name, value})
	}
}

// add adds a field, also if there is one of that name.
func add(name, value string) edit {
	return func(h *head) { h.fields = append(h.fields, field{name, value}) }
}

// del takes away all fields of that name.
func del(name string) edit {
	return func(h *head) {
		h.fields = slices.DeleteFunc(h.fields, func(f field) bool { return strings.EqualFold(f.name, name) })
	}
}

// behind puts bytes right behind the head, in the same write.
func behind(p []byte) edit { return func(h *head) { h.tail = append(h.tail, p...) } }

// pipelined puts frames right behind the head, in the same write.
func pipelined(f ...frame) edit { return func(h *head) { h.frames = append(h.frames, f...) } }

// followed puts a second request right behind the first, in the same write: a
// right one as edited.
func followed(edits ...edit) edit { return func(h *head) { h.second = append([]edit{}, edits...) } }

// halfway plays steps when half of the head is written.
func halfway(then ...Step) edit { return func(h *head) { h.halfway = then } }

// before puts bytes in front of the head, in the same write.
func before(p []byte) edit { return func(h *head) { h.before = append(h.before, p...) } }

// pieces writes the head in pieces of n bytes.
func pieces(n int) edit { return func(h *head) { h.chop = n } }

// colon separates names and values by this instead of a colon and a space.
func colon(text string) edit { return func(h *head) { h.colon = text } }

// each changes every field.
func each(change func(field) field) edit {
	return func(h *head) {
		for i, f := range h.fields {
			h.fields[i] = change(f)
		}
	}
}

// instead puts these bytes in the place of the head.
func instead(p []byte) edit { return func(h *head) { h.raw = p } }

// eol ends the lines of the head with this instead of CR LF.
func eol(text string) edit { return func(h *head) { h.eol = text } }

func (h *head) bytes() []byte {
	if h.raw != nil {
		return slices.Concat(h.before, h.raw, h.tail)
	}
	eol, colon := cmp.Or(h.eol, "\r\n"), cmp.Or(h.colon, ": ")
	var b bytes.Buffer
	b.Write(h.before)
	b.WriteString(h.first + eol)
	for _, f := range h.fields {
		b.WriteString(f.name + colon + f.value + eol)
	}
	b.WriteString(eol)
	b.Write(h.tail)
	return b.Bytes()
}

// say writes a head and what is behind it.
func (s *session) say(h *head) error {
	if h.raw == nil {
		s.note(true, "HTTP "+excerpt([]byte(h.first)))
		s.noteFields(true, h.fields)
	} else {
		s.note(true, "HTTP "+excerpt(h.raw))
	}
	p := append(h.bytes(), s.encode(h.frames)...)
	if h.halfway != nil {
		s.write(p[:len(p)/2])
		p = p[len(p)/2:]
		if err := s.play(h.halfway); err != nil {
			return err
		}
	}
	chop := cmp.Or(h.chop, len(p))
	for q := range slices.Chunk(p, max(chop, 1)) {
		s.write(q)
	}
	return nil
}

// noteFields puts the fields of a head into the trace, but not those that nearly
// every head has, where they are as they should be, and none that may be a secret.
func (s *session) noteFields(sent bool, fields []field) {
	const most, bytes = 20, 200
	count := make(map[string]int)
	for _, f := range fields {
		count[strings.ToLower(f.name)]++
	}
	n := 0
	for _, f := range fields {
		once := count[strings.ToLower(f.name)] == 1
		if s.target != nil && slices.Contains(s.target.Header[f.name], f.value) || strings.EqualFold(f.name, "Set-Cookie") {
			continue
		}
		switch line := f.name + ": " + strings.TrimSpace(f.value); {
		case once && slices.Contains(plainFields, line), s.target != nil && once && line == "Host: "+s.target.Host:
			continue
		case once && (f.name == "Sec-WebSocket-Key" && len(line) == 43 || f.name == "Sec-WebSocket-Accept" && len(line) == 50 || f.name == "Date"):
			continue
		case n == most:
			s.note(sent, "HTTP   and more fields")
			return
		case len(line) > bytes:
			s.note(sent, "HTTP   "+strconv.QuoteToGraphic(line[:bytes])+"…")
		default:
			s.note(sent, "HTTP   "+strconv.QuoteToGraphic(line))
		}
		n++
	}
}

var plainFields = []string{"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"}

// acceptKey is RFC 6455, 4.2.2.
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// open makes the handshake, with a right request or answer as edited, and wants
// it to succeed. Scripts without a step of the handshake begin with an open.
type open struct {
	edits []edit
	check func(s *session, got http.Header) error // also checks the peer's header
}

func opens(edits ...edit) Step { return open{edits: edits} }

// opensWith also checks the peer's header: that of the answer if a server is
// tested, of the request if a client is.
func opensWith(check func(s *session, got http.Header) error, edits ...edit) Step {
	return open{edits, check}
}

// isHandshake reports whether a step begins the connection by itself.
func isHandshake(st Step) bool {
	switch st.(type) {
	case open, asked, asking, replied, requested, bare:
		return true
	}
	return false
}

// bare begins without a handshake: bytes as they come.
type bare struct{ then func(s *session) error }

func (b bare) run(s *session) error {
	s.opened = true
	s.listen(false)
	return b.then(s)
}

func (st open) run(s *session) error {
	if s.opened {
		return nil
	}
	s.opened = true
	if s.bare() {
		if len(st.edits) > 0 || st.check != nil || s.c.Deflate != nil && s.agreed == nil {
			s.listen(false)
			return &finding{verdict: Unimplemented, note: "there is no handshake"}
		}
		s.listen(false)
		return nil
	}
	if s.client {
		return st.request(s)
	}
	return st.answer(s)
}

func (s *session) bare() bool { return s.target != nil && s.target.Bare }

// key is the session's Sec-WebSocket-Key.
func (s *session) key() string {
	var k [16]byte
	for i := range k {
		k[i] = byte(s.random.Uint32())
	}
	return base64.StdEncoding.EncodeToString(k[:])
}

// right is a right request.
func (s *session) right() *head {
	t := s.target
	h := &head{first: "GET {path} HTTP/1.1", fields: []field{
		{"Host", t.Host}, {"Upgrade", "websocket"}, {"Connection", "Upgrade"},
		{"Sec-WebSocket-Key", s.key()}, {"Sec-WebSocket-Version", "13"},
	}}
	for _, name := range slices.Sorted(maps.Keys(t.Header)) {
		for _, v := range t.Header[name] {
			h.fields = append(h.fields, field{name, v})
		}
	}
	if d := s.c.Deflate; d != nil {
		h.fields = append(h.fields, field{"Sec-WebSocket-Extensions", d.Offer})
	}
	return h
}

// ask sends a request and returns the answer's head.
func (s *session) ask(edits []edit) (*head, *http.Response, error) {
	h := s.right()
	for _, e := range edits {
		e(h)
	}
	s.fill(h)
	if h.second != nil {
		next := s.right()
		for _, e := range h.second {
			e(next)
		}
		s.fill(next)
		h.tail = append(h.tail, next.bytes()...)
	}
	s.listen(true)
	err := s.say(h)
	if err != nil {
		return h, nil, err
	}
	p, err := s.peersHead()
	if err != nil {
		return h, nil, err
	}
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(p)), &http.Request{Method: "GET"})
	if err == nil {
		s.reply, err = parseMessage(p)
	}
	if err != nil {
		return h, nil, s.failed("its answer is not HTTP: %s", excerpt(p))
	}
	return h, r, nil
}

// fill puts in what the braces of a head stand for.
func (s *session) fill(h *head) {
	scheme, mark := "http", "?"
	if _, ok := s.conn.(*tls.Conn); ok {
		scheme = "https"
	}
	if strings.Contains(s.target.Path, "?") {
		mark = "&"
	}
	r := strings.NewReplacer("{path}", s.target.Path, "{?}", mark, "{scheme}", scheme, "{host}", s.target.Host, "{HOST}", strings.ToUpper(s.target.Host))
	h.first = r.Replace(h.first)
	for i := range h.fields {
		h.fields[i].value = r.Replace(h.fields[i].value)
	}
}

// peersHead waits for the peer's head.
func (s *session) peersHead() ([]byte, error) {
	select {
	case p := <-s.head:
		if !bytes.HasSuffix(p, []byte("\r\n\r\n")) {
			switch {
			case len(p) == 0:
				return nil, errGone
			case s.client && !bytes.HasPrefix(p, []byte("HTTP/")):
				return nil, s.failed("its answer is not HTTP: %s", excerpt(p))
			}
			return nil, s.failed("its head of HTTP ends too early: %s", excerpt(p))
		}
		return p, nil
	default:
	}
	timer := newTimer(s.wait())
	defer timer.Stop()
	select {
	case p := <-s.head:
		s.head <- p
		return s.peersHead()
	case <-s.done:
		select {
		case p := <-s.head: // both at once
			s.head <- p
			return s.peersHead()
		default:
		}
		if it, err := s.take(0); err == nil && it.end == errLongHead {
			return nil, s.failed("%v", it.end)
		}
		return nil, errGone
	case <-timer.C:
		return nil, s.failed("no head of HTTP came within %v", s.wait())
	}
}

var errGone = fmt.Errorf("it ended the stream instead of answering: %w", io.ErrUnexpectedEOF)

// get is the value of a field, of which there is one.
func (h *head) get(name string) string {
	for _, f := range h.fields {
		if strings.EqualFold(f.name, name) {
			return f.value
		}
	}
	return ""
}

// list is the value of a field that may stand on several lines.
func (h *head) list(name string) string {
	var all []string
	for _, f := range h.fields {
		if strings.EqualFold(f.name, name) {
			all = append(all, f.value)
		}
	}
	return strings.Join(all, ", ")
}

// request is open where a server is tested.
func (st open) request(s *session) error {
	h, r, err := s.ask(st.edits)
	if err != nil {
		return err
	}
	if r.StatusCode != http.StatusSwitchingProtocols {
		return s.failed("it refused a right handshake with %s", r.Status)
	}
	if err := s.answered(h, r.Header); err != nil {
		return err
	}
	if st.check != nil {
		return st.check(s, r.Header)
	}
	return nil
}

// answered checks what every 101 must have. RFC 6455, 4.2.2.
func (s *session) answered(h *head, got http.Header) error {
	const spec = "RFC 6455, 4.2.2"
	one := func(name string) (string, error) {
		if v := got.Values(name); len(v) == 1 {
			return strings.TrimSpace(v[0]), nil
		}
		return "", broke(&rule{"the answer has " + name + " once", spec}, "its answer has %d %s", len(got.Values(name)), name)
	}
	upgrade, err := one("Upgrade")
	if err == nil && !strings.EqualFold(upgrade, "websocket") {
		err = broke(&rule{"Upgrade is websocket", spec}, "its Upgrade is %s", excerpt([]byte(upgrade)))
	}
	if err != nil {
		return err
	}
	if !hasToken(got.Values("Connection"), "upgrade") {
		return broke(&rule{"Connection has the token Upgrade", spec}, "its Connection is %q", got.Values("Connection"))
	}
	accept, err := one("Sec-WebSocket-Accept")
	if err == nil && accept != acceptKey(strings.TrimSpace(h.get("Sec-WebSocket-Key"))) {
		err = broke(&rule{"Sec-WebSocket-Accept is made of the key", spec}, "its Sec-WebSocket-Accept is wrong")
	}
	if err != nil {
		return err
	}
	if selected := got.Values("Sec-WebSocket-Protocol"); len(selected) > 0 {
		offered := h.list("Sec-WebSocket-Protocol")
		if len(selected) > 1 || !slices.Contains(split(offered), selected[0]) || !isToken(selected[0]) {
			return broke(&rule{"only a subprotocol that was offered is selected, once", spec}, "it selected subprotocol %q of %q", selected, offered)
		}
	}
	extensions, offered := strings.Join(got.Values("Sec-WebSocket-Extensions"), ", "), h.list("Sec-WebSocket-Extensions")
	if extensions == "" {
		if s.c.Deflate != nil {
			return &finding{verdict: Unimplemented, note: "it does not agree to " + s.c.Deflate.Offer}
		}
		return nil
	}
	if offered == "" {
		return broke(&rule{"only extensions that were offered are accepted", spec}, "it accepted %s", excerpt([]byte(extensions)))
	}
	if s.agreed, err = agree(extensions, offered); err != nil {
		return broke(&rule{"the answer fits an offer of permessage-deflate", "RFC 7692, 5 and 7.1"}, "its extensions are wrong: %v", err)
	}
	return nil
}

// split are the members of a list.
func split(list string) []string {
	var all []string
	for t := range strings.SplitSeq(list, ",") {
		if t = strings.Trim(t, " \t"); t != "" {
			all = append(all, t)
		}
	}
	return all
}

// isToken: RFC 9110, 5.6.2.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// hasToken reports whether a list of tokens has one, whatever its case.
func hasToken(values []string, token string) bool {
	for _, v := range values {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(t), strings.TrimSpace(token)) {
				return true
			}
		}
	}
	return false
}

// request of the client's, parsed, while a client is tested.
func (s *session) requestHead() (*http.Request, error) {
	p, err := s.peersHead()
	if err != nil {
		return nil, err
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(p)))
	if err != nil {
		return nil, s.failed("its request is not HTTP: %s", excerpt(p))
	}
	return r, nil
}

// rightAnswer is a right answer to r.
func (s *session) rightAnswer(r *http.Request) (*head, error) {
	h := &head{first: "HTTP/1.1 101 Switching Protocols", fields: []field{
		{"Upgrade", "websocket"}, {"Connection", "Upgrade"},
		{"Sec-WebSocket-Accept", acceptKey(r.Header.Get("Sec-WebSocket-Key"))},
	}}
	if d := s.c.Deflate; d != nil {
		answer, a, err := answerTo(strings.Join(r.Header.Values("Sec-WebSocket-Extensions"), ", "), d.Answer)
		if err != nil {
			return h, &finding{verdict: Unimplemented, note: err.Error()}
		}
		s.agreed = a
		h.fields = append(h.fields, field{"Sec-WebSocket-Extensions", answer})
	}
	return h, nil
}

const deflateName = "permessage-deflate"

// answer is open where a client is tested.
func (st open) answer(s *session) error {
	r, err := s.requestHead()
	if err != nil {
		return err
	}
	h, unfit := s.rightAnswer(r)
	for _, e := range st.edits {
		e(h)
	}
	if unfit != nil { // it gets a plain connection, and an orderly end
		s.say(h)
		if err := (end{}).run(s); err != nil {
			return err
		}
		return unfit
	}
	if st.check != nil {
		if err := st.check(s, r.Header); err != nil {
			return err
		}
	}
	return s.say(h)
}
