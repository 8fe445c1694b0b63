package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/umpa-run/umpa-run/engine"
	"github.com/umpa-run/umpa-run/netio"
)

// One scenario, in virtual time, on a wire of its own.
func Example() {
	e, err := engine.New(engine.Config{
		Script: "hello.js",
		Source: []byte(`
			setInterval(() => console.log('tick at', now() / 1000, 's'), '1h');
			function onStop(reason) { console.log('stopped:', reason) }
		`),
		Virtual: true,
		For:     150 * 60e9,
		Log:     func(entry engine.Entry) { fmt.Println(entry.Text) },
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := e.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
	// Output:
	// tick at 3600 s
	// tick at 7200 s
	// stopped: time is up
}

// Two scenarios that meet on one wire: one asks who has an address, the other
// answers without entering JavaScript.
func ExampleRunAll() {
	wires := netio.NewWires()
	var engines []*engine.Engine
	for i, text := range []string{
		`on({ arp: { op: 'request', tpa: '10.0.0.1' } }, (pkt) => pkt.reply())`,
		`send(packet(eth({ dst: 'ff:ff:ff:ff:ff:ff' }), arp({ op: 'request', tpa: '10.0.0.1' })));
		 const answer = await receiveOne({ arp: { op: 'reply' } }, { timeout: '1s' });
		 console.log(answer.arp.spa, 'is at', answer.arp.sha)`,
	} {
		e, err := engine.New(engine.Config{
			Script:  fmt.Sprintf("scenario%d.js", i+1),
			Source:  []byte(text),
			Wires:   wires,
			Number:  i + 1,
			Virtual: true,
			Log:     func(entry engine.Entry) { fmt.Println(entry.Text) },
		})
		if err != nil {
			log.Fatal(err)
		}
		engines = append(engines, e)
	}
	if err := engine.RunAll(context.Background(), engines, false); err != nil {
		log.Fatal(err)
	}
	// Output: 10.0.0.1 is at 02:00:00:00:00:01
}

// A mistake is told at its place, as its author wrote it.
func ExampleScriptError_Pretty() {
	e, err := engine.New(engine.Config{
		Script:  "mistake.ts",
		Source:  []byte("const port: number = 53;\nudp({ dprt: port });\n"),
		Virtual: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	var mistake *engine.ScriptError
	if errors.As(e.Run(context.Background()), &mistake) {
		fmt.Fprintln(os.Stdout, mistake.Pretty())
	}
	// Output:
	// mistake.ts:2:1: udp: there is no field "dprt"
	//   udp({ dprt: port });
	//   ^
	// hint: did you mean "dport"?
}
