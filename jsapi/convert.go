package jsapi

import "github.com/dop251/goja"

// describe shows a script's value in an error, without running script code.
func (a *API) describe(v goja.Value) string {
	switch {
	case v == nil || goja.IsUndefined(v):
		return "undefined"
	case goja.IsNull(v):
		return "null"
	case goja.IsString(v):
		s := v.String()
		if len(s) > 60 {
			s = s[:57] + "..."
		}
		return "'" + s + "'"
	}
	o, ok := v.(*goja.Object)
	if !ok {
		return v.String()
	}
	switch o.ClassName() {
	case "Function":
		return "a function"
	case "Array":
		return "an array"
	}
	return "an object"
}
