package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"curlew.example/curlew/conform"
	"curlew.example/curlew/internal/testenv"
)

// The page of curlew conform in a browser, with what the samples of package
// conform tell; one of them is of a peer that would like to run scripts.
func TestReport(t *testing.T) {
	node := testenv.Need(t, "node")
	chromium := testenv.Need(t, "chromium", "chromium-browser", "google-chrome")
	if _, err := os.Stat("node_modules/playwright-core"); err != nil {
		testenv.Missing(t, "the npm packages of server/e2e are not installed; make deps brings them")
	}
	var reports []*conform.Report
	for _, name := range []string{"hostile.json", "repaired.json"} {
		p, err := os.ReadFile(filepath.Join("..", "..", "conform", "testdata", "reports", name))
		if err != nil {
			t.Fatal(err)
		}
		r, err := conform.ReadReport(bytes.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		reports = append(reports, r)
	}
	var b bytes.Buffer
	if err := conform.WriteHTML(&b, reports...); err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(page, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	args, err := json.Marshal(map[string]string{"chromium": chromium, "page": "file://" + filepath.ToSlash(page)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "report.mjs", string(args))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("browser: %v\n%s%s", err, out, &errs)
	}
	steps := 0
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); steps++ {
		var step struct {
			Name, Error string
			MS          int
		}
		if err := json.Unmarshal(s.Bytes(), &step); err != nil {
			t.Fatalf("%v: %s", err, s.Bytes())
		}
		t.Run(step.Name, func(t *testing.T) {
			t.Logf("%d ms", step.MS)
			if step.Error != "" {
				t.Error(step.Error)
			}
		})
	}
	if steps == 0 {
		t.Fatal("the browser did nothing")
	}
}
