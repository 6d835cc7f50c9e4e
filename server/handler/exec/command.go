package exec

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"curlew.example/curlew/server/site"
)

// A command is what a route runs.
type command struct {
	folder    string    // absolute
	name      string    // below it, with slashes and captures
	directory string    // absolute
	literal   bool      // the name has no captures
	as        *identity // nil: whom the server runs as
}

// newCommand checks what can be checked before there are clients.
func newCommand(e *site.Exec) (*command, error) {
	c := &command{name: e.Name, literal: !strings.Contains(e.Name, "${")}
	var err error
	if c.folder, err = filepath.Abs(e.Folder); err != nil {
		return nil, e.Program.From.Errorf("%v; the name of a program is wanted", err)
	}
	if c.directory, err = filepath.Abs(e.Directory.Value); err == nil {
		err = folder(c.directory)
	}
	if err != nil {
		return nil, e.Directory.From.Errorf("%v; the name of a folder is wanted", err)
	}
	if !c.literal {
		if err := folder(c.folder); err != nil {
			return nil, e.Program.From.Errorf("%v; the part in front of the first capture is the name of a folder", err)
		}
		return c, nil
	}
	info, err := os.Stat(c.path(c.name))
	switch {
	case err != nil:
		return nil, e.Program.From.Errorf("%v; the name of a program is wanted, with its folder: it is not searched for", err)
	case !info.Mode().IsRegular():
		return nil, e.Program.From.Errorf("%s is no file; the name of a program is wanted", c.path(c.name))
	case !executable(info):
		return nil, e.Program.From.Errorf("%s cannot be run; allow it: chmod +x", c.path(c.name))
	}
	return c, nil
}

func folder(name string) error {
	info, err := os.Stat(name)
	if err == nil && !info.IsDir() {
		err = errors.New(name + " is a file")
	}
	return err
}

func (c *command) path(name string) string {
	return filepath.Join(c.folder, filepath.FromSlash(name))
}

// find returns the program for a request: the file to be run, and its name as the
// site file and the request say it, which the program is told.
//
// With captures the file is opened below the folder, which no ".." and no symbolic
// link leaves, and the file that is run then is the same, by its name without
// links. Who can change the folder between the two could have put a program there
// anyway.
func (c *command) find(r *http.Request) (file, name string, ok bool) {
	if c.literal {
		return c.path(c.name), c.path(c.name), true
	}
	below, ok := c.expand(r)
	if !ok {
		return "", "", false
	}
	root, err := os.OpenRoot(c.folder)
	if err != nil {
		return "", "", false
	}
	defer root.Close()
	info, err := root.Stat(filepath.FromSlash(below))
	if err != nil || !info.Mode().IsRegular() || !executable(info) || info.Mode()&(os.ModeSetuid|os.ModeSetgid) != 0 {
		return "", "", false
	}
	name = c.path(below)
	file, err = filepath.EvalSymlinks(name)
	if err != nil {
		return "", "", false
	}
	again, err := os.Lstat(file)
	if err != nil || !os.SameFile(info, again) {
		return "", "", false
	}
	return file, name, true
}

// expand puts the captures of a request into the name. Each must be a part of the
// name of one file that is not hidden.
func (c *command) expand(r *http.Request) (string, bool) {
	elements := strings.Split(c.name, "/")
	for i, element := range elements {
		var b strings.Builder
		for rest := element; rest != ""; {
			text, after, found := strings.Cut(rest, "${")
			b.WriteString(text)
			if !found {
				break
			}
			var capture string
			capture, rest, _ = strings.Cut(after, "}")
			b.WriteString(r.PathValue(capture))
		}
		s := b.String()
		if s != element && (s == "" || s[0] == '.' || strings.ContainsAny(s, "/\\\x00") || !portable(s)) {
			return "", false
		}
		elements[i] = s
	}
	return strings.Join(elements, "/"), true
}
