package deflate

import (
	"strings"
	"testing"
)

// readParams reads "a; b=c" as somebody else's parser would.
func readParams(s string) (list []Param) {
	for p := range strings.SplitSeq(s, ";") {
		if p = strings.TrimSpace(p); p == "" {
			continue
		}
		name, value, has := strings.Cut(p, "=")
		list = append(list, Param{Name: name, Value: strings.Trim(value, `"`), Bare: !has})
	}
	return list
}

// readOffers reads "a; b=c, d".
func readOffers(s string) (offers [][]Param) {
	for o := range strings.SplitSeq(s, ",") {
		offers = append(offers, readParams(o))
	}
	return offers
}

const (
	snc  = "server_no_context_takeover"
	cnc  = "client_no_context_takeover"
	smwb = "server_max_window_bits"
	cmwb = "client_max_window_bits"
)

// both allows both sides everything.
var both = Config{ServerContext: true, ClientContext: true}

func TestAccept(t *testing.T) {
	none := Config{}
	small := Config{ServerContext: true, ClientContext: true, WindowBits: 10}
	for _, c := range []struct {
		name   string
		config Config
		offers string // without the name
		answer string // ditto
		want   Params
	}{
		// RFC 7692, 7.1.1.1 and 7.1.1.2: what the client asks is granted, what we
		// do not want is ruled out unasked.
		{"nothing asked", both, "", "", Params{false, false, 15, 15}},
		{"nothing asked, no context", none, "", snc + "; " + cnc, Params{true, true, 15, 15}},
		{"server context only", Config{ServerContext: true}, "", cnc, Params{false, true, 15, 15}},
		{"client context only", Config{ClientContext: true}, "", snc, Params{true, false, 15, 15}},
		{"P3 server without context", both, snc, snc, Params{true, false, 15, 15}},
		{"P4 client without context", both, cnc, cnc, Params{false, true, 15, 15}},
		{"both without context", both, cnc + ";" + snc, snc + "; " + cnc, Params{true, true, 15, 15}},

		// Browsers. Chromium fails on client_max_window_bits without a value,
		// Firefox on server_max_window_bits that it did not ask for.
		{"Chromium", none, cmwb, snc + "; " + cnc, Params{true, true, 15, 15}},
		{"Chromium, small window", small, cmwb, cmwb + "=10", Params{false, false, 10, 10}},
		{"Firefox, small window", small, "", "", Params{false, false, 10, 15}},

		// RFC 7692, 7.1.2.1. PD16: whatever is asked is honoured.
		{"PD16 P5 8 bits", both, smwb + "=8", smwb + "=8", Params{false, false, 8, 15}},
		{"PD16 9 bits", both, smwb + "=9", smwb + "=9", Params{false, false, 9, 15}},
		{"PD16 15 bits", both, smwb + "=15", smwb + "=15", Params{false, false, 15, 15}},
		{"PD16 more than we use", small, smwb + "=12", smwb + "=10", Params{false, false, 10, 15}},
		{"PD16 less than we use", small, smwb + "=9", smwb + "=9", Params{false, false, 9, 15}},
		{"RFC 7.1.2.1 quoted", both, smwb + `="10"`, smwb + "=10", Params{false, false, 10, 15}},

		// RFC 7692, 7.1.2.2.
		{"P7 client may be limited", both, cmwb, "", Params{false, false, 15, 15}},
		{"client limits itself", both, cmwb + "=10", cmwb + "=10", Params{false, false, 15, 10}},
		{"client limits itself to the most", both, cmwb + "=15", cmwb + "=15", Params{false, false, 15, 15}},
		{"client limits itself more than we do", small, cmwb + "=8", cmwb + "=8", Params{false, false, 10, 8}},
		{"client limits itself less than we do", small, cmwb + "=12", cmwb + "=10", Params{false, false, 10, 10}},
		{"P6 client cannot be limited", small, snc, snc, Params{true, false, 10, 15}},
		{"all four", both, smwb + "=11; " + cmwb + "=12;" + cnc + ";" + snc,
			snc + "; " + cnc + "; " + smwb + "=11; " + cmwb + "=12", Params{true, true, 11, 12}},

		// PD14 P14: the first that can be accepted. RFC 7692, 7, has both.
		{"PD14 first of two", both, cmwb + ", " + snc, "", Params{false, false, 15, 15}},
		{"PD14 RFC 5.1 fallback", both, "foo; " + smwb + "=10, " + snc, snc, Params{true, false, 15, 15}},
		{"PD14 RFC 7 two offers", both, cmwb + "; " + smwb + "=10, " + cmwb, smwb + "=10", Params{false, false, 10, 15}},
		{"PD14 third", both, smwb + "=7, " + cmwb + "=16, " + cnc, cnc, Params{false, true, 15, 15}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, answer, ok := c.config.Accept(readOffers(c.offers))
			want := Name
			if c.answer != "" {
				want += "; " + c.answer
			}
			if !ok || answer != want || p != c.want {
				t.Errorf("offers %q:\ngot  %q, %+v, %v\nwant %q, %+v", c.offers, answer, p, ok, want, c.want)
			}
		})
	}
}

// TestPD12_Declined: each of these declines its offer, alone and when another
// follows, which is accepted.
func TestPD12_Declined(t *testing.T) {
	bad := []string{
		"unknown", "unknown=1", "mode", // PD15: of x-webkit-deflate-frame and others
		snc + "; " + snc, cnc + "; " + cnc, smwb + "=10; " + smwb + "=10", smwb + "=10; " + smwb + "=11",
		cmwb + "; " + cmwb, cmwb + "; " + cmwb + "=10", cmwb + "=10; " + cmwb,
		snc + "=1", snc + "=", snc + "=true", cnc + "=0", cnc + `=""`,
		smwb, // an offer without a value is invalid: 7.1.2.1
		"Server_no_context_takeover", "CLIENT_MAX_WINDOW_BITS",
	}
	for _, v := range []string{"7", "16", "0", "08", "015", "abc", "", "-1", "+9", "15.0", "1e1", "0x9", "10 ", " 10", "150", "1", "٩", "99999999999999999999"} {
		bad = append(bad, smwb+"="+v, cmwb+"="+v)
	}
	for _, s := range bad {
		t.Run(s, func(t *testing.T) {
			o := readParams(s)
			if strings.Contains(s, " 10") || strings.Contains(s, "10 ") { // readParams trims
				name, value, _ := strings.Cut(s, "=")
				if !strings.Contains(value, ";") && !strings.Contains(s, ";") {
					o = []Param{{Name: name, Value: value}}
				}
			}
			if p, answer, ok := both.Accept([][]Param{o}); ok || answer != "" || p != (Params{}) {
				t.Errorf("%q was accepted: %q", s, answer)
			}
			if _, answer, ok := both.Accept([][]Param{o, nil}); !ok || answer != Name {
				t.Errorf("the offer behind %q was not accepted: %q, %v", s, answer, ok)
			}
			if _, answer, ok := both.Accept([][]Param{nil, o}); !ok || answer != Name {
				t.Errorf("the offer before %q was not accepted: %q, %v", s, answer, ok)
			}
			if _, err := both.Confirm(o); err == nil {
				t.Errorf("PD13: %q was confirmed", s)
			}
		})
	}
	if _, answer, ok := both.Accept(nil); ok || answer != "" {
		t.Error("no offer was accepted")
	}
}

func TestOffer(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{}, snc + "; " + cnc + "; " + cmwb},
		{both, cmwb},
		{Config{ServerContext: true}, cnc + "; " + cmwb},
		{Config{ClientContext: true, WindowBits: 15}, snc + "; " + cmwb},
		{Config{ServerContext: true, ClientContext: true, WindowBits: 9}, smwb + "=9; " + cmwb + "=9"},
		{Config{WindowBits: 12}, snc + "; " + cnc + "; " + smwb + "=12; " + cmwb + "=12"},
		{Config{ServerContext: true, ClientContext: true, WindowBits: 7}, cmwb},
	} {
		if got := c.config.Offer(); got != Name+"; "+c.want {
			t.Errorf("%+v: %q, want %q", c.config, got, c.want)
		}
	}
}

func TestPD13_Confirm(t *testing.T) {
	none := Config{}
	small := Config{ServerContext: true, ClientContext: true, WindowBits: 10}
	for _, c := range []struct {
		name   string
		config Config
		answer string
		want   Params
		ok     bool
	}{
		{"nothing asked, nothing said", both, "", Params{false, false, 15, 15}, true},
		{"unasked server_no_context_takeover", both, snc, Params{true, false, 15, 15}, true},
		{"unasked client_no_context_takeover", both, cnc, Params{false, true, 15, 15}, true},
		{"unasked server_max_window_bits", both, smwb + "=12", Params{false, false, 12, 15}, true},
		{"limited", both, cmwb + "=9", Params{false, false, 15, 9}, true},
		{"Python websockets", both, smwb + "=12; " + cmwb + "=12", Params{false, false, 12, 12}, true},
		{"8 bits", both, smwb + "=8; " + cmwb + "=8", Params{false, false, 8, 8}, true},
		{"15 bits", both, smwb + "=15; " + cmwb + "=15", Params{false, false, 15, 15}, true},
		{"all said", none, snc + "; " + cnc, Params{true, true, 15, 15}, true},
		{"client keeps what it offered", none, snc, Params{true, true, 15, 15}, true},
		{"small, as offered", small, smwb + "=10; " + cmwb + "=10", Params{false, false, 10, 10}, true},
		{"small, smaller", small, smwb + "=9; " + cmwb + "=8", Params{false, false, 9, 8}, true},
		{"small, client's not said", small, smwb + "=10", Params{false, false, 10, 10}, true},
		{"small, client's larger", small, smwb + "=10; " + cmwb + "=15", Params{false, false, 10, 10}, true},

		{"small, server's not said", small, cmwb + "=10", Params{}, false},
		{"small, server's larger", small, smwb + "=11", Params{}, false},
		{"server_no_context_takeover not said", none, "", Params{}, false},
		{"client_max_window_bits without value", both, cmwb, Params{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := c.config.Confirm(readParams(c.answer))
			if (err == nil) != c.ok || p != c.want {
				t.Errorf("%q: %+v, %v", c.answer, p, err)
			}
			if err != nil && !strings.Contains(err.Error(), "RFC 7692, 7.1") {
				t.Errorf("%q: the error names no section: %v", c.answer, err)
			}
		})
	}
}

// TestNegotiateWithOurselves: what one side offers the other accepts, and both
// then believe the same, but for a window that the server keeps small unasked
// and unsaid.
func TestNegotiateWithOurselves(t *testing.T) {
	var configs []Config
	for _, server := range []bool{false, true} {
		for _, client := range []bool{false, true} {
			for bits := 8; bits <= 15; bits++ {
				configs = append(configs, Config{ServerContext: server, ClientContext: client, WindowBits: bits})
			}
		}
	}
	for _, client := range configs {
		for _, server := range configs {
			offer, found := strings.CutPrefix(client.Offer(), Name)
			atServer, answer, ok := server.Accept(readOffers(offer))
			answer, found2 := strings.CutPrefix(answer, Name)
			atClient, err := client.Confirm(readParams(answer))
			if atServer.ServerBits == server.WindowBits && client.WindowBits == 15 {
				atServer.ServerBits = 15
			}
			if !found || !found2 || !ok || err != nil || atServer != atClient {
				t.Fatalf("%+v and %+v: offer %q, answer %q: %+v, %v; %+v, %v",
					client, server, offer, answer, atServer, ok, atClient, err)
			}
			if max(atClient.ServerBits, atClient.ClientBits) > client.WindowBits || atServer.ClientBits > server.WindowBits {
				t.Fatalf("%+v and %+v agree on %+v", client, server, atServer)
			}
		}
	}
}
