package jsapi

import (
	"regexp"
	"strings"

	"github.com/dop251/goja"

	"github.com/umpa-run/umpa-run/jsapi/escape"
	"github.com/umpa-run/umpa-run/netio/packet"
)

// analysis is what is asked of handlers before they are called.
type analysis struct {
	source goja.Callable // Function.prototype.toString as it was before any script
	opt    escape.Options
	script *escape.Script // the names of the whole script, where it is known
}

// Source tells the text of the script that is about to run, as the runtime
// gets it: one script with everything in it. module is the name of the
// variable in it through which exports are imported, by lines of the form
//
//	const send = module.get("send");
//
// or "" where there is none. The text is needed to know which globals the
// script shadows; without it, handlers run no less right, only slower.
func (a *API) Source(text, module string) {
	if module != "" {
		// An import of send is no other send.
		line := regexp.MustCompile(`(?m)^[ \t]*(?:var|let|const) send = (?:/\* @__PURE__ \*/ )?` + regexp.QuoteMeta(module) + `\.get\("send"\);[ \t]*$`)
		if at := line.FindAllStringIndex(text, -1); len(at) == 1 {
			text = text[:at[0][0]] + text[at[0][1]:]
		}
	}
	a.script, _ = escape.ReadScript(text) // a syntax error is the runtime's to report
}

// proof is what is known of a handler.
type proof struct {
	stays   bool   // it keeps nothing of the packet that it is called with
	why     string // or why that is not known
	replies bool   // and the answers it makes are sent at once, or returned
}

func (a *API) initAnalysis() {
	f := a.rt.Get("Function").ToObject(a.rt).Get("prototype").ToObject(a.rt).Get("toString")
	a.source, _ = goja.AssertFunction(f)
	a.opt = escape.Options{Members: a.memberKind, Scalars: a.scalar, Parts: a.isList}
}

// prove analyses a handler's source.
func (a *API) prove(f *goja.Object) (p proof) {
	p.why = "its source is not known"
	if a.source == nil {
		return p
	}
	v, err := a.source(f)
	if err != nil {
		return p
	}
	src := v.String()
	verdict := escape.Analyse(src, a.opt)
	p.stays, p.why = verdict.Stays, verdict.Reason
	if p.stays {
		// The global itself cannot be replaced: see installSend.
		p.replies = repliesLeave(src, a.script != nil && !a.script.Declares("send"), a.scalar)
	}
	return p
}

// memberKind says what reading or calling a member of a packet may let out.
// [view.Get] and initMembers must keep what is said here.
func (a *API) memberKind(name string) (escape.MemberKind, bool) {
	switch name {
	case "text", "length", "time", "iface", "flow":
		return escape.Scalar, true
	case "payload", "bytes", "errors", "quoted":
		return escape.Copy, true
	case "has", "answers", "summary", "show", "hexdump":
		return escape.CallScalar, true
	case "matches":
		return escape.CallMatch, true
	case "toJSON":
		return escape.CallCopy, true
	case "reply", "with", "error":
		return escape.CallPacket, true
	case "layer":
		return escape.CallLayer, true
	}
	if m := a.members.find(name); m != nil && m.proto != nil {
		return escape.Layer, true
	}
	return escape.Escaping, false
}

// tableField finds what a path such as "questions[].name" below a protocol's
// header reads.
func (a *API) tableField(protocol, path string) *packet.Field {
	m := a.members.find(protocol)
	if m == nil || m.proto == nil {
		return nil
	}
	var f *packet.Field
	for i, name := range strings.Split(path, ".") {
		name = strings.TrimSuffix(name, "[]")
		if i == 0 {
			f = m.proto.Field(name)
		} else {
			f = part(f, name)
		}
		if f == nil {
			return nil
		}
	}
	return f
}

// scalar reports whether a field reads as a primitive.
func (a *API) scalar(protocol, path string) bool {
	switch {
	case path == "layer" || path == "offset":
		return true
	case strings.HasSuffix(path, ".length"):
		return true
	}
	f := a.tableField(protocol, path)
	if f == nil || strings.Contains(path, "[") && len(f.Items) > 0 {
		return false
	}
	return f.Scalar() || f.Kind == packet.Text || f.Kind == packet.CText || f.Kind == packet.Name
}

// isList reports whether a field reads as a list or an object: a fresh one.
func (a *API) isList(protocol, path string) bool {
	f := a.tableField(protocol, path)
	if f == nil {
		return false
	}
	switch f.Kind {
	case packet.List, packet.Struct, packet.Options:
		return true
	}
	return false
}
