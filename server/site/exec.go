package site

import (
	"math"
	"path/filepath"
	"strings"
	"time"
)

// Exec are the settings of the handler exec.
type Exec struct {
	Command Setting[[]string] // the program and its arguments, as the site file says them

	// Program is the first of Command, in its place, with ${name} for captures.
	// Folder and Name are what it means: a folder that no capture has a part in,
	// relative ones resolved, and the name of the program below it, with slashes,
	// where captures may stand. No element of the name is empty, "." or "..".
	Program      Setting[string]
	Folder, Name string

	Mode Setting[string] // "lines" or "lengths"
	Type Setting[string] // "text" or "binary"

	Env       Setting[[]Variable]
	Pass      Setting[[]string] // "HTTP_USER_AGENT"
	Directory Setting[string]
	User      Setting[string] // a name or a number; "": the server's own

	MaxProcesses Setting[int] // may be Unlimited
	MaxPerIP     Setting[int] // may be Unlimited
	KillAfter    Setting[time.Duration]
	MaxLine      Setting[int64] // bytes
}

// A Variable is one of the environment of a program.
type Variable struct{ Name, Value string }

func (e *Exec) fields() []field {
	return []field{
		{name: "command", to: commandBinding{e}, required: true, none: "['./tools/hello']",
			doc: "The program and its arguments. The program is a file, relative to the folder of the site file, and never searched for elsewhere; " +
				"in it `${name}` stands for what the route captured: a part of the name of one file or folder, below the folder that is written out in front of it. " +
				"A value that could lead elsewhere, a hidden file, one that cannot be run or that changes its user get 404. " +
				"The arguments are literal. There is no shell."},
		{name: "mode", to: word(&e.Mode, "lines", "lengths"), def: `'lines'`,
			doc: "How messages are told apart in the input and output of the program: one a line, or each behind its length, 4 bytes, the highest first. " +
				"With lines, a message with a line break inside ends the connection with 1007; one at its end is not taken for another line."},
		{name: "type", to: word(&e.Type, "text", "binary"), def: `'text'`,
			doc: "The type of the messages to the client. With text, output that is not UTF-8 ends the connection with 1011, a binary message of the client's with 1003. " +
				"With binary, the client may send both."},
		{name: "env", to: variables{&e.Env}, none: "empty",
			doc: "The environment of the program: `{ NAME: 'value' }`. There is nothing else in it but what `pass` lists."},
		{name: "pass", to: texts(&e.Pass, "variable", checkPass), none: "none",
			doc: "Fields of the request that the program finds in its environment, one or a list, each by its name there: `HTTP_USER_AGENT` for User-Agent. " +
				"Control characters become spaces. What a shell could take for a function is left out, and so is a field that the request does not have. `HTTP_PROXY` is refused."},
		{name: "directory", to: fileName(&e.Directory, "folder"), def: `'.'`,
			doc: "The folder that the program starts in."},
		{name: "user", to: text(&e.User, "user", checkUser), none: "the server's",
			doc: "The user that the program runs as, a name or a number, with the groups of that user and no others: for a server that runs as root, " +
				"which starts nothing unless this says as whom, be it `'root'`. Not on Windows."},
		{name: "maxProcesses", to: count(&e.MaxProcesses), def: `64`,
			doc: "Programs of all routes together, those that are being ended included, that may run when another one is started; else 503 with `Retry-After`."},
		{name: "maxPerIP", to: count(&e.MaxPerIP), def: `4`,
			doc: "The same for those of one client's address (IPv6: of one /64); else 429 with `Retry-After`."},
		{name: "killAfter", to: someDuration(&e.KillAfter), def: `'5 s'`,
			doc: "When the connection ends the program reads the end of its input; if it does not end by itself then, it and what it has started get SIGTERM, and after this time SIGKILL."},
		{name: "maxLine", to: someSize(&e.MaxLine, math.MaxInt32), def: `'1 MB'`,
			doc: "The longest message to and from the program, without its line break or length. A longer one of the program's ends the connection with 1011, one of the client's with 1009."},
	}
}

// A commandBinding binds a program with its arguments.
type commandBinding struct{ e *Exec }

func (commandBinding) what() string { return "list of texts" }

func (b commandBinding) read(d *decoder, n *Node) {
	const wanted = "a list with the program and each argument for itself is wanted, such as ['./tools/hello', '-v']; there is no shell"
	if n.Kind != Array {
		d.fail(n, "found "+n.describe(), wanted)
		return
	}
	if len(n.Items) == 0 {
		d.fail(n, "found an empty list", wanted)
		return
	}
	var list []string
	errs := len(d.errs)
	for i, item := range n.Items {
		if item.bad {
			return
		}
		mark := len(d.path.text)
		d.path.index(i)
		check := checkArgument
		if i == 0 {
			check = checkFilePath
		}
		s, ok := checked(d, item, "a text", check)
		if ok && i == 0 {
			folder, name := splitFilePath(s)
			b.e.Program = Setting[string]{Value: s, From: d.at(item)}
			b.e.Folder, b.e.Name = d.resolve(filepath.FromSlash(folder)), name
		}
		list = append(list, s)
		d.path.pop(mark)
	}
	if len(d.errs) == errs {
		b.e.Command = Setting[[]string]{Value: list, From: d.at(n)}
	}
}

// checkUser checks the name of a user. Whether there is one the server finds out.
func checkUser(s string) error {
	if s == "" || strings.ContainsAny(s, ":\x00\n ") {
		return problem(quote(s)+" is not the name of a user", "write it such as 'nobody' or '65534'; its groups come with it")
	}
	return nil
}

func checkArgument(s string) error {
	if strings.Contains(s, "\x00") {
		return problem("found an argument with a NUL character", "remove it")
	}
	return nil
}

// A variables binding reads an object of texts.
type variables struct{ p *Setting[[]Variable] }

func (variables) what() string { return "object of texts" }

func (b variables) read(d *decoder, n *Node) {
	if n.Kind != Object {
		d.wrongKind(n, "an object { NAME: 'value' }")
		return
	}
	list := Setting[[]Variable]{From: d.at(n)}
	errs := len(d.errs)
	for _, m := range n.Members {
		mark := d.path.push(m.Name)
		if err := checkVariable(m.Name); err != nil {
			d.wrong(&Node{Line: m.Line, Column: m.Column}, err)
		} else if !m.Value.bad {
			if s, ok := checked(d, m.Value, "a text", checkArgument); ok {
				list.Value = append(list.Value, Variable{m.Name, s})
			}
		}
		d.path.pop(mark)
	}
	if len(d.errs) == errs {
		*b.p = list
	}
}

func checkVariable(s string) error {
	if s == "" || strings.ContainsAny(s, "=\x00") {
		return problem(quote(s)+" is not the name of a variable", "letters, digits and _ are usual")
	}
	return nil
}

// checkPass checks the name that a field of the request has in the environment.
// RFC 3875, 4.1.18.
func checkPass(s string) (string, error) {
	wrong := func(right string) (string, error) {
		return "", problem(quote(s)+" is not a field of a request", right)
	}
	upper := strings.ReplaceAll(strings.ToUpper(s), "-", "_")
	field, prefixed := strings.CutPrefix(upper, "HTTP_")
	plain := strings.Trim(field, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "" && field != ""
	switch {
	case plain && field == "PROXY":
		return "", problem(quote(s)+" would be taken for the address of a proxy by many programs", "remove it")
	case plain && !prefixed && s == upper:
		return wrong("fields are written such as 'HTTP_USER_AGENT'; other variables stand in env")
	case plain && !prefixed:
		return wrong("did you mean 'HTTP_" + field + "'?")
	case plain && s != upper:
		return wrong("did you mean '" + upper + "'?")
	case !plain:
		return wrong("write it such as 'HTTP_USER_AGENT'")
	}
	return s, nil
}

// together checks what several keys of exec say.
func (e *Exec) together(d *decoder, r *Route) {
	d.expansions(e.Program, r.Captures)
	for _, v := range e.Env.Value {
		for _, name := range e.Pass.Value {
			if v.Name == name {
				d.failAt(e.Pass.From, quote(name)+" is in env, too", "keep one of them")
			}
		}
	}
}
