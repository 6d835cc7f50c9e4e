package site

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// shown says which tests show each key of the definitions: its default, its effect as
// far as the limit, or for what is no limit its effect at all, one beyond, and that a
// route inherits it and may set it back. A cell is the names of tests, each with
// what it calls the row behind a slash; scripts of cmd/curlew; or - where there is
// nothing of the kind.
//
//	key                | default | at the limit | one beyond | inherited
const shown = `
listen                 | TestDefaults, TestDemoPortTaken | TestTL3_TL5_TLS, TestCF15UnixSockets, TestListenAllOrNone | - | -
trustedProxies         | TestH1_8H1_15FieldsOfStrangers | TestAU13Forwarded | TestOriginBehindProxy | -

tls.certificate        | TestHTTPSWithoutCertificate | TestTL3_TL5_TLS, TestCertificateReplaced | - | -
tls.key                | TestHTTPSWithoutCertificate | TestTL3_TL5_TLS, TestCertificateReplaced | - | -
tls.minVersion         | TestTLSVersion | TestTL3_TL5_TLS | TestTL3_TL5_TLS | -
tls.clientCA           | TestTL3_TL5_TLS | TestClientCertificates | TestClientCertificates | -
tls.acme.domains       | - | TestACMEOverHTTP, TestTL5ACMEOverTLS | TestTL5ACMEOverTLS | -
tls.acme.email         | TestEverything | TestACMEOverHTTP | - | -
tls.acme.directory     | TestDefinitions | TestACMEOverHTTP | - | -
tls.acme.cache         | - | TestACMEOverHTTP | - | -

log.level              | TestDefaults | serve.txt | serve.txt | -
log.format             | TestLogFormat | TestLogFormat, serve.txt | - | -
log.requests           | TestDefaults | serve.txt | - | -

limits.maxMessage      | TestRowsOnEveryHandler/limits.maxMessage, TestOptionsDefault | TestRowsOnEveryHandler/limits.maxMessage | TestRowsOnEveryHandler/limits.maxMessage | TestRowsOnEveryHandler/limits.maxMessage
limits.maxFrame        | TestRowsOnEveryHandler/limits.maxFrame, TestOptionsDefault | TestRowsOnEveryHandler/limits.maxFrame | TestRowsOnEveryHandler/limits.maxFrame | TestRowsOnEveryHandler/limits.maxFrame
limits.maxPacket       | TestRowsOnEveryHandler/limits.maxPacket, TestOptionsDefault | TestRowsOnEveryHandler/limits.maxPacket | TestRowsOnEveryHandler/limits.maxPacket, TestPartPackets | TestRowsOnEveryHandler/limits.maxPacket
limits.maxFragments    | TestRowsOnEveryHandler/limits.maxFragments | TestRowsOnEveryHandler/limits.maxFragments | TestRowsOnEveryHandler/limits.maxFragments | TestRowsOnEveryHandler/limits.maxFragments
limits.sendQueue       | TestOptionsDefault, TestSL1_SlowReader | TestRowQueue | TestRowQueue | TestRowQueue
limits.webSockets      | TestRowsOnEveryHandler/limits.webSockets | TestRowsOnEveryHandler/limits.webSockets, TestPlacesOfARoute | TestPlacesOfARoute, TestPlaceFreedAtOnce, TestPlacesOfWhatFails | TestRowsOnEveryHandler/limits.webSockets
limits.webSocketsPerIP | TestRowsOnEveryHandler/limits.webSocketsPerIP | TestRowsOnEveryHandler/limits.webSocketsPerIP, TestPlacesOfARoute | TestPlacesOfARoute, TestPlacesOfWhatFails | TestRowsOnEveryHandler/limits.webSocketsPerIP
limits.messagesPerSecond | TestRowsOnEveryHandler/limits.messagesPerSecond | TestRowsOnEveryHandler/limits.messagesPerSecond, TestFR33_MessagesPerSecond | TestFR33_MessagesPerSecond | TestRowsOnEveryHandler/limits.messagesPerSecond
limits.bytesPerSecond  | TestRowsOnEveryHandler/limits.bytesPerSecond | TestRowsOnEveryHandler/limits.bytesPerSecond, TestFR33_BytesPerSecond | TestFR33_BytesPerSecond | TestRowsOnEveryHandler/limits.bytesPerSecond
limits.head            | TestRowHead | TestRowHead, TestHeadLimits | TestRowHead | -
limits.headers         | TestServed, TestRefusedAndClosed | TestHeadLimits | TestHeadLimits | -
limits.connections     | TestDefaults | TestRX1RX2Connections | TestRX1RX2Connections, TestRX1Flood | -
limits.connectionsPerIP | TestDefaults | TestRX1RX2Connections | TestRX1RX2Connections | -

timeouts.pong          | TestRowTimes/timeouts.pong | TestRowTimes/timeouts.pong | TestRowTimes/timeouts.pong | TestRowTimes/timeouts.pong, TestRowsOnEveryHandler/timeouts.pong
timeouts.inactivity    | TestRowTimes/timeouts.inactivity, TestInactivityBetweenRequests | TestRowTimes/timeouts.inactivity | TestRowTimes/timeouts.inactivity, TestInactivityBetweenRequests | TestRowTimes/timeouts.inactivity, TestRowsOnEveryHandler/timeouts.inactivity, TestInactivityBetweenRequests
timeouts.request       | TestRowTimes/timeouts.request | TestRowTimes/timeouts.request | TestRowTimes/timeouts.request, TestRequestTimeout, TestRequestTimeoutWithUpgrade | TestRowTimes/timeouts.request, TestRowsOnEveryHandler/timeouts.request
timeouts.close         | TestRowTimes/timeouts.close | TestRowTimes/timeouts.close | TestRowTimes/timeouts.close, TestH1_12BodyThatDoesNotCome | TestRowTimes/timeouts.close
timeouts.write         | TestRowTimes/timeouts.write | TestRowTimes/timeouts.write | TestRowTimes/timeouts.write, TestSF12WriteTimeout | TestRowTimes/timeouts.write
timeouts.handshake     | TestRowHandshake | TestRowHandshake | TestRowHandshake, TestHS31Dribble | -
timeouts.drain         | TestDefaults | TestDrainIsSpread | TestDrainIsSpread, TestDrainDropsWhoStays | -

webSockets.protocol    | TestRowsOnEveryHandler/webSockets.protocol | TestRowsOnEveryHandler/webSockets.protocol, TestHandshakeSettings, TestSubprotocols | TestHandshakeSettings | TestRowsOnEveryHandler/webSockets.protocol
webSockets.requireProtocol | TestRowsOnEveryHandler/webSockets.requireProtocol | TestRowsOnEveryHandler/webSockets.requireProtocol, TestHandshakeSettings | - | TestRowsOnEveryHandler/webSockets.requireProtocol
webSockets.ping        | TestRowTimes/webSockets.ping | TestRowTimes/webSockets.ping | TestRowTimes/webSockets.ping | TestRowTimes/webSockets.ping, TestRowsOnEveryHandler/webSockets.ping
webSockets.validateUTF | TestRowsOnEveryHandler/webSockets.validateUTF | TestRowsOnEveryHandler/webSockets.validateUTF, TestSettingsThatMeet | - | TestRowsOnEveryHandler/webSockets.validateUTF
webSockets.preserveFrames | TestRowsOnEveryHandler/webSockets.preserveFrames | TestRowsOnEveryHandler/webSockets.preserveFrames, TestEchoPreservesFrames, TestSettingsThatMeet | - | TestRowsOnEveryHandler/webSockets.preserveFrames
webSockets.compression | TestRowsOnEveryHandler/webSockets.compression | TestRowsOnEveryHandler/webSockets.compression, TestCompressionSettings | - | TestRowsOnEveryHandler/webSockets.compression
webSockets.compression.level | TestRowLevel, TestOptionsDefault | TestRowLevel | TestBroken | TestRowLevel
webSockets.compression.minSize | TestRowsOnEveryHandler/webSockets.compression.minSize | TestRowsOnEveryHandler/webSockets.compression.minSize | TestRowsOnEveryHandler/webSockets.compression.minSize | TestRowsOnEveryHandler/webSockets.compression.minSize
webSockets.compression.serverContext | TestRowsOnEveryHandler/webSockets.compression.serverContext | TestRowsOnEveryHandler/webSockets.compression.serverContext | - | TestRowsOnEveryHandler/webSockets.compression.serverContext
webSockets.compression.clientContext | TestRowsOnEveryHandler/webSockets.compression.clientContext | TestRowsOnEveryHandler/webSockets.compression.clientContext | - | TestRowsOnEveryHandler/webSockets.compression.clientContext
webSockets.compression.windowBits | TestRowsOnEveryHandler/webSockets.compression.windowBits | TestRowsOnEveryHandler/webSockets.compression.windowBits, TestPD16_Windows | TestPD16_Windows | TestRowsOnEveryHandler/webSockets.compression.windowBits
webSockets.compression.memory | TestCompressionSettings | TestCompressionMemory | TestCompressionMemory, TestPD18_Budget | TestCompressionMemory
webSockets.whenFull    | TestRowQueue | TestRowQueue, TestWhenFull, TestSL1_WhenFull | TestRowQueue | TestRowQueue

origins                | TestRowsOnEveryHandler/origins, TestAU6AU17EveryEndpointChecksOrigins | TestRowsOnEveryHandler/origins, TestHandshakeSettings | TestHandshakeSettings | TestRowsOnEveryHandler/origins
headers                | TestRowsOnEveryHandler/headers | TestRowsOnEveryHandler/headers, TestHeadersOfARoute | - | TestRowsOnEveryHandler/headers
allow                  | TestRowsOnEveryHandler/allow | TestRowsOnEveryHandler/allow, TestAllowDeny | TestAllowDeny | TestRowsOnEveryHandler/allow, TestAllowDeny
deny                   | TestRowsOnEveryHandler/deny | TestRowsOnEveryHandler/deny, TestAllowDeny | TestAllowDeny | TestRowsOnEveryHandler/deny, TestAllowDeny
auth                   | TestRowsOnEveryHandler/auth | TestRowsOnEveryHandler/auth, TestAU6AU7AU8EveryHandler | - | TestRowsOnEveryHandler/auth, TestAuthInherited
auth.basic.realm       | TestBasic | TestBasic | - | TestAuthInherited
auth.basic.users       | - | TestBasic, TestUsersFile | TestUsersMissing | TestAuthInherited
auth.jwt.keys          | - | TestKeys, TestSecretBytes | TestForgeries | TestAuthInherited
auth.jwt.algorithms    | TestAlgorithms | TestAlgorithms | TestAlgorithms | TestAuthInherited
auth.jwt.issuer        | TestClaims | TestClaims | TestClaims | TestAuthInherited
auth.jwt.audience      | TestClaims | TestClaims | TestClaims | TestAuthInherited
auth.jwt.leeway        | TestDefinitions | TestClaims | TestClaims | TestAuthInherited
auth.jwt.from          | TestAU10AU18Sources | TestAU10AU18Sources, TestAU10AU18Token | TestAU10AU18Sources | TestAuthInherited
auth.jwt.roles         | TestTokenRoles | TestTokenRoles | - | TestAuthInherited
auth.role              | TestRoles | TestRoles, TestRolesOfARoute | TestRolesOfARoute | TestAuthInherited
rate.requests          | TestRowsOnEveryHandler/rate.requests | TestRate, TestRateInTime | TestRowsOnEveryHandler/rate.requests, TestRate | TestRowsOnEveryHandler/rate.requests, TestRate
rate.burst             | TestRateInTime | TestRate | TestRate | TestRate
fallback               | TestFB_OnByDefault | TestFB_Routes | - | TestFB_Routes
rate.per               | TestRate | TestRate | - | TestRate

hub.namespaces.NAME.history.size | - | TestOptions, TestHub | - | -
hub.namespaces.NAME.history.age | TestOptions | TestOptions | TestOptions | -
hub.namespaces.NAME.presence | TestOptions | TestHub | - | -
hub.namespaces.NAME.joinLeave | TestOptions | TestHub | - | -
hub.namespaces.NAME.publish | TestOptions | TestOptions, TestAU10_AU18_Tokens | - | -
hub.namespaces.NAME.subscribe | TestOptions | TestOptions, TestAU10_AU18_Tokens | - | -
hub.namespaces.NAME.whenSlow | TestOptions | TestOptions | - | -
hub.limits.channels    | TestHub, TestOptions | TestLimits | TestLimits | -
hub.limits.nameBytes   | TestOptions | TestHB3_Names | TestHB3_Names | -
hub.limits.messageBytes | TestOptions | TestLimits | TestLimits | -
hub.limits.publishesPerSecond | TestOptions | TestLimits | TestLimits | -
hub.limits.history     | TestOptions | TestLimits | TestLimits | -
hub.historyMemory      | TestHistoryMemory | TestHistoryMemory | TestHistoryMemory | -
hub.grace              | TestOptions | TestGrace | - | -
hub.apiKeys            | TestPaths | TestHub, TestAPIKeys | - | -
hub.auth.jwt.keys      | - | TestAU10_AU18_Tokens | TestHB24_Tokens | -
hub.auth.jwt.algorithms | TestHB24_Tokens | TestAlgorithms | TestAlgorithms | -
hub.auth.jwt.issuer    | TestClaims | TestClaims | TestClaims | -
hub.auth.jwt.audience  | TestHB24_Tokens | TestClaims | TestClaims | -
hub.auth.jwt.leeway    | TestHB6_Expiry | TestClaims | TestClaims | -
hub.auth.jwt.from      | TestRouteUser | TestAU10_AU18_Tokens | - | -
hub.auth.webhook       | TestAU10_AU18_Tokens | TestWebhook | TestAU19_AU20_WebhookFails | -
hub.auth.ask           | TestWebhook | TestWebhookCache | - | -
hub.auth.timeout       | TestAU19_AU20_WebhookFails | TestAU19_AU20_WebhookFails | TestAU19_AU20_WebhookFails | -
hub.auth.cache         | TestWebhook | TestWebhookCache | TestWebhookCache | -
clientScript           | TestScript | TestScript | - | -

match                  | TestFirstMatchWins | TestFirstMatchWins, TestPatterns | - | -
pattern                | TestFirstMatchWins | TestPatterns, TestCompilePattern | - | -
methods                | TestMethods | TestMethods | TestMethods | -
hosts                  | TestFirstMatchWins | TestFirstMatchWins, TestHS38Hosts | - | -
handler                | - | TestHandlersOfTheProgram | - | -

broadcast.echo         | TestEveryone | TestNoEcho | - | -
broadcast.announce     | TestNoAnnounce | TestAnnounce | - | -
exec.command           | - | TestEX1_Arguments, TestEX13_Names | TestEX14_NoSearch | -
exec.mode              | TestLines | TestLengths | - | -
exec.type              | TestLines | TestEX9_InvalidUTF8 | - | -
exec.env               | TestEX12_Environment | TestEX12_Environment | - | -
exec.pass              | TestEX12_Environment | TestEX2_EX3_EX4_Environment | TestEX2_EX3_EX4_Environment | -
exec.directory         | TestDefaults | TestEX6_Stubborn | - | -
exec.user              | - | TestEX15_Root | TestEX15_Root | -
exec.maxProcesses      | TestDefaults, TestEX5_Storm | TestEX5_Places | TestEX5_Places, TestEX5_Storm | -
exec.maxPerIP          | TestDefaults, TestEX5_Places | TestEX5_Places | TestEX5_Places | -
exec.killAfter         | TestDefaults | TestEX6_Stubborn | TestEX6_Stubborn | -
exec.maxLine           | TestDefaults | TestEX8_LongLines | TestEX8_LongLines | -
file.path              | - | TestSizes, TestFile | TestSF1_SF2_SF3_SF5_SF8 | -
file.type              | TestSizes | TestSizes | TestU8_InvalidText | -
proxy.target           | - | TestProxy, TestRP8_FixedBackend | TestUnreachable | -
proxy.headers          | TestRequest | TestRequest, TestHandshakeRequest | - | -
proxy.timeout          | TestRP6_Timeout | TestRP6_Timeout | TestRP6_Timeout | -
static.directory       | - | TestFiles | TestSF1NeverOutside | -
respond.status         | TestRespond | TestRespond | - | -
respond.headers        | TestRespond | TestRespond | - | -
respond.body           | TestRespond | TestRespond | - | -
redirect.to            | - | TestExpand, TestOverTLS | TestSF9NoOpenRedirect | -
redirect.status        | TestHS35UpgradeElsewhere | TestExpand | - | -
`

// TestRows: every key has a row in shown, and every test that one names exists.
func TestRows(t *testing.T) {
	rows := map[string][]string{}
	for line := range strings.Lines(shown) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case cells[0] == "":
		case len(cells) != 5 || rows[cells[0]] != nil:
			t.Errorf("not a row of its own: %s", line)
		default:
			rows[cells[0]] = cells[1:]
		}
	}
	keys := map[string]*entry{} // with the prefix of a route left out
	top, route := map[string]bool{}, map[string]bool{}
	for _, e := range definitions() {
		if _, isGroup := e.to.(nested); e.to == nil || isGroup {
			continue
		}
		key, ofRoute := strings.CutPrefix(e.path, "routes.")
		if keys[key] = &e; ofRoute {
			route[key] = true
		} else {
			top[key] = true
		}
	}
	known := tests(t)
	for key, e := range keys {
		cells := rows[key]
		if cells == nil {
			if _, isGroup := e.to.(group); !isGroup || key == "webSockets.compression" {
				t.Errorf("%s: no row says which tests show it", key)
			}
			continue
		}
		missing := func(column int) {
			if cells[column] == "-" {
				t.Errorf("%s: no test in column %d", key, column+1)
			}
		}
		if !e.required && e.def != "" {
			missing(0)
		}
		missing(1)
		if strings.Contains(e.to.what(), "unlimited") {
			missing(2)
		}
		if top[key] && route[key] {
			missing(3)
		}
		for name := range strings.SplitSeq(strings.Join(cells, ", "), ", ") {
			if name, row, hasRow := strings.Cut(name, "/"); name != "-" && !known(name, row, hasRow) {
				t.Errorf("%s: there is no %s, or it has no %q", key, name, row)
			}
		}
	}
	for key := range rows {
		if keys[key] == nil {
			t.Errorf("%s: there is no such key", key)
		}
	}
}

// tests returns a function that reports whether there is a test with a name, or a
// script, and whether a row stands in its file.
func tests(t *testing.T) func(name, row string, hasRow bool) bool {
	files := map[string][]string{} // with the test
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir(filepath.Join("..", ".."), func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() != ".." && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case filepath.Ext(name) == ".txt" && filepath.Base(filepath.Dir(name)) == "testdata":
			files[d.Name()] = append(files[d.Name()], "")
			return nil
		case !strings.HasSuffix(name, "_test.go"):
			return nil
		}
		b, err := os.ReadFile(name)
		for _, m := range function.FindAllStringSubmatch(string(b), -1) {
			files[m[1]] = append(files[m[1]], string(b))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(name, row string, hasRow bool) bool {
		return slices.ContainsFunc(files[name], func(text string) bool { return !hasRow || strings.Contains(text, `"`+row+`"`) })
	}
}
