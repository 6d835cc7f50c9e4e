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
  connect URL     talk to a WebSocket server
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

const aboutVersion = `Usage: curlew version

Say which version of curlew this is, and which Go built it.

Example:
  curlew version
`

// texts are the help of the commands by name, "" for all.
var texts = map[string]string{
	"": aboutAll, "serve": aboutServe, "check": aboutCheck, "connect": aboutConnect, "version": aboutVersion,
}

// printHelp is kong's way to ask for it.
func printHelp(_ kong.HelpOptions, ctx *kong.Context) error {
	name := ""
	if n := ctx.Selected(); n != nil {
		name = n.Name
	}
	_, err := fmt.Fprint(ctx.Stdout, texts[name])
	return err
}
