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

// buildVersion is the version of the module that was built.
func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func versionText() string {
	v, extra := buildVersion(), ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				extra = " " + s.Value
			}
		}
	}
	return fmt.Sprintf("curlew %s%s %s %s/%s", v, extra, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
