package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/file"
	"github.com/dop251/goja/parser"
	"github.com/evanw/esbuild/pkg/api"
	"github.com/go-sourcemap/sourcemap"

	"github.com/umpa-run/umpa-run/jsapi"
	"github.com/umpa-run/umpa-run/netio/packet"
)

// The names by which a bundle reaches its engine. The bundle is one async
// function with a parameter called bundleName; the prefix goes in front of the
// entry file, on a line of its own.
const (
	bundleName  = "__umpa"
	bundleFile  = "scenario.bundle.js"
	entryModule = "umpa:entry"
	apiModule   = "umpa"
	apiSpace    = "umpa"
	embedSpace  = "embed"
)

// unit is a scenario that was loaded: bundled, compiled, not yet run. It may
// be run in any number of runtimes.
type unit struct {
	name     string // as the user calls it
	dir      string // the scenario's folder: of the file system, or inside embedded
	embedded fs.FS  // nil: the file system
	program  *goja.Program
	text     string            // of the bundle
	mapped   []byte            // the source map of it
	files    []string          // local files it was made of, absolute, sorted, without installed packages
	texts    map[string]string // all that it was made of, by path
	loaded   time.Time         // when its files began to be read
	options  options
	warnings []string
	sources  *sources
}

// sources finds the text of a line for messages. Names are as messages show them.
type sources struct {
	read  map[string]func() ([]byte, error)
	lines map[string][]string
	shown map[string]string // what goja calls a file -> how messages show it
}

// count is how many lines a file has; 0 when it is not known.
func (s *sources) count(name string) int { return len(s.all(name)) }

// line returns a line of a file, or nothing.
func (s *sources) line(name string, n int) string {
	lines := s.all(name)
	if n < 1 || n > len(lines) {
		return ""
	}
	return strings.TrimSuffix(lines[n-1], "\r")
}

func (s *sources) all(name string) []string {
	lines, known := s.lines[name]
	if !known {
		if read := s.read[name]; read != nil {
			if text, err := read(); err == nil {
				lines = strings.Split(string(text), "\n")
			}
		}
		s.lines[name] = lines
	}
	return lines
}

// loader bundles one scenario.
type loader struct {
	cfg   Config
	cwd   string
	entry string // absolute path, or path inside cfg.FS
	dir   string // its folder
	space string // the entry's esbuild namespace: "file" or embedSpace
	text  []byte // the entry's, as its author wrote it
	unit  *unit
	// prefixed are the files, with their namespaces, that have a line of ours in front.
	prefixed map[string]bool

	mu sync.Mutex // guards unit.files and texts while esbuild runs
}

// same reports whether two units were made of the same files.
func (u *unit) same(o *unit) bool { return o != nil && maps.Equal(u.texts, o.texts) }

// load bundles and compiles a scenario and reads its options. What is wrong
// with the script is a LoadError.
func load(cfg Config) (*unit, error) {
	if cfg.loaded != nil {
		return cfg.loaded, nil
	}
	cwd, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	l := &loader{cfg: cfg, cwd: cwd, space: "file", prefixed: map[string]bool{}}
	l.unit = &unit{name: cfg.Script, embedded: cfg.FS, loaded: time.Now(), texts: map[string]string{}, sources: &sources{
		read: map[string]func() ([]byte, error){}, lines: map[string][]string{}, shown: map[string]string{},
	}}
	defer func() {
		var failed *LoadError
		if errors.As(err, &failed) {
			failed.files = l.unit.files
		}
		if cfg.used != nil && cfg.FS == nil {
			for _, f := range l.unit.files {
				cfg.used(f)
			}
		}
	}()
	if err := l.find(); err != nil {
		return nil, err
	}
	result := api.Build(l.options())
	if len(result.Errors) > 0 {
		return nil, l.loadError(result.Errors)
	}
	for _, w := range result.Warnings {
		l.unit.warnings = append(l.unit.warnings, l.scriptError(w).Error())
	}
	if err := l.compile(result); err != nil {
		return nil, err
	}
	slices.Sort(l.unit.files)
	l.unit.files = slices.Compact(l.unit.files)
	return l.unit, nil
}

// find says where the entry is and reads it.
func (l *loader) find() (err error) {
	cfg := l.cfg
	switch {
	case cfg.Source != nil:
		l.text, l.dir = cfg.Source, cfg.Dir
		if l.unit.name == "" {
			l.unit.name = "eval"
		}
		if cfg.FS != nil {
			l.space = embedSpace
			l.entry = path.Join(l.dir, path.Base(l.unit.name))
			break
		}
		if l.dir, err = filepath.Abs(l.dir); err != nil {
			return err
		}
		l.entry = filepath.Join(l.dir, filepath.Base(l.unit.name))
	case cfg.Script == "":
		return errors.New("a scenario needs a file: Config.Script is empty")
	case cfg.FS != nil:
		l.space = embedSpace
		l.entry = path.Clean(cfg.Script)
		l.dir = path.Dir(l.entry)
		l.text, err = fs.ReadFile(cfg.FS, l.entry)
	default:
		if l.entry, err = filepath.Abs(cfg.Script); err != nil {
			return err
		}
		l.dir = filepath.Dir(l.entry)
		l.text, err = os.ReadFile(l.entry)
		l.unit.files = append(l.unit.files, l.entry)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("scenario %s: %w", cfg.Script, fs.ErrNotExist)
	}
	if err != nil {
		return fmt.Errorf("scenario %s: %w", cfg.Script, err)
	}
	if at := invalidUTF8(l.text); at >= 0 {
		before := string(l.text[:at])
		return &LoadError{Errors: []*ScriptError{{File: l.unit.name, Kind: KindSyntax,
			Line: 1 + strings.Count(before, "\n"), Column: utf16Column(before[strings.LastIndexByte(before, '\n')+1:], at),
			Message: fmt.Sprintf("byte %#02x is no UTF-8", l.text[at]), Hint: "save the file as UTF-8"}}}
	}
	l.unit.dir = l.dir
	l.prefixed[l.space+":"+l.entry] = true
	text := l.text
	l.unit.texts[l.entry] = string(text)
	l.unit.sources.read[l.unit.name] = func() ([]byte, error) { return text, nil }
	return nil
}

// invalidUTF8 is where text stops being UTF-8, or -1.
func invalidUTF8(text []byte) int {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return -1
}

func (l *loader) options() api.BuildOptions {
	return api.BuildOptions{
		Stdin: &api.StdinOptions{
			Contents:   "import * as scenario from '" + entryModule + "';\n" + bundleName + ".scenario(scenario);",
			ResolveDir: l.cwd,
			Sourcefile: "umpa:start",
		},
		AbsWorkingDir: l.cwd,
		Outfile:       filepath.Join(l.cwd, "scenario.js"),
		Bundle:        true,
		Write:         false,
		Format:        api.FormatESModule,
		// Packages that have one build for Node.js and one for browsers: the
		// engine has no Node.js modules, but what the other one asks for.
		Platform:    api.PlatformBrowser,
		MainFields:  []string{"browser", "module", "main"},
		Conditions:  []string{"browser", "module", "import", "default"},
		Target:      api.ES2022,
		TreeShaking: api.TreeShakingTrue,
		Supported: map[string]bool{
			"async-generator": false,
			"for-await":       false,
			"using":           false,
			"decorators":      false,
			"top-level-await": true,
		},
		Sourcemap:      api.SourceMapExternal,
		SourcesContent: api.SourcesContentExclude,
		LegalComments:  api.LegalCommentsNone,
		LogLevel:       api.LogLevelSilent,
		LogLimit:       0,
		Banner:         map[string]string{"js": `(async function(` + bundleName + `){"use strict";`},
		Footer:         map[string]string{"js": `})`},
		Define: map[string]string{
			"import.meta.hot":      bundleName + ".hot",
			"import.meta.url":      metaName + ".url",
			"import.meta.dirname":  metaName + ".dirname",
			"import.meta.filename": metaName + ".filename",
			// What packages ask for without looking whether there is a process.
			"process.env.NODE_ENV": `"production"`,
		},
		Loader:  map[string]api.Loader{".txt": api.LoaderText},
		Plugins: []api.Plugin{{Name: "umpa", Setup: l.setup}},
		// A folder's tsconfig could change what its scripts mean.
		TsconfigRaw: `{"compilerOptions":{"useDefineForClassFields":true}}`,
	}
}

// setup is the plugin that gives esbuild the entry, the module 'umpa', and
// files that are not on disk.
func (l *loader) setup(b api.PluginBuild) {
	b.OnResolve(api.OnResolveOptions{Filter: "^" + entryModule + "$"}, func(api.OnResolveArgs) (api.OnResolveResult, error) {
		return api.OnResolveResult{Path: l.entry, Namespace: l.space}, nil
	})
	b.OnResolve(api.OnResolveOptions{Filter: "^" + apiModule + "$"}, func(api.OnResolveArgs) (api.OnResolveResult, error) {
		return api.OnResolveResult{Path: apiModule, Namespace: apiSpace, SideEffects: api.SideEffectsFalse}, nil
	})
	b.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: apiSpace}, func(api.OnLoadArgs) (api.OnLoadResult, error) {
		text := apiSource()
		return api.OnLoadResult{Contents: &text, Loader: api.LoaderJS}, nil
	})
	b.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: "file"}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
		if a.Path == l.entry {
			return api.OnLoadResult{}, nil // it is the next one's
		}
		b, err := os.ReadFile(a.Path)
		if err != nil {
			return api.OnLoadResult{}, err
		}
		return l.imported("file", a.Path, string(b), api.LoaderDefault), nil
	})
	b.OnLoad(api.OnLoadOptions{Filter: "^" + regexp.QuoteMeta(l.entry) + "$", Namespace: l.space}, func(api.OnLoadArgs) (api.OnLoadResult, error) {
		text := l.withPrefix()
		r := api.OnLoadResult{Contents: &text, Loader: loaderFor(l.entry)}
		if l.space == "file" {
			r.ResolveDir = l.dir
		}
		return r, nil
	})
	if l.cfg.FS == nil {
		return
	}
	b.OnResolve(api.OnResolveOptions{Filter: `^\.`, Namespace: embedSpace}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
		base := path.Join(path.Dir(a.Importer), a.Path)
		for _, suffix := range []string{"", ".ts", ".js", ".json", "/index.ts", "/index.js"} {
			if info, err := fs.Stat(l.cfg.FS, base+suffix); err == nil && !info.IsDir() {
				return api.OnResolveResult{Path: base + suffix, Namespace: embedSpace}, nil
			}
		}
		return api.OnResolveResult{}, nil // esbuild then says that it could not be resolved
	})
	b.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: embedSpace}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
		text, err := fs.ReadFile(l.cfg.FS, a.Path)
		if err != nil {
			return api.OnLoadResult{}, err
		}
		return l.imported(embedSpace, a.Path, string(text), loaderFor(a.Path)), nil
	})
}

// metaName is a file's own import.meta, but for hot, which is the scenario's.
const metaName = bundleName + "_meta"

var importMeta = regexp.MustCompile(`\bimport\s*\.\s*meta\b`)

// imported is a file that the entry imports. One that asks for its import.meta
// gets it by a line of its own in front, as the entry does.
func (l *loader) imported(space, name, text string, loader api.Loader) api.OnLoadResult {
	l.mu.Lock() // esbuild loads files side by side
	defer l.mu.Unlock()
	l.unit.texts[name] = text
	if space == "file" && !slices.Contains(strings.Split(filepath.ToSlash(name), "/"), "node_modules") {
		l.unit.files = append(l.unit.files, name)
	}
	if importMeta.MatchString(text) {
		l.prefixed[space+":"+name] = true
		text = l.meta(space, name) + "\n" + withoutMark(text)
	}
	return api.OnLoadResult{Contents: &text, Loader: loader}
}

// meta declares what import.meta.url and the like become in a file.
func (l *loader) meta(space, name string) string {
	dir := path.Dir(name)
	if space == "file" {
		dir = filepath.Dir(name)
	}
	return fmt.Sprintf("const %s={url:%q,dirname:%q,filename:%q};", metaName,
		(&url.URL{Scheme: "file", Path: filepath.ToSlash(name)}).String(), dir, name)
}

// withoutMark is a text without what may only stand at its very beginning.
func withoutMark(text string) string {
	text = strings.TrimPrefix(text, "\ufeff")
	if strings.HasPrefix(text, "#!") {
		text = "//" + text[2:]
	}
	return text
}

func loaderFor(name string) api.Loader {
	switch strings.ToLower(path.Ext(filepath.ToSlash(name))) {
	case ".ts", ".mts", ".cts":
		return api.LoaderTS
	case ".tsx":
		return api.LoaderTSX
	case ".jsx":
		return api.LoaderJSX
	case ".json":
		return api.LoaderJSON
	case ".txt":
		return api.LoaderText
	}
	return api.LoaderJS
}

// apiSource is the module 'umpa'. Each export is a call marked as pure, so that
// those that are not imported leave no trace in the bundle.
func apiSource() string {
	var b strings.Builder
	for _, name := range jsapi.ExportNames() {
		fmt.Fprintf(&b, "export const %s = /* @__PURE__ */ %s.get(%q);\n", name, bundleName, name)
	}
	return b.String()
}

// handlerNames finds what may be the name of a handler: onArp, onStart.
var handlerNames = regexp.MustCompile(`\bon[A-Z]\w*`)

// withPrefix is the entry's text behind one line of ours. It hands over getters
// for the handlers that have no other way to be found: a top-level function
// that is not exported. They are asked for when the top level has run up to
// its first await, and again at its end; they also keep the functions
// from being shaken out of the bundle.
func (l *loader) withPrefix() string {
	text := withoutMark(string(l.text))
	names := append(handlerNames.FindAllString(text, -1), "options")
	slices.Sort(names)
	var b strings.Builder
	if importMeta.MatchString(text) {
		b.WriteString(l.meta(l.space, l.entry))
	}
	b.WriteString(bundleName + ".names({")
	for _, n := range slices.Compact(names) {
		fmt.Fprintf(&b, "%s:()=>typeof %s==='undefined'?undefined:%s,", n, n, n)
	}
	b.WriteString("});\n")
	return b.String() + text
}

// compile makes the program and its source map, and reads the options.
func (l *loader) compile(result api.BuildResult) error {
	var code, mapText []byte
	for _, f := range result.OutputFiles {
		if strings.HasSuffix(f.Path, ".map") {
			mapText = f.Contents
		} else {
			code = f.Contents
		}
	}
	mapped, err := l.sourceMap(mapText)
	if err != nil {
		return fmt.Errorf("scenario %s: source map: %w", l.unit.name, err)
	}
	text := string(code) + "//# sourceMappingURL=scenario.map\n"
	tree, err := parser.ParseFile(nil, bundleFile, text, 0, parser.WithSourceMapLoader(func(string) ([]byte, error) { return mapped, nil }))
	if err != nil {
		return l.syntaxError(err, mapped)
	}
	l.unit.text, l.unit.mapped = string(code), mapped
	l.unit.program, err = goja.CompileAST(tree, true)
	if err != nil {
		return l.syntaxError(err, nil)
	}
	return l.readOptions(tree)
}

// display is how messages show a file: as the user typed it, or relative to
// the working directory.
func (l *loader) display(space, name string) string {
	if space == l.space && name == l.entry {
		return l.unit.name
	}
	if space != "file" {
		return name
	}
	if rel, err := filepath.Rel(l.cwd, name); err == nil && !strings.HasPrefix(rel, ".."+string(filepath.Separator)+"..") {
		return rel
	}
	return name
}

// sourceMap changes esbuild's map into what goja needs to give the places that
// the author knows. goja asks for columns from 1 and takes the answer as it
// is, where a map counts from 0: so both are moved by one. The lines of ours in
// front of files are taken off. Files get the names that messages show.
func (l *loader) sourceMap(text []byte) ([]byte, error) {
	var m struct {
		Version  int      `json:"version"`
		Sources  []string `json:"sources"`
		Names    []string `json:"names"`
		Mappings string   `json:"mappings"`
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, err
	}
	prefixed := make([]bool, len(m.Sources))
	for i, s := range m.Sources {
		space, name := "file", s
		if before, after, ok := strings.Cut(s, ":"); ok && (before == apiSpace || before == embedSpace) {
			space, name = before, after
		} else if !filepath.IsAbs(name) {
			name = filepath.Join(l.cwd, filepath.FromSlash(name))
		}
		prefixed[i] = l.prefixed[space+":"+name]
		if space == apiSpace {
			m.Sources[i] = s
			continue
		}
		shown := l.display(space, name)
		if _, have := l.unit.sources.read[shown]; !have {
			text := l.unit.texts[name] // as it was loaded: it may be saved again
			l.unit.sources.read[shown] = func() ([]byte, error) { return []byte(text), nil }
		}
		m.Sources[i] = filepath.ToSlash(shown)
		l.unit.sources.shown[gojaName(m.Sources[i])] = shown
	}
	mappings, err := moveMappings(m.Mappings, prefixed)
	if err != nil {
		return nil, err
	}
	m.Mappings = mappings
	return json.Marshal(m)
}

// gojaName is what goja calls a source of the map.
func gojaName(source string) string {
	if u := file.ResolveSourcemapURL(bundleFile, source); u != nil {
		return u.String()
	}
	return source
}

// moveMappings moves generated and original columns by one, and the original
// lines of the sources that are prefixed by minus one.
func moveMappings(text string, prefixed []bool) (string, error) {
	out := make([]byte, 0, len(text)+64)
	var in, done [5]int // running values: generated column, source, line, column, name
	for n, line := range strings.Split(text, ";") {
		if n > 0 {
			out = append(out, ';')
		}
		in[0], done[0] = 0, 0
		first := true
		for segment := range strings.SplitSeq(line, ",") {
			if segment == "" {
				continue
			}
			fields := 0
			for len(segment) > 0 {
				v, rest, ok := decodeVLQ(segment)
				if !ok || fields == 5 {
					return "", fmt.Errorf("bad mapping %q", segment)
				}
				in[fields] += v
				segment = rest
				fields++
			}
			now := in
			now[0]++
			now[3]++
			if fields > 1 && now[1] >= 0 && now[1] < len(prefixed) && prefixed[now[1]] {
				now[2] = max(0, now[2]-1)
			}
			if !first {
				out = append(out, ',')
			}
			first = false
			for i := range fields {
				out = appendVLQ(out, now[i]-done[i])
				done[i] = now[i]
			}
		}
	}
	return string(out), nil
}

const vlqDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// decodeVLQ reads a Base64 VLQ, as in the source map format (ECMA-426).
func decodeVLQ(s string) (v int, rest string, ok bool) {
	shift := 0
	for i := 0; i < len(s) && shift < 32; i++ {
		d := strings.IndexByte(vlqDigits, s[i])
		if d < 0 {
			return 0, "", false
		}
		v |= d & 31 << shift
		shift += 5
		if d < 32 {
			if v&1 != 0 {
				return -(v >> 1), s[i+1:], true
			}
			return v >> 1, s[i+1:], true
		}
	}
	return 0, "", false
}

func appendVLQ(b []byte, v int) []byte {
	u := v << 1
	if v < 0 {
		u = -v<<1 | 1
	}
	for u >= 32 {
		b = append(b, vlqDigits[u&31|32])
		u >>= 5
	}
	return append(b, vlqDigits[u])
}

// loadError makes one error of esbuild's messages.
func (l *loader) loadError(messages []api.Message) error {
	e := &LoadError{}
	for _, m := range messages {
		e.Errors = append(e.Errors, l.scriptError(m))
	}
	slices.SortStableFunc(e.Errors, func(a, b *ScriptError) int {
		if a.File != b.File {
			return strings.Compare(a.File, b.File)
		}
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return e
}

var (
	unresolved  = regexp.MustCompile(`^Could not resolve "(.*)"$`)
	noExport    = regexp.MustCompile(`^No matching export in "umpa:umpa" for import "(.*)"$`)
	nodeModules = regexp.MustCompile(`^(node:.*|fs|net|os|path|dgram|http|https|util|events|stream|child_process|crypto|process|buffer)$`)
)

// scriptError makes our error of one of esbuild's messages.
func (l *loader) scriptError(m api.Message) *ScriptError {
	e := &ScriptError{File: l.unit.name, Kind: KindSyntax, Message: lowerFirst(m.Text)}
	if p := m.Location; p != nil {
		space := p.Namespace
		if space == "" {
			space = "file"
		}
		name := strings.TrimPrefix(p.File, space+":")
		if space == "file" && !filepath.IsAbs(name) {
			name = filepath.Join(l.cwd, filepath.FromSlash(name))
		}
		e.File, e.Line = l.display(space, name), p.Line
		if l.prefixed[space+":"+name] {
			e.Line = max(1, p.Line-1)
		}
		e.SourceLine = p.LineText
		e.Column = utf16Column(p.LineText, p.Column)
		e.Hint = p.Suggestion
	}
	if e.Hint != "" {
		e.Hint = "write " + e.Hint
	}
	for _, n := range m.Notes {
		if e.Hint == "" && n.Text != "" {
			e.Hint = lowerFirst(n.Text)
		}
	}
	if g := unresolved.FindStringSubmatch(m.Text); g != nil {
		e.Kind, e.Message, e.Hint = KindImport, fmt.Sprintf("cannot find %q", g[1]), importHint(g[1])
	} else if g := noExport.FindStringSubmatch(m.Text); g != nil {
		e.Kind, e.Message, e.Hint = KindImport, fmt.Sprintf("'umpa' does not export %q", g[1]), ""
		if near := packet.Nearest(g[1], jsapi.ExportNames()); near != "" {
			e.Hint = "did you mean '" + near + "'?"
		}
	} else if strings.HasPrefix(m.Text, "No matching export") {
		e.Kind = KindImport
	}
	return e
}

func importHint(name string) string {
	switch {
	case nodeModules.MatchString(name):
		return "a scenario has no Node.js modules: open() reads files, pcap captures, and packets go by send()"
	case strings.HasPrefix(name, "."):
		return "the path is relative to the file that imports it"
	}
	return "the module 'umpa' is built in; a local file starts with './', and a package is installed with npm"
}

// lowerFirst begins a message as ours do, unless it begins with a name.
func lowerFirst(s string) string {
	if len(s) > 1 && s[0] >= 'A' && s[0] <= 'Z' && (s[1] >= 'a' && s[1] <= 'z' || s[1] == ' ') {
		return string(s[0]+'a'-'A') + s[1:]
	}
	return s
}

// utf16Column turns a byte offset into a column from 1.
func utf16Column(line string, offset int) int {
	column := 1
	for _, r := range line[:min(max(offset, 0), len(line))] {
		column++
		if r > 0xffff {
			column++
		}
	}
	return column
}

// syntaxError makes a LoadError of what goja does not compile: what esbuild let
// pass, such as a regular expression that goja has no flag for. With a source
// map the places are those of the bundle: goja's parser takes the map only in
// the end.
func (l *loader) syntaxError(err error, mapped []byte) error {
	var bundle *sourcemap.Consumer
	if mapped != nil {
		bundle, _ = sourcemap.Parse(bundleFile, mapped) // it was made by us
	}
	add := func(e *LoadError, p file.Position, msg string) {
		if bundle != nil {
			if source, _, line, column, ok := bundle.Source(p.Line, p.Column); ok {
				p = file.Position{Filename: gojaName(source), Line: line, Column: column}
			} else {
				p = file.Position{Filename: gojaName(filepath.ToSlash(l.unit.name))}
			}
		}
		s := &ScriptError{Kind: KindSyntax, Message: lowerFirst(strings.TrimPrefix(msg, "SyntaxError: "))}
		s.File, s.Line, s.Column = l.unit.sources.place(p)
		s.SourceLine = l.unit.sources.line(s.File, s.Line)
		e.Errors = append(e.Errors, s)
	}
	e := &LoadError{}
	var (
		list     parser.ErrorList
		compiler *goja.CompilerSyntaxError
	)
	switch {
	case errors.As(err, &list):
		for _, p := range list {
			add(e, p.Position, p.Message)
		}
	case errors.As(err, &compiler) && compiler.File != nil:
		add(e, compiler.File.Position(compiler.Offset), compiler.Message)
	default:
		e.Errors = append(e.Errors, &ScriptError{File: l.unit.name, Kind: KindSyntax, Message: lowerFirst(err.Error())})
	}
	return e
}

// place turns a position of goja's into that of the author's file.
func (s *sources) place(p file.Position) (name string, line, column int) {
	if shown, ok := s.shown[p.Filename]; ok {
		return shown, p.Line, max(1, p.Column)
	}
	return p.Filename, p.Line, p.Column
}

// position is where a node stands.
func (l *loader) position(tree *ast.Program, n ast.Node) (name string, line, column int) {
	return l.unit.sources.place(tree.File.Position(int(n.Idx0()) - tree.File.Base()))
}
