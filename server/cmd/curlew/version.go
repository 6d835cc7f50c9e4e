package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

type version struct{}

// Run prints what the build knows of itself.
func (version) Run(p *Program) error {
	_, err := fmt.Fprintln(p.Stdout, versionText())
	return err
}

func versionText() string {
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
	return fmt.Sprintf("curlew %s%s %s %s/%s", v, extra, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
