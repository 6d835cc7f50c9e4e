// Package docs keeps the written pages true, as tests: every Go block in
// README.md and docs is vetted, every command is one that some test runs, every
// link leads somewhere.
package docs
