// Package js is the browser client: curlew.js, a module without dependencies that
// needs no build step, and its types. The server serves it at /curlew.js; it is an
// npm package too.
package js

import _ "embed"

// Script is curlew.js.
//
//go:embed curlew.js
var Script []byte

// Types is curlew.d.ts.
//
//go:embed curlew.d.ts
var Types []byte
