package rows

import "fmt"

// A Family is the rows of one subject: ID1 to IDn.
type Family struct {
	ID    string
	Rows  int
	About string
}

// Families are all rows.
var Families = []Family{
	{"HS", 45, "opening handshakes"},
	{"FR", 40, "frames"},
	{"CL", 20, "closing"},
	{"U", 13, "UTF-8"},
	{"PD", 28, "compression"},
	{"H1-", 17, "HTTP/1"},
	{"SF", 12, "files and paths"},
	{"H2-", 25, "HTTP/2"},
	{"H3-", 4, "HTTP/3"},
	{"TL", 14, "TLS"},
	{"RX", 20, "exhaustion"},
	{"SL", 10, "slow peers"},
	{"HB", 24, "the hub and its nodes"},
	{"FB", 16, "WebSockets over plain HTTP"},
	{"AU", 20, "users and origins"},
	{"EX", 18, "programs as handlers"},
	{"RP", 20, "the proxy"},
	{"CF", 17, "site files, administration, logs"},
	{"CC", 22, "the client and the command line"},
}

// IDs returns those of a family.
func (f Family) IDs() []string {
	var ids []string
	for i := range f.Rows {
		ids = append(ids, fmt.Sprintf("%s%d", f.ID, i+1))
	}
	return ids
}
