package proto

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// A Message is what was published.
type Message struct {
	Channel string
	Position
	Data   []byte // JSON, or with Binary any bytes
	Binary bool
	User   string // who has published it; "" if that is nobody in particular
	Key    string
	Time   int64 // milliseconds since 1970, UTC
}

// AppendMessage appends {"message":{…}}.
func AppendMessage(b []byte, m *Message) []byte {
	return append(m.Append(append(b, `{"message":`...)), '}')
}

// Published returns the message as an answer has it.
func (m *Message) Published() *Published {
	p := &Published{Channel: m.Channel, Offset: m.Offset, Epoch: m.Epoch, User: m.User, Key: m.Key, Time: m.Time}
	if m.Binary {
		p.Data64 = m.Data
	} else {
		p.Data = m.Data
	}
	return p
}

// Append appends the message's own object.
func (m *Message) Append(b []byte) []byte {
	b = append(b, `{"channel":`...)
	b = AppendText(b, m.Channel)
	b = m.Position.appendMembers(append(b, ','))
	if m.Binary {
		b = append(b, `,"data64":"`...)
		b = base64.StdEncoding.AppendEncode(b, m.Data)
		b = append(b, '"')
	} else {
		b = append(b, `,"data":`...)
		b = append(b, m.Data...)
	}
	if m.User != "" {
		b = AppendText(append(b, `,"user":`...), m.User)
	}
	if m.Key != "" {
		b = AppendText(append(b, `,"key":`...), m.Key)
	}
	b = append(b, `,"time":`...)
	return append(strconv.AppendInt(b, m.Time, 10), '}')
}

// Append appends the position as JSON.
func (at Position) Append(b []byte) []byte { return append(at.appendMembers(append(b, '{')), '}') }

func (at Position) appendMembers(b []byte) []byte {
	b = append(b, `"offset":`...)
	b = strconv.AppendInt(b, at.Offset, 10)
	return AppendText(append(b, `,"epoch":`...), at.Epoch)
}

// AppendText appends a JSON string.
func AppendText(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf || c == '<' || c == '>' || c == '&' {
			q, _ := json.Marshal(s)
			return append(b, q...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
