package escape

import "testing"

func TestScript(t *testing.T) {
	const bundle = `(async function () { "use strict";
		let hits = 0, total, name = 'x', flip = hits > 1, copy = hits, late;
		var sum = 0, seen = new Map(), { parts } = seen;
		const limit = 10 * 2, list = [], both = hits || list, fn = () => { late = 1; wrong = 2 };
		let wrong, looped, param = 1, caught = 1, spread = 1, x = 1, chained = 1;
		for (looped of list);
		function count(param) { sum += param; hits++; total = sum; try { } catch (caught) { } }
		[spread] = list;
		wrong = list;
		chained = both;
		{ let x = list }
		class K { m() { const inner = 1; send2 = 1 } }
		flip &&= limit;
	})`
	s, err := ReadScript(bundle)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Variable{
		"hits": LexicalPrimitive, "total": LexicalPrimitive, "name": LexicalPrimitive, "flip": LexicalPrimitive, "copy": LexicalPrimitive,
		"late": LexicalPrimitive, "sum": LexicalPrimitive, "limit": LexicalPrimitive,
		"seen": Lexical, "list": Lexical, "both": Lexical, "fn": Lexical, "wrong": Lexical, "looped": Lexical, "param": Lexical,
		"caught": Lexical, "spread": Lexical, "x": Lexical, "chained": Lexical, "count": Lexical, "K": Lexical,
		"parts": Unknown, "inner": Unknown, "send": Unknown, "send2": Unknown,
	} {
		if got := s.Variable(name); got != want {
			t.Errorf("Variable(%s) = %d, want %d", name, got, want)
		}
	}
	for name, want := range map[string]bool{"send": false, "send2": true, "inner": true, "param": true, "m": false, "parts": true} {
		if got := s.Declares(name); got != want {
			t.Errorf("Declares(%s) = %v, want %v", name, got, want)
		}
	}
}

func TestScriptBlind(t *testing.T) {
	for _, src := range []string{
		`let a = 1; eval('var a = {}')`,
		`let a = 1; with (a) { a = 2 }`,
		`var a = 1`, // a property of the global object
	} {
		s, err := ReadScript(src)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Variable("a"); got != Unknown {
			t.Errorf("%s: a is %d, want unknown", src, got)
		}
	}
	if _, err := ReadScript(`let a = `); err == nil {
		t.Error("a syntax error was read")
	}
}
