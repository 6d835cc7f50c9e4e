package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"curlew.example/curlew/conform"
)

// The page of curlew conform in a browser, with what the samples of package
// conform tell; one of them is of a peer that would like to run scripts.
func TestReport(t *testing.T) {
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
	browse(t, "report.mjs", run{Browser: chromium, Page: "file://" + filepath.ToSlash(page)}, nil)
}
