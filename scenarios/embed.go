// Package scenarios is the scenarios that come with the program. Each is meant
// to be read and copied as much as to be run.
package scenarios

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed *.js *.json
var files embed.FS

// FS holds the scenarios as they stand in the repository: FS.Open of
// "scenarios/ping.js" opens ping.js. It is what the program runs when no file
// of that name exists.
var FS fs.FS = below{"scenarios", files}

// below shows a file system under a folder.
type below struct {
	dir string
	fs  fs.FS
}

func (b below) inner(op, name string) (string, error) {
	if name == b.dir {
		return ".", nil
	}
	rest, ok := strings.CutPrefix(name, b.dir+"/")
	if !ok || !fs.ValidPath(name) {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return rest, nil
}

func (b below) Open(name string) (fs.File, error) {
	rest, err := b.inner("open", name)
	if err != nil {
		return nil, err
	}
	return b.fs.Open(rest)
}

func (b below) ReadDir(name string) ([]fs.DirEntry, error) {
	rest, err := b.inner("readdir", name)
	if err != nil {
		return nil, err
	}
	return fs.ReadDir(b.fs, rest)
}
