// Package web holds the files of the pages that are built in, and the text of the
// site that serves them.
package web

import (
	"embed"
	"io/fs"
)

//go:embed demo
var files embed.FS

//go:embed demo.json5
var demoSite []byte

// Demo returns the files of the demo page.
func Demo() fs.FS {
	sub, err := fs.Sub(files, "demo")
	if err != nil {
		panic(err) // a name that is embedded here is not there: never built
	}
	return sub
}

// DemoSite returns the site file that `curlew serve` runs without one. Its
// handler "demo" serves Demo.
func DemoSite() []byte { return demoSite }
