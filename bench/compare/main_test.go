package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCompare runs the real programs for a moment: each server is measured.
func TestCompare(t *testing.T) {
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "./compare", "./load", "./echo", "./fanout", "./peers/gws", "./peers/gorilla")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(filepath.Join(dir, "compare"), "-rounds", "1", "-warm", "10ms", "-t", "50ms", "-only", "echo-100c-128,all-100c-128").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, s := range servers {
		if !strings.Contains(string(out), "\n  "+s.name+" ") {
			t.Errorf("%s is not in the table:\n%s", s.name, out)
		}
	}
	for _, s := range broadcasters {
		if !strings.Contains(string(out[bytes.Index(out, []byte("\nall-100c-128\n"))+1:]), "\n  "+s.name+" ") {
			t.Errorf("%s is not among those who broadcast:\n%s", s.name, out)
		}
	}
	if strings.Contains(string(out), "idle-5k") {
		t.Errorf("-only did not keep others away:\n%s", out)
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		x    []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{3, 1, 2}, 2}, {[]float64{9, 1, 5, 7, 3}, 5}} {
		if got := median(c.x); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.x, got, c.want)
		}
	}
}
