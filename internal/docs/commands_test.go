package docs

// conformPage runs the commands of docs/conform.md.
const conformPage = "server/interop/conform_test.go: func TestConformPage("

// handlersPage runs the examples of docs/handlers.md.
const handlersPage = "server/interop/handlers_test.go: func TestHandlersPage("

// accessPage makes the tokens of docs/access.md.
const accessPage = "server/access_page_test.go: func TestAccessPageToken("

// commands are the commands that stand on our pages, each with who runs it: a
// file (or pattern of files) and a text in it.
var commands = map[string]string{
	`make bench BENCHFLAGS="-rounds 5 -t 2s"`:                     "bench/compare/main_test.go: func TestCompare(",
	"go run ./server/cmd/curlew convert appweb.conf > site.json5": "server/cmd/curlew/testdata/convert.txt: exec curlew convert appweb.conf",
	"make test": ".ci/run: exec make test",
	"go run ./internal/modpath github.com/you/curlew":                                                                                                           "internal/modpath/main_test.go: func TestRepository(",
	"go run ./server/cmd/curlew serve":                                                                                                                          "server/interop/readme_test.go: func TestReadme(",
	"go run ./server/cmd/curlew serve site.json5":                                                                                                               "server/interop/readme_test.go: func TestReadme(",
	"go run ./server/cmd/curlew check site.json5":                                                                                                               "server/interop/readme_test.go: func TestReadme(",
	"go run ./server/cmd/curlew connect ws://127.0.0.1:8080/rooms/lobby":                                                                                        handlersPage,
	"go run ./server/cmd/curlew hub ws://127.0.0.1:8080/hub subscribe room:lobby --history 10":                                                                  handlersPage,
	`go run ./server/cmd/curlew hub ws://127.0.0.1:8080/hub publish room:lobby '{"text":"hello"}'`:                                                              handlersPage,
	"go run ./server/cmd/curlew hub ws://127.0.0.1:8080/hub top --key @hub.keys":                                                                                handlersPage,
	`curl -H "Authorization: Bearer $(cat hub.keys)" -d '{"channel":"ticker:gold","data":42}' http://127.0.0.1:8080/hub/publish`:                                handlersPage,
	"go run ./server/cmd/curlew connect ws://127.0.0.1:8080/greet":                                                                                              handlersPage,
	"go run ./server/cmd/curlew connect ws://127.0.0.1:8080/today":                                                                                              handlersPage,
	"go run ./server/cmd/curlew connect ws://127.0.0.1:8080/app/echo":                                                                                           handlersPage,
	"go run ./server/cmd/curlew connect ws://127.0.0.1:8080/echo":                                                                                               "server/interop/readme_test.go: func TestReadme(",
	"go run ./server/cmd/curlew conform server ws://127.0.0.1:8080/echo":                                                                                        conformPage,
	"go run ./server/cmd/curlew conform server --list 7":                                                                                                        conformPage,
	"go run ./server/cmd/curlew conform server ws://127.0.0.1:8080/echo 1.1 6 -6.4 --verbose":                                                                   conformPage,
	"go run ./server/cmd/curlew conform client 127.0.0.1:9001 --once --json client.json --html client.html":                                                     conformPage,
	"go run ./server/cmd/curlew conform server ws://127.0.0.1:8080/echo 1 7 --agent ours --json ours.json --junit ours.xml --html ours.html --index index.json": conformPage,
	"go run ./server/cmd/curlew conform server ws://127.0.0.1:8080/echo 1 7 --agent theirs --json theirs.json":                                                  conformPage,
	"go run ./server/cmd/curlew conform report ours.json theirs.json --html matrix.html":                                                                        conformPage,
	"go run ./server/cmd/curlew conform diff ours.json theirs.json":                                                                                             conformPage,

	`openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out private.pem`: accessPage,
	`openssl pkey -in private.pem -pubout -out public.pem`:                          accessPage,
	`b64() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }`:                       accessPage,
	`head=$(printf '{"alg":"RS256"}' | b64)`:                                        accessPage,
	`claims=$(printf '{"sub":"alice","iss":"https://login.example.com","aud":"chat.example.com","roles":["member"],"exp":%d}' $(($(date +%s) + 3600)) | b64)`: accessPage,
	`signature=$(printf %s "$head.$claims" | openssl dgst -sha256 -sign private.pem | b64)`:                                                                   accessPage,
	`echo "$head.$claims.$signature"`: accessPage,
	`signature=$(printf %s "$head.$claims" | openssl dgst -sha256 -hmac "$(cat secret)" -binary | b64)`: accessPage,
}
