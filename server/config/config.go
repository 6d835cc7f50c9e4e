// Package config reads site files and compiles what they say into the settings
// of the library.
package config

import (
	"curlew.example/curlew"
	"curlew.example/curlew/server/site"
)

// Load reads the site file with the given name. A file that is read but wrong
// gives Errors.
func Load(name string, handlers ...string) (*site.Site, error) { return nil, nil }

// Parse reads the text of a site file. The name stands in errors, and relative
// paths start at its folder. Every error is of type Errors.
func Parse(name string, text []byte, handlers ...string) (*site.Site, error) {
	return site.Parse(name, text, handlers...)
}

// Errors are all that is wrong in a site file.
type Errors = site.Errors

// Error is one of them.
type Error = site.Error

// Options returns the settings of a route's connections.
func Options(r *site.Route) *curlew.Options { return nil }
