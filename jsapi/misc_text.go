package jsapi

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/dop251/goja"
)

// installText sets TextEncoder and TextDecoder, for UTF-8 and Latin-1.
func (a *API) installText() {
	encoder := a.rt.ToValue(func(call goja.ConstructorCall) *goja.Object { return nil }).(*goja.Object)
	proto := encoder.Get("prototype").(*goja.Object)
	a.put(proto, "encode", a.function("encode", func(call goja.FunctionCall) goja.Value {
		v := call.Argument(0)
		if goja.IsUndefined(v) {
			return a.uint8Array([]byte{})
		}
		return a.uint8Array([]byte(v.String()))
	}))
	a.put(proto, "encodeInto", a.function("encodeInto", func(call goja.FunctionCall) goja.Value {
		into := bytesOf(call.Argument(1))
		if into == nil {
			a.fail("encoder.encodeInto(text, bytes)", "encodeInto: %s is not a Uint8Array", a.describe(call.Argument(1)))
		}
		read, written := 0, 0
		for _, r := range call.Argument(0).String() {
			n := utf8.RuneLen(r)
			if n < 0 || written+n > len(into) {
				break
			}
			written += utf8.EncodeRune(into[written:], r)
			read++
			if r > 0xffff {
				read++ // counted in UTF-16 units
			}
		}
		o := a.rt.NewObject()
		a.put(o, "read", a.rt.ToValue(read))
		a.put(o, "written", a.rt.ToValue(written))
		return o
	}))
	a.put(proto, "encoding", a.rt.ToValue("utf-8"))
	a.nameClass("TextEncoder", encoder)

	decoder := a.rt.ToValue(func(call goja.ConstructorCall) *goja.Object {
		a.makeDecoder(call)
		return nil
	}).(*goja.Object)
	a.nameClass("TextDecoder", decoder)
}

func (a *API) nameClass(name string, class *goja.Object) {
	_ = class.DefineDataProperty("name", a.rt.ToValue(name), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	a.global(name, class)
}

func (a *API) makeDecoder(call goja.ConstructorCall) {
	label, latin1 := "utf-8", false
	if v := call.Argument(0); !goja.IsUndefined(v) {
		switch strings.ToLower(strings.TrimSpace(v.String())) {
		case "utf-8", "utf8":
		case "latin1", "iso-8859-1", "ascii", "us-ascii":
			// The web takes these names for windows-1252. Here a byte is the
			// code point of the same number, so that no byte is lost.
			label, latin1 = "iso-8859-1", true
		default:
			a.fail("'utf-8' or 'latin1'", "TextDecoder: the encoding %s is not known", a.describe(v))
		}
	}
	set := a.options("TextDecoder", call.Argument(1), "fatal", "ignoreBOM")
	truth := func(name string) bool { v := set[name]; return v != nil && v.ToBoolean() }
	fatal, keepBOM := truth("fatal"), truth("ignoreBOM")
	var rest []byte // of a character that the next part of a stream ends
	started := false
	o := call.This
	a.put(o, "encoding", a.rt.ToValue(label))
	a.put(o, "fatal", a.rt.ToValue(fatal))
	a.put(o, "ignoreBOM", a.rt.ToValue(keepBOM))
	a.put(o, "decode", a.function("decode", func(call goja.FunctionCall) goja.Value {
		var b []byte
		if v := call.Argument(0); !goja.IsUndefined(v) {
			if _, b = a.typedArray(v); b == nil {
				a.fail("decoder.decode(pkt.payload)", "decode: %s is not bytes", a.describe(v))
			}
		}
		v := a.options("decode", call.Argument(1), "stream")["stream"]
		stream := v != nil && v.ToBoolean()
		if latin1 {
			runes := make([]rune, len(b))
			for i, c := range b {
				runes[i] = rune(c)
			}
			return a.rt.ToValue(string(runes))
		}
		b = append(rest, b...)
		rest = nil
		if stream {
			if n := unfinished(b); n > 0 {
				rest = bytes.Clone(b[len(b)-n:])
				b = b[:len(b)-n]
			}
		}
		if fatal && !utf8.Valid(b) {
			started, rest = false, nil
			a.fail("without { fatal: true } what is not UTF-8 becomes U+FFFD", "decode: the bytes are not UTF-8")
		}
		if !keepBOM && !started {
			b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
		}
		started = stream && (started || len(b) > 0)
		return a.rt.ToValue(toUTF8(b))
	}))
}

// unfinished is how many bytes at the end begin a character that is not whole.
func unfinished(b []byte) int {
	for n := 1; n <= min(utf8.UTFMax-1, len(b)); n++ {
		if c := b[len(b)-n]; utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRune(b[len(b)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}

// toUTF8 reads bytes as text: each that is not UTF-8 becomes U+FFFD.
func toUTF8(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var s strings.Builder
	s.Grow(len(b) + 16)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		s.WriteRune(r)
		b = b[n:]
	}
	return s.String()
}
