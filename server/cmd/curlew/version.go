package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

type version struct{}

// Run prints what the build knows of itself.
func (version) Run(p *Program) error {
	v, extra := "(devel)", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			v = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				extra = " " + s.Value
			}
		}
	}
	_, err := fmt.Fprintf(p.Stdout, "curlew %s%s %s %s/%s\n", v, extra, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
