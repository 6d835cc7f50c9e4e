package site

import "crypto/tls"

// A TLS is what the listeners with https need.
type TLS struct {
	// Certificates has at least one; the one for the name that a client asks
	// for is chosen, else the first.
	Certificates []Certificate

	// MinVersion is tls.VersionTLS12 or tls.VersionTLS13.
	MinVersion Setting[uint16]

	// ClientCA is a PEM file with the authorities of which a client needs a
	// certificate; "": it needs none.
	ClientCA Setting[string]

	From Place
}

// A Certificate is a pair of PEM files.
type Certificate struct {
	Certificate Setting[string] // the chain, the server's own first
	Key         Setting[string]
}

// fields are the keys of one object of tls: those of a certificate, and those
// that hold for all.
func (t *TLS) fields(c *Certificate) []field {
	list := []field{
		{name: "certificate", to: fileName(&c.Certificate, "file"), required: true, none: "'site.pem'",
			doc: "A PEM file with the certificate, then those between it and the root. Read again when it changes."},
		{name: "key", to: fileName(&c.Key, "file"), required: true, none: "'site.key'",
			doc: "A PEM file with the private key."},
		{name: "minVersion", to: tlsVersion(&t.MinVersion), def: `'1.2'`,
			doc: "The oldest TLS that is spoken: `'1.2'` or `'1.3'`. In a list it holds for all."},
		{name: "clientCA", to: fileName(&t.ClientCA, "file"), none: "none",
			doc: "A PEM file with the certificates of authorities: every client needs a certificate of one of them, or gets no connection. " +
				"Read at the start and at each reload. In a list it holds for all."},
	}
	return append(list, later("acme")...)
}

// A tlsBinding reads tls: an object or a list of objects.
type tlsBinding struct{ p **TLS }

func (*tlsBinding) what() string    { return "object or a list" }
func (*tlsBinding) fields() []field { return new(TLS).fields(new(Certificate)) }

func (b *tlsBinding) read(d *decoder, n *Node) {
	t := &TLS{From: d.at(n)}
	items := n.Items
	if n.Kind != Array {
		items = []*Node{n}
	}
	if len(items) == 0 {
		d.fail(n, "found an empty list", "leave the key out, or add { certificate: 'site.pem', key: 'site.key' }")
		return
	}
	d.defaults(t.fields(new(Certificate)))
	for i, item := range items {
		mark := len(d.path.text)
		if n.Kind == Array {
			d.path.index(i)
		}
		var c Certificate
		var own TLS
		d.object(item, own.fields(&c))
		once(d, &t.MinVersion, own.MinVersion)
		once(d, &t.ClientCA, own.ClientCA)
		t.Certificates = append(t.Certificates, c)
		d.path.pop(mark)
	}
	*b.p = t
}

// once takes a setting of one of several objects, for all of which it holds.
func once[T comparable](d *decoder, p *Setting[T], found Setting[T]) {
	switch {
	case !found.Set():
	case p.Set() && p.Value != found.Value:
		d.failAt(found.From, "this differs from "+p.From.Path, "give it once; it holds for all")
	default:
		*p = found
	}
}

func (b *tlsBinding) tell(key, none string) []InForce {
	t := *b.p
	if t == nil {
		return []InForce{{Key: key, Value: none}}
	}
	var list []InForce
	for i := range t.Certificates {
		for _, f := range t.fields(&t.Certificates[i]) {
			if to, ok := f.to.(teller); ok && (i == 0 || f.name == "certificate" || f.name == "key") {
				list = append(list, to.tell(key+"."+f.name, f.none)...)
			}
		}
	}
	return list
}

func (b *tlsBinding) schema() keywords {
	one := objectSchema(b.fields())
	return keywords{"anyOf": []any{one, keywords{"type": "array", "items": one, "minItems": 1}}}
}

// tlsVersions are the words of minVersion.
var tlsVersions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// tlsVersion binds a version of TLS.
func tlsVersion(p *Setting[uint16]) binding {
	return scalar[uint16]{p, "`'1.2'`, `'1.3'`", func(d *decoder, n *Node) (uint16, bool) {
		v, ok := tlsVersions[n.Text]
		switch {
		case n.Kind == Number && ok:
			d.fail(n, "found "+n.describe(), "write it in quotes: '"+n.Text+"'")
			return 0, false
		case n.Kind != String || !ok:
			d.wrongKind(n, "'1.2' or '1.3'")
			return 0, false
		}
		return v, true
	}}
}
