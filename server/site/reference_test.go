package site

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

//go:generate go test -run ^TestReference$ -update .

// TestReference: docs/settings.md is what the definitions say; go generate writes
// it.
func TestReference(t *testing.T) {
	golden(t, "../../docs/settings.md", reference())
	if _, err := Parse("site.json5", []byte(example)); err != nil {
		t.Errorf("the example of the page:\n%v", err)
	}
}

const example = `{
    listen: ['127.0.0.1:8080', 'https://:8443'],
    tls: { certificate: 'site.pem', key: 'site.key' },

    // What every route inherits unless it says otherwise:
    limits:     { maxMessage: '1 MB', maxFrame: '128 KB' },
    timeouts:   { inactivity: '5 mins', request: 'unlimited' },
    webSockets: { ping: '25 s', compression: true },

    routes: [
        { match: '/echo', handler: 'echo', webSockets: { protocol: 'chat' } },
        { match: '/old/{page}', handler: 'redirect', redirect: { to: '/new/${page}', status: 308 } },
        { match: '/health', handler: 'respond', respond: { body: 'fine' } },
        { match: '/hub/', handler: 'hub' },
        { match: '/', handler: 'static', static: { directory: './public' } },
    ],

    // What the handler hub leads to: the channels room:1, room:lobby and so on.
    hub: { namespaces: { room: { history: { size: 1000, age: '10 min' }, presence: true } } },
}
`

// reference writes the page.
func reference() string {
	var b strings.Builder
	site, route := new(Site).fields(), newRoute()
	shared := walk("", route.fields())
	inRoute := func(path string) bool {
		return slices.ContainsFunc(shared, func(e entry) bool { return e.path == path && e.to != nil })
	}

	b.WriteString(opening)
	b.WriteString("\n```json5\n" + example + "```\n\n" + rules)
	b.WriteString("\n## Values\n\n" + values)

	b.WriteString("\n## Top level\n\n")
	table(&b, walk("", site), func(e entry) bool { return !inRoute(e.path) && e.to != nil })

	b.WriteString("\n## Top level and routes\n\nA route inherits each of these from the top level, key by key, unless it says it itself.\n\n")
	table(&b, walk("", site), func(e entry) bool { return inRoute(e.path) })

	b.WriteString("\n## Routes\n\n`routes` is a list of objects. The first one in the order of the file that matches by host, path and method answers.\n\n")
	table(&b, shared, func(e entry) bool {
		return e.to != nil && !slices.ContainsFunc(walk("", site), func(s entry) bool { return s.path == e.path && s.to != nil })
	})

	b.WriteString("\n## Handlers\n\nThe settings of a handler stand in an object of its name.\n")
	for _, f := range route.handlerFields() {
		if f.to == nil {
			continue
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s\n", f.name, f.doc)
		if g := f.to.(group); len(g.fields()) > 0 {
			b.WriteString("\n")
			table(&b, walk(f.name+".", g.fields()), func(entry) bool { return true })
		}
	}

	return b.String()
}

// table writes a row for each entry that is wanted, but for groups that mean nothing
// by themselves.
func table(b *strings.Builder, list []entry, wanted func(entry) bool) {
	b.WriteString("| key | values | default | meaning |\n|---|---|---|---|\n")
	for _, e := range list {
		if _, isGroup := e.to.(nested); isGroup && !strings.Contains(e.path, ".") || !wanted(e) {
			continue
		}
		def := e.none
		switch {
		case e.required:
			def = "required"
		case e.def != "":
			def = "`" + e.def + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", e.path, e.to.what(), def, e.doc)
	}
}

const opening = `# Settings

What a site file can say. This page is made from the definitions in
server/site by ` + "`go generate ./site`" + ` in the folder server; a test fails when it is
stale.
`

const rules = `The file is JSON5: JSON with comments, trailing commas, names without quotes,
single quotes, hexadecimal numbers and texts over several lines. It is UTF-8, of
1 MiB at most, and at most 64 brackets deep. Relative paths in it start at its
own folder.

Everything is checked before anything is served. Unknown keys, keys given twice,
wrong types and unknown units are errors. All errors of a file are reported at
once, each with its place, the path of the key, what was found and what would be
right:

` + "```text" + `
site.json5:5:19: limits.maxMesage: unknown key; did you mean 'maxMessage'?
site.json5:6:31: timeouts.inactivity: '0' is not a time; for no limit write 'unlimited'
` + "```\n"

const values = `| values | written |
|---|---|
| time | ` + "`'500 ms'`, `'30 s'`, `'5 mins'`, `'2 hrs'`, `'1 day'`, `'2 weeks'`, `'1m30s'`, `'1.5h'`" + `, or a number of seconds. Units: ms; s, sec, secs, second, seconds; min, mins, minute, minutes; h, hr, hrs, hour, hours; day, days; week, weeks. A bare m for minutes only right behind the digits (` + "`'5m'`" + `) |
| size | ` + "`'64 KB'`, `'64K'`, `'1MB'`, `'1 GB'`" + `, or a number of bytes. Units, in upper or lower case: K and KB are 1024 bytes, M and MB 1024 KB, G and GB 1024 MB |
| unlimited | ` + "`'unlimited'`, `'infinite'`, `'never'` or `'none'`" + `, whichever reads best; 0 is an error |
| list | one value, or several in brackets |
| object | keys with values, in braces |

Values that are negative, that are too large, and fractions of a byte are errors.
`
