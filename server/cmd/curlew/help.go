package main

import (
	"fmt"

	"github.com/alecthomas/kong"
)

// Each text fits a screen of 80 by 24. Tests compare them with the flags.

const aboutAll = `Usage: curlew COMMAND

WebSockets: a server that needs no code, and a client for the terminal.

  serve [FILE]    run a site; without FILE, the demo site on 127.0.0.1:8080
  check FILE      say what is wrong with a site file
  explain FILE URL
                  say which route answers, and every setting in force
  convert FILE    make a site file of an appweb.conf or an Ioto web.json5
  schema          write a JSON schema of site files, for editors
  connect URL     talk to a WebSocket server
  hub             talk to the channels of a hub
  conform         test a server or clients for conformance with the RFCs
  version         say which version this is

curlew COMMAND --help says more. Exit codes: 0 done, 1 failed, 2 wrong usage.

Example:
  curlew serve                       and open http://127.0.0.1:8080 in a browser
`

const aboutServe = `Usage: curlew serve [FILE] [flags]

Run a site; without FILE, the built-in demo site on 127.0.0.1:8080. Says where
it listens. SIGINT or SIGTERM stop it: no new connections, the open ones are
closed with 1001 over the time of timeouts.drain. A second signal stops at once.
SIGHUP reads FILE again; a bad one changes nothing and says why.

  --listen ADDR        listen here instead of where the file says: host:port,
                       https://host:port or unix:/path; may be repeated
  --log-level LEVEL    debug, info, warn or error instead of what the file says
  --allow-root         let programs of the handler exec run as root

Example:
  curlew serve site.json5 --listen :8080
`

const aboutCheck = `Usage: curlew check FILE

Read a site file and say everything that is wrong with it, a line each: where,
what was found, what would be right. Nothing wrong: no output and exit code 0.
The folders and certificates that the file names must be there.

Example:
  curlew check site.json5
`

const aboutExplain = `Usage: curlew explain FILE URL [flags]

Say which route of a site file answers a URL, and every setting that is then in
force: key, value, and the line of the file that says it, of the route itself or
of the top level; else it is the default. No route: exit code 1. URL may be a
path alone, which is then asked of localhost.

  --method METHOD    the method of the request; GET

Example:
  curlew explain site.json5 ws://example.com/rooms/blue
`

const aboutConvert = `Usage: curlew convert FILE

Translate Appweb's appweb.conf or Ioto's web.json5 to a site file on standard
output. What has no counterpart becomes a comment with the line that it came
from; defaults of theirs that differ from ours are written out. What FILE
includes is to be converted by itself. See docs/convert.md.

Example:
  curlew convert appweb.conf > site.json5
`

const aboutSchema = `Usage: curlew schema

Write a JSON schema of site files to standard output: with it an editor offers
their keys, says what they mean and marks what is wrong. It knows keys, types
and units; curlew check finds the rest.

Example:
  curlew schema > site.schema.json
`

const aboutConnect = `Usage: curlew connect URL [flags]

Talk to a WebSocket server: each line of standard input is sent as a text
message, each received message is written as a line, binary ones in hex. At the
end of input what is still under way is awaited, then it closes with 1000.

  --protocol NAME          offer a subprotocol; may be repeated
  --header 'Name: value'   send a header; may be repeated
  --origin ORIGIN          send an Origin, as a page of that site would
  --proxy URL              http://[user:password@]host:port, socks5://...; else
                           HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY count
  --insecure               believe any certificate
  --cacert FILE            believe the certificates of this PEM file only
  --compress               offer compression
  --binary                 write binary messages as they are, not in hex
  --count N                end after N received messages
  --timing                 say how long things took
  --frames                 show every frame, both ways

Example:
  echo hello | curlew connect ws://127.0.0.1:8080/echo --timing
`

const aboutHub = `Usage: curlew hub URL COMMAND

The channels of a hub, as lines of JSON: those of the protocol in docs/hub.md. A
connection that is lost comes back, and so does what was missed.

  subscribe CHANNEL...      write what is said, and who comes and goes
  publish CHANNEL [DATA]    say DATA, or each line of standard input
  presence CHANNEL          write who is there
  history CHANNEL           write what is kept
  top                       write what goes on, every 2 seconds

curlew hub COMMAND --help says more. All of them take the URL before or behind
the command, --token, and of curlew connect what says how to get there.

Example:
  curlew hub ws://127.0.0.1:8080/hub subscribe room:lobby --history 10
`

const aboutHubSubscribe = `Usage: curlew hub URL subscribe CHANNEL... [flags]

Write what is said in channels, and who comes and goes, until it is interrupted.
Refused: exit code 1.

  --since POSITION         continue behind it, as it was written:
                           '{"epoch":"a1","offset":41}'
  --history N              begin with the last N messages that are kept
  --count N                end after N messages
  --token TOKEN            who we are; @FILE reads it from a file
  --header 'Name: value', --origin ORIGIN, --proxy URL
  --insecure, --cacert FILE
                           as curlew connect

Example:
  curlew hub ws://127.0.0.1:8080/hub subscribe room:lobby
`

const aboutHubPublish = `Usage: curlew hub URL publish CHANNEL [DATA] [flags]

Publish DATA, which is JSON, or without it each line of standard input, and
write where each message stands. Where only subscribers may, it becomes one.

  --text                   DATA, or a line, is a text as it stands, not JSON
  --key KEY                of what this is the newest state, for conflating
  --token TOKEN            who we are; @FILE reads it from a file
  --header 'Name: value', --origin ORIGIN, --proxy URL
  --insecure, --cacert FILE
                           as curlew connect

Example:
  curlew hub ws://127.0.0.1:8080/hub publish room:lobby '{"text":"hello"}'
`

const aboutHubPresence = `Usage: curlew hub URL presence CHANNEL [flags]

Write who is present in a channel, a line each.

  --token TOKEN            who we are; @FILE reads it from a file
  --header 'Name: value', --origin ORIGIN, --proxy URL
  --insecure, --cacert FILE
                           as curlew connect

Example:
  curlew hub ws://127.0.0.1:8080/hub presence room:lobby
`

const aboutHubHistory = `Usage: curlew hub URL history CHANNEL [flags]

Write the messages of a channel that are kept, the oldest first.

  --since POSITION         those behind it: '{"epoch":"a1","offset":41}'
  --limit N                at most so many
  --reverse                the newest first
  --token TOKEN            who we are; @FILE reads it from a file
  --header 'Name: value', --origin ORIGIN, --proxy URL
  --insecure, --cacert FILE
                           as curlew connect

Example:
  curlew hub ws://127.0.0.1:8080/hub history room:lobby --limit 10 --reverse
`

const aboutHubTop = `Usage: curlew hub URL top --key @FILE [flags]

Write what goes on in a hub, a line each time: who is connected, what is
published and delivered in a second, and the busiest channels. It asks the API.

  --key @FILE              the file of hub.apiKeys, or one with a single key
  --prefix TEXT            only channels whose names begin so
  --busiest N              so many channels; 20
  --every TIME             how often; 2s
  --count N                end after N lines
  --header 'Name: value', --origin ORIGIN, --proxy URL
  --insecure, --cacert FILE, --token TOKEN
                           as curlew connect

Example:
  curlew hub ws://127.0.0.1:8080/hub top --key @hub.keys
`

const aboutConform = `Usage: curlew conform COMMAND

Conformance with RFC 6455 and RFC 7692: 2500 cases, each with a verdict on the
behaviour and on how the connection ended. FAILED: a MUST of the RFC was broken;
it is said which one, with the frames. NON-STRICT: harmless, late, or against a
SHOULD. INFORMATIONAL: the RFC leaves the choice, or it is a limit of the peer.
UNIMPLEMENTED: not there, and need not be.

  server URL [CASE]...      test a server that returns each message as it came
  client ADDR [CASE]...     listen at ADDR and test the clients that come
  report FILE...            show several results side by side
  diff BEFORE AFTER         say what changed between two results

CASE is an ID (6.4.1), a section (6 or 6.4) or a pattern (7.*.3); -6.4 leaves
out. Exit codes: 0 nothing failed, 1 something did, 2 wrong usage.

Example:
  curlew conform server ws://127.0.0.1:8080/echo --html report.html
`

const aboutConformServer = `Usage: curlew conform server URL [CASE]... [flags]

Test a server that returns each message as it came. CASE: see curlew conform.

  --parallel N             cases at the same time; 8
  --timeout TIME           for the server to do what it must; 5s
  --scale N                multiplies all times; auto: by how quick it answers
  --limit SIZE             the largest message that its documentation says it
                           takes, such as 1MB: tested, and counted for it
  --seed N                 of masks and payloads; 0
  --header 'Name: value'   send a header; may be repeated
  --origin ORIGIN          send an Origin
  --insecure               believe any certificate
  --cacert FILE            believe the certificates of this PEM file only
  --agent NAME             the server's name in reports; else its host and port
  --json FILE, --junit FILE, --html FILE, --index FILE
                           write reports, - on standard output; see docs
  --strict                 NON-STRICT is a failure too
  --verbose                show all frames, also where nothing is wrong
  --list                   show the cases, run none

Example:
  curlew conform server ws://127.0.0.1:8080/echo 1 6 -6.4 --junit report.xml
`

const aboutConformClient = `Usage: curlew conform client ADDR [CASE]... [flags]

Listen at ADDR and test the clients that come, by the scheme that test clients
know: /getCaseCount, /runCase?case=N&agent=NAME for each, /updateReports?agent=
NAME. For that one reports are written; at the end by Ctrl-C for all.

  --once                   end after the first /updateReports, with its verdict
  --tls                    wss with a certificate that is made for the purpose
  --cert FILE, --key FILE  wss with this one, in PEM
  --timeout TIME           for the client to do what it must; 5s
  --scale N                multiplies all times; 1
  --limit SIZE             the largest message that its documentation says it
                           takes, such as 1MB: tested, and counted for it
  --seed N                 of payloads; 0
  --json FILE, --junit FILE, --html FILE, --index FILE
                           write reports, - on standard output; JSON per client:
                           {agent} in FILE is its name
  --strict                 NON-STRICT is a failure too
  --verbose                show all frames, also where nothing is wrong
  --list                   show the cases, serve none

Example:
  curlew conform client 127.0.0.1:9001 --once --json {agent}.json
`

const aboutConformReport = `Usage: curlew conform report FILE... [flags]

Show results that --json wrote: their summaries, or side by side in a file.

  --html FILE    a page with a matrix, complete in itself; - is standard output
  --junit FILE   JUnit XML
  --index FILE   JSON as scripts for the known suite read it
  --strict       NON-STRICT is a failure in JUnit XML
  --verbose      show all frames

Example:
  curlew conform report ours.json theirs.json --html matrix.html
`

const aboutConformDiff = `Usage: curlew conform diff BEFORE AFTER

Say which cases are worse, better, new or gone between two results that --json
wrote. Exit code 1 if any is worse.

Example:
  curlew conform diff main.json branch.json
`

const aboutVersion = `Usage: curlew version

Say which version of curlew this is, and which Go built it.

Example:
  curlew version
`

// texts are the help of the commands by path, "" for all.
var texts = map[string]string{
	"": aboutAll, "serve": aboutServe, "check": aboutCheck, "explain": aboutExplain, "convert": aboutConvert, "schema": aboutSchema,
	"connect": aboutConnect, "version": aboutVersion,
	"hub": aboutHub, "hub subscribe": aboutHubSubscribe, "hub publish": aboutHubPublish, "hub presence": aboutHubPresence,
	"hub history": aboutHubHistory, "hub top": aboutHubTop,
	"conform": aboutConform, "conform server": aboutConformServer, "conform client": aboutConformClient,
	"conform report": aboutConformReport, "conform diff": aboutConformDiff,
}

// printHelp is kong's way to ask for it.
func printHelp(_ kong.HelpOptions, ctx *kong.Context) error {
	name := ""
	if n := ctx.Selected(); n != nil {
		name = n.Path()
	}
	_, err := fmt.Fprint(ctx.Stdout, texts[name])
	return err
}
