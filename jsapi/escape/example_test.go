package escape_test

import (
	"fmt"

	"github.com/umpa-run/umpa-run/jsapi/escape"
)

func ExampleAnalyse() {
	opt := escape.Options{
		Natives: func(name string) (escape.Native, bool) {
			return escape.Native{Consumes: true, Quiet: true, Result: escape.Primitive}, name == "send"
		},
		Members: func(name string) (escape.MemberKind, bool) {
			switch name {
			case "reply":
				return escape.CallPacket, true
			case "ip":
				return escape.Layer, true
			}
			return escape.Escaping, false
		},
		Scalars: func(protocol, field string) bool { return protocol == "ip" && field == "src" },
	}
	for _, src := range []string{
		`pkt => { if (pkt.ip.src === '192.0.2.1') send(pkt.reply()) }`,
		`pkt => { setTimeout(() => send(pkt.reply()), 100) }`,
	} {
		v := escape.Analyse(src, opt)
		fmt.Printf("%v %v %q\n", v.Stays, v.QuietMicrotasks, v.Reason)
	}
	// Output:
	// true true ""
	// false false "pkt is captured by the inner function at 1:21"
}
