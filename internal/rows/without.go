package rows

// What rows wait for.
const (
	http2   = "HTTP/2 is not offered yet"
	http3   = "HTTP/3 is not offered yet"
	cluster = "a hub has one node yet"
	admin   = "there is no administration over the network, and no status page"
	budget  = "nothing bounds the memory of all connections together yet; their number (limits.connections) and what each may hold do"
)

// Without are the rows, or families, that have no test, and why.
var Without = map[string]string{
	"H2-": http2, "H3-": http3,
	"HB11": cluster, "HB12": cluster, "HB13": cluster, "HB14": cluster, "HB15": cluster, "HB17": cluster, "HB18": cluster, "HB19": cluster, "HB20": cluster, "HB21": cluster, "HB22": cluster,

	"FR34": budget, "RX4": budget, "RX5": budget,
	"H1-13": "nothing here reads multipart bodies",
	"H1-17": "http.CrossOriginProtection is not used; patterns of origins are AU3",
	"TL9":   http2 + "; with HTTP/1 a connection carries what its client says, and hosts without a route get 421",
	"RX9":   "there are no metrics yet",
	"RX12":  "maps of Go are seeded",
	"RX14":  "Socket.IO is not spoken",
	"CF7":   admin, "CF8": admin, "CF9": admin, "CF14": admin,
	"CF16": "the server does not start another of itself; descriptors come from systemd alone",

	// In part.
	"EX6":  "a program that makes a session of its own is out of reach; a unit of systemd ends it with the server",
	"EX15": "limits of resources, chroot and Landlock are left to what starts the server, see docs/decisions/0007",
	"CF3":  "there are no metrics yet",
	"RX10": "nothing counts the lines that could not be written",
	"RX15": "what idle connections cost is measured by bench/load",
	"RX17": "timeouts.write takes the place of TCP_USER_TIMEOUT",
}
