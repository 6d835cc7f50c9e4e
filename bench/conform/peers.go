package main

import (
	"debug/buildinfo"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A peer is a library in one configuration.
type peer struct {
	name   string
	what   string   // the library
	how    string   // how it is used
	args   []string // program and flags; {bin} and {peers} stand for folders
	module string   // whose version tells
	bin    string   // folder of the programs
	source string   // folder of bench/peers
}

var peers = []peer{
	{name: "curlew", what: "Curlew", how: "`Handle` and `Serve`, context takeover both ways", args: []string{"{bin}/echo", "-mode", "events", "-deflate", "ct"}},
	{name: "curlew-read", what: "Curlew", how: "a loop of `Read` and `Write`, compression without takeover", args: []string{"{bin}/echo", "-mode", "read", "-deflate", "nct"}},
	{name: "gorilla", what: "gorilla/websocket", how: "`ReadMessage`, `WriteMessage`; `EnableCompression`", args: []string{"{bin}/gorilla", "-deflate", "ct"}, module: "github.com/gorilla/websocket"},
	{name: "coder", what: "coder/websocket", how: "`Read`, `Write`; `CompressionContextTakeover`", args: []string{"{bin}/coder", "-deflate", "ct"}, module: "github.com/coder/websocket"},
	{name: "gobwas", what: "gobwas/ws", how: "`wsutil.ReadData`, `wsutil.WriteMessage`, as in the README", args: []string{"{bin}/gobwas"}, module: "github.com/gobwas/ws"},
	{name: "gobwas-flate", what: "gobwas/ws", how: "`wsutil.Reader`, `wsutil.Writer`, `wsutil.UTF8Reader` and `wsflate`", args: []string{"{bin}/gobwas", "-deflate", "ct"}, module: "github.com/gobwas/ws"},
	{name: "gws", what: "lxzan/gws", how: "`CheckUtf8Enabled`, `Recovery`, `PermessageDeflate` with both takeovers", args: []string{"{bin}/gws", "-deflate", "ct"}, module: "github.com/lxzan/gws"},
	{name: "gws-nct", what: "lxzan/gws", how: "the same without takeover, as it is by default", args: []string{"{bin}/gws", "-deflate", "nct"}, module: "github.com/lxzan/gws"},
	{name: "nbio", what: "lesismal/nbio", how: "`OnMessage`, `EnableCompression`, pollers and goroutine pool as by default", args: []string{"{bin}/nbio", "-deflate", "ct"}, module: "github.com/lesismal/nbio"},
	{name: "ws", what: "ws (npm)", how: "`perMessageDeflate: {}`", args: []string{"node", "{peers}/ws/ws.mjs", "-deflate", "ct"}},
	{name: "websockets", what: "websockets (Python)", how: "`serve`, `connect`, `compression=\"deflate\"`", args: []string{python(), "{peers}/websockets/websockets_peer.py", "-deflate", "ct"}},
}

func (p *peer) ours() bool { return strings.HasPrefix(p.name, "curlew") }

// python is the interpreter of the system, where packages put websockets.
func python() string {
	if _, err := os.Stat("/usr/bin/python3"); err == nil {
		return "/usr/bin/python3"
	}
	return "python3"
}

// command is the program and its flags.
func (p *peer) command() []string {
	in := strings.NewReplacer("{bin}", p.bin, "{peers}", p.source)
	var args []string
	for _, a := range p.args {
		args = append(args, in.Replace(a))
	}
	return args
}

// version returns that of the library, or why there is none.
func (p *peer) version() (string, error) {
	switch args := p.command(); {
	case p.module != "":
		info, err := buildinfo.ReadFile(args[0])
		if err != nil {
			return "", err
		}
		for _, d := range info.Deps {
			if d.Path == p.module {
				return d.Version, nil
			}
		}
		return "unknown", nil
	case args[0] == "node":
		node, err := exec.Command("node", "--version").Output()
		if err != nil {
			return "", err
		}
		b, err := os.ReadFile(filepath.Join(filepath.Dir(args[1]), "node_modules/ws/package.json"))
		if err != nil {
			return "", err
		}
		var pkg struct{ Version string }
		err = json.Unmarshal(b, &pkg)
		return pkg.Version + ", Node.js " + strings.TrimSpace(string(node)), err
	case strings.HasSuffix(args[0], "python3"):
		v, err := exec.Command(args[0], args[1], "-version").Output()
		return strings.TrimSpace(string(v)), err
	}
	return "this tree", nil
}
