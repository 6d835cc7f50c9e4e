// Package proto is the hub's protocol, curlew.v1, as values and text: what a client
// may ask, what the server says, names, limits and codes. It reads and writes JSON
// and nothing else: no connection, no clock, no channel.
//
// docs/hub.md is the protocol for people; testdata/vectors.json the same for
// programs: the server, the Go client and the JavaScript client all run it.
package proto

// Subprotocol is the name of the protocol in Sec-WebSocket-Protocol.
const Subprotocol = "curlew.v1"

// Close codes on hub routes. With those from 4000 to 4499 it makes sense to connect
// again, with those from 4500 to 4999 it does not.
const (
	CloseDrain        = 4000
	CloseTooSlow      = 4001
	CloseTimeout      = 4002
	CloseExpired      = 4401 // get a new token first
	CloseBadRequest   = 4500
	CloseUnauthorized = 4501
	CloseThrownOut    = 4503
)

// Codes of errors. There are no others.
const (
	BadRequest     = "bad_request"
	UnknownChannel = "unknown_channel"
	Forbidden      = "forbidden"
	Unauthorized   = "unauthorized"
	Limit          = "limit"
	TooBig         = "too_big"
	Unavailable    = "unavailable"
	Expired        = "expired"
	Internal       = "internal"
)

// An Error is the answer to a request that was not done. Its message is for people.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Retry   bool   `json:"retry"` // the same request may succeed later
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// A Position is a place in a channel: behind the message with that offset. Offsets
// grow within an epoch; another epoch has nothing to do with them.
type Position struct {
	Epoch  string `json:"epoch"`
	Offset int64  `json:"offset"`
}

// MaxID is the largest id of a request, and the largest offset: what JavaScript can
// count exactly.
const MaxID = 1 << 53

// MaxDedupe is the longest dedupe key, in bytes.
const MaxDedupe = 64

// MaxKey is the longest key of a message, in bytes.
const MaxKey = 255

// MaxBatch is how many messages an array may hold.
const MaxBatch = 1000
