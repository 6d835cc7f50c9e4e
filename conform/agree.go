package conform

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// An agreement is what was negotiated on permessage-deflate. RFC 7692, 7.
type agreement struct {
	serverNoContext, clientNoContext bool
	serverBits, clientBits           int // 8 to 15

	// What a client said in its offer of itself, and a server may ignore: whether
	// it keeps its context, and the window that it does not go beyond. They are
	// promises, but do not bind: RFC 7692, 7.1.1.2, 7.1.2.2 and 7.2.2.
	hintNoContext bool
	hintBits      int
}

// An extension is a member of Sec-WebSocket-Extensions.
type extension struct {
	name   string
	params []param
}

type param struct {
	name, value string
	has         bool // has a value
}

// parseExtensions reads the field as RFC 6455, 9.1 has it, except that empty
// members may stand in the list (RFC 9110, 5.6.1).
func parseExtensions(text string) ([]extension, error) {
	var all []extension
	for _, member := range cutQuoted(text, ',') {
		if strings.TrimSpace(member) == "" {
			continue
		}
		parts := cutQuoted(member, ';')
		e := extension{name: strings.TrimSpace(parts[0])}
		if !isToken(e.name) {
			return nil, fmt.Errorf("extension %s is no token", excerpt([]byte(e.name)))
		}
		for _, part := range parts[1:] {
			var p param
			p.name, p.value, p.has = strings.Cut(part, "=")
			p.name, p.value = strings.TrimSpace(p.name), strings.TrimSpace(p.value)
			if n := len(p.value); n >= 2 && p.value[0] == '"' && p.value[n-1] == '"' {
				p.value = strings.ReplaceAll(p.value[1:n-1], `\`, "")
			}
			if !isToken(p.name) || p.has && !isToken(p.value) {
				return nil, fmt.Errorf("parameter %s is malformed", excerpt([]byte(part)))
			}
			e.params = append(e.params, p)
		}
		all = append(all, e)
	}
	return all, nil
}

// cutQuoted cuts at sep, but not within quotes.
func cutQuoted(text string, sep byte) []string {
	var parts []string
	start, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quoted:
			i++
		case text[i] == '"':
			quoted = !quoted
		case text[i] == sep && !quoted:
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	return append(parts, text[start:])
}

// terms are the parameters of an offer or an answer.
type terms struct {
	serverNoContext, clientNoContext bool
	serverBits, clientBits           int  // 0: none, or without a value
	hasClientBits                    bool // perhaps without a value
}

// readTerms says what is wrong with an offer, or else an answer. RFC 7692, 7.1.
func readTerms(e extension, offer bool) (t terms, err error) {
	if !strings.EqualFold(e.name, deflateName) {
		return t, fmt.Errorf("extension %s was not offered", excerpt([]byte(e.name)))
	}
	seen := make(map[string]bool)
	for _, p := range e.params {
		if seen[p.name] {
			return t, fmt.Errorf("parameter %s stands twice", p.name)
		}
		seen[p.name] = true
		bits := 0
		switch p.name {
		case "server_no_context_takeover", "client_no_context_takeover":
			if p.has {
				return t, fmt.Errorf("%s has a value", p.name)
			}
		case "server_max_window_bits", "client_max_window_bits":
			if !p.has && offer && p.name[0] == 'c' {
				break
			}
			if bits, err = strconv.Atoi(p.value); err != nil || bits < 8 || bits > 15 || p.value != strconv.Itoa(bits) {
				return t, fmt.Errorf("%s has value %q", p.name, p.value)
			}
		default:
			return t, fmt.Errorf("parameter %s is unknown", excerpt([]byte(p.name)))
		}
		switch p.name {
		case "server_no_context_takeover":
			t.serverNoContext = true
		case "client_no_context_takeover":
			t.clientNoContext = true
		case "server_max_window_bits":
			t.serverBits = bits
		case "client_max_window_bits":
			t.clientBits, t.hasClientBits = bits, true
		}
	}
	return t, nil
}

// rightOffers are those of a field that a server may agree to.
func rightOffers(field string) []terms {
	all, err := parseExtensions(field)
	if err != nil {
		return nil
	}
	var right []terms
	for _, e := range all {
		if t, err := readTerms(e, true); err == nil {
			right = append(right, t)
		}
	}
	return right
}

// agree reads the answer to an offer, or to several. An error says what is wrong
// with it.
func agree(answer, offers string) (*agreement, error) {
	all, err := parseExtensions(answer)
	if err != nil {
		return nil, err
	}
	if len(all) != 1 {
		return nil, fmt.Errorf("it has %d extensions: %s", len(all), excerpt([]byte(answer)))
	}
	t, err := readTerms(all[0], false)
	if err != nil {
		return nil, err
	}
	err = fmt.Errorf("it is %s, where no offer may be agreed to", excerpt([]byte(answer)))
	for i, offer := range rightOffers(offers) {
		unfit := t.unfit(offer)
		if unfit == nil {
			return t.agreed(offer), nil
		}
		if i == 0 {
			err = unfit
		}
	}
	return nil, err
}

// unfit says why t cannot be the answer to an offer.
func (t terms) unfit(offer terms) error {
	switch {
	case offer.serverNoContext && !t.serverNoContext:
		return fmt.Errorf("it lacks server_no_context_takeover (RFC 7692, 7.1.1.1)")
	case offer.serverBits != 0 && t.serverBits == 0:
		return fmt.Errorf("it lacks server_max_window_bits (RFC 7692, 7.1.2.1)")
	case offer.serverBits != 0 && t.serverBits > offer.serverBits:
		return fmt.Errorf("it has server_max_window_bits=%d for an offer of %d (RFC 7692, 7.1.2.1)", t.serverBits, offer.serverBits)
	case t.hasClientBits && !offer.hasClientBits:
		return fmt.Errorf("client_max_window_bits was not offered (RFC 7692, 7.1.2.2)")
	}
	return nil
}

// agreed is what an answer that fits an offer means.
func (t terms) agreed(offer terms) *agreement {
	a := &agreement{
		serverNoContext: t.serverNoContext,
		clientNoContext: t.clientNoContext,
		serverBits:      cmp.Or(t.serverBits, 15),
		clientBits:      cmp.Or(t.clientBits, 15),
	}
	a.hintNoContext = a.clientNoContext || offer.clientNoContext
	a.hintBits = min(a.clientBits, cmp.Or(offer.clientBits, 15))
	return a
}

func (t terms) String() string {
	text := deflateName
	if t.serverNoContext {
		text += "; server_no_context_takeover"
	}
	if t.clientNoContext {
		text += "; client_no_context_takeover"
	}
	if t.serverBits != 0 {
		text += "; server_max_window_bits=" + strconv.Itoa(t.serverBits)
	}
	if t.clientBits != 0 {
		text += "; client_max_window_bits=" + strconv.Itoa(t.clientBits)
	}
	return text
}

// answerTo fits an answer that we would like to give, or the first of several, to
// what a client offers.
func answerTo(offers, wished string) (answer string, a *agreement, err error) {
	all, err := parseExtensions(wished)
	if err != nil {
		return "", nil, err
	}
	right := rightOffers(offers)
	for _, e := range all {
		t, err := readTerms(e, false)
		if err != nil {
			return "", nil, err
		}
		i := slices.IndexFunc(right, func(offer terms) bool { return !t.hasClientBits || offer.hasClientBits })
		if i < 0 {
			continue
		}
		offer := right[i]
		t.serverNoContext = t.serverNoContext || offer.serverNoContext
		// It need not be repeated, as most servers do; some clients insist on it. The
		// cases that ask for that answer literally.
		t.clientNoContext = t.clientNoContext || offer.clientNoContext
		if offer.serverBits != 0 {
			t.serverBits = min(cmp.Or(t.serverBits, 15), offer.serverBits)
		}
		if offer.clientBits != 0 && t.clientBits != 0 {
			t.clientBits = min(t.clientBits, offer.clientBits)
		}
		return t.String(), t.agreed(offer), nil
	}
	return "", nil, fmt.Errorf("it does not offer what %s answers", wished)
}
