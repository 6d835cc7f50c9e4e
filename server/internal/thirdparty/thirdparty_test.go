package thirdparty

import (
	"flag"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/packages.txt")

const golden = "testdata/packages.txt"

// TestPackages: nothing comes into the binary unnoticed. A new package has its
// line in docs/dependencies.md: what for, what it costs, the way out.
func TestPackages(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "curlew.example/curlew/server/cmd/curlew")
	// One list for all machines.
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var others []string
	for _, p := range strings.Fields(string(out)) {
		if !strings.HasPrefix(p, "curlew.example/curlew") {
			others = append(others, p)
		}
	}
	slices.Sort(others)
	got := strings.Join(others, "\n") + "\n"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("third-party packages in the binary:\n%swant, by %s:\n%sIf that is meant: go test -update, and a line in docs/dependencies.md.", got, golden, want)
	}
}
