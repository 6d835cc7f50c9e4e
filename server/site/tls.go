package site

import (
	"crypto/tls"
	"net/url"
	"strings"
)

// A TLS is what the listeners with https need.
type TLS struct {
	// The one for the name that a client asks for is chosen, else the first.
	// There may be none if there is an ACME.
	Certificates []Certificate

	// ACME says where further certificates come from; nil: nowhere.
	ACME *ACME

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

// An ACME is an authority that gives certificates by RFC 8555.
type ACME struct {
	Domains   Setting[[]string] // in lower case, without wildcards
	Email     Setting[string]   // "": none
	Directory Setting[string]   // an https URL
	Cache     Setting[string]   // a folder
	From      Place
}

// fields are the keys of one object of tls: those of a certificate, and those
// that hold for all.
func (t *TLS) fields(c *Certificate) []field {
	return []field{
		{name: "certificate", to: fileName(&c.Certificate, "file"), none: "required without `acme`",
			doc: "A PEM file with the certificate, then those between it and the root. Read again when it changes."},
		{name: "key", to: fileName(&c.Key, "file"), none: "required without `acme`",
			doc: "A PEM file with the private key."},
		{name: "minVersion", to: tlsVersion(&t.MinVersion), def: `'1.2'`,
			doc: "The oldest TLS that is spoken: `'1.2'` or `'1.3'`. In a list it holds for all."},
		{name: "clientCA", to: fileName(&t.ClientCA, "file"), none: "none",
			doc: "A PEM file with the certificates of authorities: every client needs a certificate of one of them, or gets no connection. " +
				"Read at the start and at each reload. In a list it holds for all."},
		{name: "acme", to: acmeBinding{&t.ACME}, none: "none",
			doc: "An authority that gives certificates by itself (RFC 8555), such as Let's Encrypt, whose terms of service this agrees to. " +
				"A certificate is fetched when a client first asks for its name, and anew before it ends."},
	}
}

func (a *ACME) fields() []field {
	return []field{
		{name: "domains", to: texts(&a.Domains, "host", checkDomain), required: true, none: "'example.com'",
			doc: "The names that certificates are fetched for, one for each; others are refused. The authority must reach us at each: " +
				"at port 443 (TLS-ALPN-01), or without TLS at port 80 (HTTP-01)."},
		{name: "email", to: text(&a.Email, "address", checkEmail), none: "none",
			doc: "Where the authority writes to if something is wrong with a certificate."},
		{name: "directory", to: text(&a.Directory, "URL", checkDirectory), def: `'https://acme-v02.api.letsencrypt.org/directory'`,
			doc: "Where the authority is."},
		{name: "cache", to: fileName(&a.Cache, "folder"), required: true, none: "'./acme'",
			doc: "Where the account and the certificates are kept, with their keys: a folder that only the server may read. Authorities give only a few certificates a week for one name."},
	}
}

// checkDomain checks a name that a certificate is fetched for.
func checkDomain(s string) (string, error) {
	host, err := checkHost(s)
	switch {
	case err != nil:
		return "", err
	case strings.HasPrefix(host, "*"):
		return "", problem(quote(s)+" is a wildcard", "each name is written out: an authority gives no wildcard without control of the DNS")
	case strings.HasPrefix(host, "[") || isAddress(host):
		return "", problem(quote(s)+" is an address", "a name is wanted")
	}
	return host, nil
}

func checkEmail(s string) error {
	if name, host, _ := strings.Cut(s, "@"); name == "" || host == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7F }) || strings.ContainsAny(s, ",?:") {
		return problem(quote(s)+" is not an address", "write it such as 'you@example.com'")
	}
	return nil
}

func checkDirectory(s string) error {
	if u, err := url.Parse(s); err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return problem(quote(s)+" is not the directory of an authority", "a URL with https is wanted")
	}
	return nil
}

// An acmeBinding reads acme.
type acmeBinding struct{ p **ACME }

func (acmeBinding) what() string { return "object" }

func (b acmeBinding) fields() []field {
	if *b.p == nil {
		return new(ACME).fields()
	}
	return (*b.p).fields()
}

func (b acmeBinding) read(d *decoder, n *Node) {
	a := &ACME{From: d.at(n)}
	d.defaults(a.fields())
	d.object(n, a.fields())
	if a.Domains.Set() && len(a.Domains.Value) == 0 {
		d.failAt(a.Domains.From, "found an empty list", "write the names of this server")
	}
	*b.p = a
}

func (b acmeBinding) tell(key, none string) []InForce {
	if *b.p == nil {
		return []InForce{{Key: key, Value: none}}
	}
	var list []InForce
	for _, f := range (*b.p).fields() {
		list = append(list, f.to.(teller).tell(key+"."+f.name, f.none)...)
	}
	return list
}

func (b acmeBinding) schema() keywords { return objectSchema(b.fields()) }

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
		switch {
		case own.ACME == nil:
		case t.ACME != nil:
			d.failAt(own.ACME.From, "this stands in "+t.ACME.From.Path+" already", "give it once, with all domains")
		default:
			t.ACME = own.ACME
		}
		if needs(d, item) {
			t.Certificates = append(t.Certificates, c)
		}
		d.path.pop(mark)
	}
	*b.p = t
}

// needs reports whether an object of tls is about a certificate, which then is
// complete: with acme there may be none.
func needs(d *decoder, item *Node) bool {
	if item.Kind != Object {
		return true
	}
	certificate, key := item.member("certificate"), item.member("key")
	if certificate == nil && key == nil && item.member("acme") != nil {
		return false
	}
	missing := func(name, file string) {
		mark := d.path.push(name)
		d.fail(item, "this key is missing", "add "+name+": '"+file+"'")
		d.path.pop(mark)
	}
	if certificate == nil && d.whole {
		missing("certificate", "site.pem")
	}
	if key == nil && d.whole {
		missing("key", "site.key")
	}
	return true
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
		for _, f := range t.fields(&t.Certificates[i])[:2] {
			list = append(list, f.to.(teller).tell(key+"."+f.name, f.none)...)
		}
	}
	for _, f := range t.fields(new(Certificate))[2:] {
		list = append(list, f.to.(teller).tell(key+"."+f.name, f.none)...)
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
