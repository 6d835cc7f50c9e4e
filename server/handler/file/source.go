package file

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// A source is where files come from.
type source struct {
	route    *site.Route
	folder   string
	fixed    string      // the only file there is, if nothing is captured
	elements [][]segment // of the names below folder otherwise
}

// A segment is literal text followed by a capture; the last one of an element
// has none.
type segment struct{ text, name string }

func newSource(r *site.Route) (*source, error) {
	f := r.File
	s := &source{route: r, folder: f.Folder}
	if !strings.Contains(f.Name, "${") {
		s.fixed = f.Name
		return s, nil
	}
	info, err := os.Stat(f.Folder)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w; the name of a folder is wanted in front of the capture", err)
	case !info.IsDir():
		return nil, fmt.Errorf("%s is a file; the name of a folder is wanted in front of the capture", f.Folder)
	}
	for element := range strings.SplitSeq(f.Name, "/") {
		var list []segment
		for {
			text, rest, found := strings.Cut(element, "${")
			name, rest, closed := strings.Cut(rest, "}")
			if found && !closed {
				return nil, fmt.Errorf("%q; ${name} stands for a capture", f.Name)
			}
			list = append(list, segment{text, name})
			if !found {
				break
			}
			element = rest
		}
		s.elements = append(s.elements, list)
	}
	return s, nil
}

// name returns the name of the file for the values of captures, or false if a
// value does not keep to its place: it would divide a name or be none, or make a
// hidden file of one, or a link that leads up.
func (s *source) name(value func(string) string) (string, bool) {
	if s.fixed != "" {
		return s.fixed, true
	}
	var names []string
	for _, element := range s.elements {
		var name strings.Builder
		for _, part := range element {
			name.WriteString(part.text)
			if part.name == "" {
				continue
			}
			v := value(part.name)
			if v == "" || strings.ContainsAny(v, "/\\\x00") || !portable(v) || name.Len() == 0 && v[0] == '.' {
				return "", false
			}
			name.WriteString(v)
		}
		if n := name.String(); n == "." || n == ".." { // a value behind a literal dot
			return "", false
		}
		names = append(names, name.String())
	}
	name := filepath.Join(names...)
	return name, filepath.IsLocal(name)
}

// open opens a file by its name, and returns its size. Where the client has a part
// in the name, nothing leads out of the folder, no link and none that changes
// meanwhile, nor to what is the site's own; a file that only the site names may be any,
// and lie wherever links lead. What is no regular file is refused without waiting for
// it.
func (s *source) open(name string) (*os.File, int64, error) {
	if s.fixed != "" {
		f, info, err := regular(os.OpenFile(filepath.Join(s.folder, name), os.O_RDONLY|openFlags, 0))
		if err != nil {
			return nil, 0, err
		}
		return f, info.Size(), nil
	}
	root, err := os.OpenRoot(s.folder) // anew each time: it may have been replaced
	if err != nil {
		return nil, 0, err
	}
	defer root.Close()
	f, info, err := regular(root.OpenFile(name, os.O_RDONLY|openFlags, 0))
	if err != nil {
		return nil, 0, err
	}
	if route.Private(s.route, root, filepath.ToSlash(name), info) {
		f.Close()
		return nil, 0, os.ErrNotExist
	}
	return f, info.Size(), nil
}

// regular returns a file that was opened, if it is one.
func regular(f *os.File, err error) (*os.File, os.FileInfo, error) {
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = os.ErrInvalid
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}
