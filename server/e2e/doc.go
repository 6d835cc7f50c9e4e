// Package e2e holds the tests of our pages in a real browser: of the demo site, also
// behind proxies, of the README's page and of the report of curlew conform. They need
// chromium, firefox, node, the proxies and the npm packages of this folder; make deps
// brings them. Chromium does everything, Firefox the chat behind proxies; with connections
// that are cut after 5 s instead of one, and all pages of the hub in Firefox too:
//
//	CURLEW_CONFORM=all go test ./server/e2e
//
// A picture of each view of the page:
//
//	go test ./server/e2e -args -shots DIR
package e2e
