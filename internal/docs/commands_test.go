package docs

// commands are the commands that stand on our pages, each with who runs it: a
// file (or pattern of files) and a text in it.
var commands = map[string]string{
	`make bench BENCHFLAGS="-rounds 5 -t 2s"`: "bench/compare/main_test.go: func TestCompare(",
	"make test": ".ci/run: exec make test",
	"go run ./internal/modpath github.com/you/curlew":             "internal/modpath/main_test.go: func TestRepository(",
	"go run ./server/cmd/curlew serve":                            "server/interop/readme_test.go: func TestReadme(",
	"go run ./server/cmd/curlew serve site.json5":                 "server/interop/readme_test.go: func TestReadme(",
	"go run ./server/cmd/curlew check site.json5":                 "server/interop/readme_test.go: func TestReadme(",
	"go run ./server/cmd/curlew connect ws://127.0.0.1:8080/echo": "server/interop/readme_test.go: func TestReadme(",
}
