package conform

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"unicode/utf8"
)

// A corpus makes payloads of one sort. They are generated, the same from the same
// seed on every machine, and except where their sort says so they never repeat
// themselves: a peer that mixes up its buffers cannot return the right bytes by
// luck.
type corpus struct {
	name   string
	op     byte                                // what such a payload is sent as
	append func(r *rand.Rand, p []byte) []byte // adds a little of it; text in whole runes
}

// bytes are n bytes. Text is cut between runes and filled up with dots.
func (c *corpus) bytes(n int, seed uint64) []byte {
	mark := uint64(len(c.name))
	for _, b := range []byte(c.name) {
		mark = mark*31 + uint64(b)
	}
	r := rand.New(rand.NewPCG(seed, mark))
	p := make([]byte, 0, n+1024)
	for len(p) < n {
		p = c.append(r, p)
	}
	if c.op == opText && n < len(p) {
		cut := n
		for !utf8.RuneStart(p[cut]) {
			cut--
		}
		for i := range p[cut:n] {
			p[cut+i] = '.'
		}
	}
	return p[:n:n]
}

// message is a message of n bytes.
func (c *corpus) message(n int, seed uint64) frame { return frame{op: c.op, payload: c.bytes(n, seed)} }

// The corpora, from what does not compress at all to what compresses best.
var (
	noise   = &corpus{"noise", opBinary, appendNoise}     // every byte is random
	ascii   = &corpus{"ascii", opText, appendASCII}       // random letters, digits and signs
	scripts = &corpus{"scripts", opText, appendScripts}   // words of many scripts, one to four bytes a rune
	prose   = &corpus{"prose", opText, appendProse}       // sentences in ASCII
	objects = &corpus{"objects", opText, appendObjects}   // JSON, an object a line
	markup  = &corpus{"markup", opText, appendMarkup}     // like HTML
	samples = &corpus{"samples", opBinary, appendSamples} // 16-bit numbers that change slowly, like sound
	sparse  = &corpus{"sparse", opBinary, appendSparse}   // zeros, and now and then something else
	stars   = &corpus{"stars", opText, appendStars}       // one character for ever
)

// corpora are all of them.
var corpora = [...]*corpus{noise, ascii, scripts, prose, objects, markup, samples, sparse, stars}

func appendNoise(r *rand.Rand, p []byte) []byte {
	for range 64 {
		p = binary.LittleEndian.AppendUint64(p, r.Uint64())
	}
	return p
}

func appendASCII(r *rand.Rand, p []byte) []byte {
	var b [48]byte
	for i := 0; i < len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], r.Uint64())
	}
	return base64.StdEncoding.AppendEncode(p, b[:])
}

// languages are a few words of each script, by bytes a rune.
var languages = [...]struct {
	script string
	words  []string
}{
	{"English", []string{"water", "stone", "bird", "of", "the", "a", "river", "early", "nine", "between"}},
	{"Latin with marks", []string{"façade", "Übermut", "smørrebrød", "łódź", "naïve", "ñandú", "žluťoučký"}},
	{"Greek", []string{"νερό", "πέτρα", "πουλί", "ἀρχή", "θάλασσα"}},
	{"Cyrillic", []string{"вода", "камень", "птица", "Ёлка", "объём"}},
	{"Hebrew", []string{"מים", "אבן", "ציפור", "שָׁלוֹם"}},
	{"Arabic", []string{"ماء", "حجر", "طائر", "كتاب"}},
	{"Devanagari", []string{"पानी", "पत्थर", "पक्षी", "क्षत्रिय"}},
	{"Thai", []string{"น้ำ", "หิน", "นก", "กำลัง"}},
	{"Georgian", []string{"წყალი", "ქვა", "ჩიტი"}},
	{"Chinese", []string{"水", "石头", "鳥", "龍馬", "一二三"}},
	{"Japanese", []string{"みず", "イシ", "とり", "ガギグゲゴ"}},
	{"Korean", []string{"물", "돌", "새", "한글"}},
	{"signs and separators", []string{"\u2028", "…", "€", "\u2060", "“”", "→", "\ufffd"}},
	{"emoji", []string{"😀", "👩\u200d🚀", "🇪🇺", "👍🏽", "🜁"}},
	{"the higher planes", []string{"𝒜𝓁𝑒𝓅𝒽", "𐌰𐌱𐌲", "𓂀", "𠜎𠜱", "\U000f0000", "\U0010fffd"}},
	{"combining marks", []string{"e\u0301\u0323", "a\u030a\u0328", "Z\u0351\u036b\u0343\u036a"}},
}

func appendScripts(r *rand.Rand, p []byte) []byte {
	set := languages[r.IntN(len(languages))].words
	for range 1 + r.IntN(4) {
		p = append(append(p, set[r.IntN(len(set))]...), ' ')
	}
	return p
}

// nouns and verbs are what prose, objects and markup speak of.
var (
	nouns = [...]string{"the harbour", "a keeper", "every lamp", "the old ferry", "her sister", "the north wind", "nobody",
		"a thousand birds", "the letter", "his second boat", "the tide", "some stranger", "the island", "a small fire"}
	verbs = [...]string{"remembers", "leaves", "carries", "waits for", "does not see", "returns to", "sings of", "answers",
		"forgets", "is taller than", "follows", "once belonged to", "counts", "borrows"}
	sentenceEnds = [...]string{". ", ". ", ", and ", ", but ", "; ", "? ", ".\n", ", while "}
)

func pick(r *rand.Rand, of []string) string { return of[r.IntN(len(of))] }

func appendProse(r *rand.Rand, p []byte) []byte {
	for _, w := range [...]string{pick(r, nouns[:]), " ", pick(r, verbs[:]), " ", pick(r, nouns[:]), pick(r, sentenceEnds[:])} {
		p = append(p, w...)
	}
	return p
}

func appendObjects(r *rand.Rand, p []byte) []byte {
	return fmt.Appendf(p, `{"id":%d,"from":%q,"what":%q,"at":"20%02d-%02d-%02dT%02d:00:00Z","weight":%.3f,"tags":["%x",null,%t]}`+"\n",
		r.Uint32(), pick(r, nouns[:]), pick(r, verbs[:]), r.IntN(100), 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.Float64()*1000, r.Uint32(), r.IntN(2) == 0)
}

func appendMarkup(r *rand.Rand, p []byte) []byte {
	return fmt.Appendf(p, "<li class=\"item\" id=\"n%d\"><a href=\"/things/%x\">%s</a> <em>%s</em> %s</li>\n",
		r.IntN(1e6), r.Uint32(), pick(r, nouns[:]), pick(r, verbs[:]), pick(r, nouns[:]))
}

// appendSamples adds 64 samples of a curve. It begins at a value of its own each
// time, for it knows nothing of what is already there.
func appendSamples(r *rand.Rand, p []byte) []byte {
	v, slope := r.IntN(1<<16), r.IntN(200)-100
	for range 64 {
		slope += r.IntN(21) - 10
		v += slope
		p = binary.LittleEndian.AppendUint16(p, uint16(v))
	}
	return p
}

func appendSparse(r *rand.Rand, p []byte) []byte {
	p = append(p, make([]byte, 1+r.IntN(150))...)
	return append(p, byte(r.Uint32()))
}

func appendStars(_ *rand.Rand, p []byte) []byte {
	return append(p, "****************************************************************"...)
}

// later is steps that are made when it is their turn, so that a case of many
// megabytes holds none of them before.
func later(steps func() []Step) Step {
	return do(func(s *session) error { return s.play(steps()) })
}
