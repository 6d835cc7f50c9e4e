package site

import (
	"path/filepath"
	"slices"
)

// Parse reads the text of a site file. The name stands in errors and its folder
// is where relative paths start; it is not opened. An error is of type Errors.
//
// The handlers name those that the program brings besides the ones of this
// package; their settings are left in Route.Settings.
func Parse(name string, text []byte, handlers ...string) (*Site, error) {
	n, complete, errs := parseNode(name, text)
	if n == nil {
		return nil, errs
	}
	d := &decoder{file: name, dir: filepath.Dir(name), whole: complete, handlers: handlers, errs: errs}
	s := d.site(n)
	if len(d.errs) > 0 {
		d.errs.sort()
		if len(d.errs) == maxErrors {
			d.errs = append(d.errs, Place{File: name}.Errorf("too many errors; the rest is not shown"))
		}
		return nil, d.errs
	}
	return s, nil
}

// site reads the whole file.
func (d *decoder) site(n *Node) *Site {
	s := &Site{File: d.file, Dir: d.dir, root: n}
	fields := s.fields()
	d.defaults(fields)
	routes := new(Node)
	d.object(n, append(fields, field{name: "routes", to: raw{&routes, Array}}))
	if routes.Kind == Array {
		for i, item := range routes.Items {
			if len(d.errs) >= maxErrors {
				break
			}
			mark := d.path.push("routes")
			d.path.index(i)
			if !item.bad {
				s.Routes = append(s.Routes, d.route(s, item))
			}
			d.path.pop(mark)
		}
	}
	if d.whole && s.TLS == nil {
		for _, l := range s.Listen {
			if l.Secure {
				d.failAt(l.From, "https needs a certificate", "add tls: { certificate: 'site.pem', key: 'site.key' }")
			}
		}
	}
	private := s.private()
	for _, r := range s.Routes {
		r.Private = private
	}
	return s
}

// private lists the files and folders in which the site has its secrets.
func (s *Site) private() (list []string) {
	add := func(names ...string) {
		for _, name := range names {
			if name != "" && !slices.Contains(list, name) {
				list = append(list, name)
			}
		}
	}
	add(s.File)
	if s.TLS != nil {
		for _, c := range s.TLS.Certificates {
			add(c.Key.Value)
		}
		if s.TLS.ACME != nil {
			add(s.TLS.ACME.Cache.Value)
		}
	}
	of := func(a *Auth) {
		if a != nil {
			add(a.Basic.Users.Value, a.JWT.Keys.Value.File)
		}
	}
	of(s.Access.Auth)
	for _, r := range s.Routes {
		of(r.Access.Auth)
	}
	add(s.Hub.Auth.JWT.Keys.Value.File, s.Hub.APIKeys.Value.File)
	return list
}
