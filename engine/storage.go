package engine

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

// Store keeps what scripts put into storage: encoded values by key. It belongs
// to the loop. It outlives a reload; a durable one outlives the process.
type Store struct {
	values  map[string][]byte // a value is never changed, but replaced
	db      *bbolt.DB
	dirty   bool
	damaged bool // the database holds its own lock, and cannot be closed
	noting  bool // of changes, for undo
	before  []storedBefore
}

// storedBefore is what a key held before a change.
type storedBefore struct {
	key   string
	value []byte // nil: nothing
}

// mark begins to note changes, for undo.
func (s *Store) mark() { s.noting, s.before = true, s.before[:0] }

// settle notes them no more.
func (s *Store) settle() { s.noting, s.before = false, nil }

// undo takes back what was changed since mark.
func (s *Store) undo() error {
	list := s.before
	s.settle()
	for _, b := range slices.Backward(list) {
		var err error
		if b.value == nil {
			err = s.Delete(b.key)
		} else {
			err = s.Set(b.key, b.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// changes notes that a key is about to change.
func (s *Store) changes(key string) {
	if s.noting {
		s.before = append(s.before, storedBefore{key, s.values[key]})
	}
}

// storeBucket holds the values in a state file.
var storeBucket = []byte("storage")

// StateError is a state folder or file that cannot be used.
type StateError struct{ Err error }

func (e *StateError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *StateError) Unwrap() error { return e.Err }

// NewStore returns a store in memory.
func NewStore() *Store { return &Store{values: map[string][]byte{}} }

// OpenStore returns the durable store of a scenario, kept in one file of the
// folder dir, which is made when missing. A value that Set has returned for
// survives the end of the process at any moment; Sync makes it survive the end
// of the machine. Another process that holds the file is an error.
func OpenStore(dir, scenario string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	name := strings.TrimSuffix(filepath.Base(scenario), filepath.Ext(scenario))
	path := filepath.Join(dir, name+".db")
	db, err := openBolt(path)
	if errors.Is(err, bbolt.ErrTimeout) {
		return nil, fmt.Errorf("state %s: in use by another process, or by another scenario of that name", path)
	}
	if err != nil {
		return nil, fmt.Errorf("state %s: %w", path, err)
	}
	// A commit without fsync is in the kernel's hands when it returns: enough
	// for kill -9. Sync follows at the end of the turn, once for all its sets.
	db.NoSync = true
	s := &Store{values: map[string][]byte{}, db: db}
	read := make(chan error, 1)
	go func() {
		read <- s.update(func(tx *bbolt.Tx) error {
			if info, err := os.Stat(path); err != nil || info.Size() < tx.Size() {
				return errors.Join(errDamaged, err)
			}
			b, err := tx.CreateBucketIfNotExists(storeBucket)
			if err != nil {
				return err
			}
			return b.ForEach(func(k, v []byte) error {
				s.values[string(k)] = slices.Clone(v)
				return nil
			})
		})
	}()
	select {
	case err = <-read:
	case <-time.After(storeRead): // pages that lead in a circle
		err = errDamaged
	}
	switch {
	case errors.Is(err, errDamaged): // and is not closed: the database holds its own lock
		return nil, fmt.Errorf("state %s: %w: move it away, and what is stored begins anew", path, errDamaged)
	case err != nil:
		return nil, errors.Join(fmt.Errorf("state %s: %w", path, err), db.Close())
	}
	return s, nil
}

var errDamaged = errors.New("the file is damaged")

// storeRead is how long reading a state file may take.
var storeRead = 10 * time.Second

// update changes the durable store. The database trusts its file: what a damaged
// one leads it to is a panic, or a fault of memory beyond the file's end.
func (s *Store) update(f func(*bbolt.Tx) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			s.damaged, err = true, errDamaged
		}
	}()
	return s.db.Update(f)
}

// snapshot is what is stored now.
func (s *Store) snapshot() map[string][]byte { return maps.Clone(s.values) }

// openBolt opens a database; one that it stumbles over is damaged.
func openBolt(path string) (db *bbolt.DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("%w: move it away, and what is stored begins anew", errDamaged)
		}
	}()
	return bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
}

// Get returns a value, which must not be changed.
func (s *Store) Get(key string) (value []byte, ok bool) {
	value, ok = s.values[key]
	return
}

// Set keeps a copy of value.
func (s *Store) Set(key string, value []byte) error {
	value = append([]byte{}, value...) // not nil, which is no value
	if s.db != nil {
		if key == "" || len(key) > bbolt.MaxKeySize {
			return fmt.Errorf("storage: a key has 1 to %d bytes", bbolt.MaxKeySize)
		}
		if err := s.update(func(tx *bbolt.Tx) error { return tx.Bucket(storeBucket).Put([]byte(key), value) }); err != nil {
			return fmt.Errorf("storage: %w", err)
		}
		s.dirty = true
	}
	s.changes(key)
	s.values[key] = value
	return nil
}

// Delete forgets a key; one that is not there is fine.
func (s *Store) Delete(key string) error {
	if _, ok := s.values[key]; !ok {
		return nil
	}
	if s.db != nil {
		if err := s.update(func(tx *bbolt.Tx) error { return tx.Bucket(storeBucket).Delete([]byte(key)) }); err != nil {
			return fmt.Errorf("storage: %w", err)
		}
		s.dirty = true
	}
	s.changes(key)
	delete(s.values, key)
	return nil
}

// Keys lists the keys, sorted.
func (s *Store) Keys() []string {
	return slices.Sorted(maps.Keys(s.values))
}

// Sync makes what was set survive the end of the machine.
func (s *Store) Sync() error {
	if !s.dirty || s.damaged {
		return nil
	}
	s.dirty = false
	return s.db.Sync()
}

// Close syncs and closes a durable store.
func (s *Store) Close() error {
	if s.db == nil || s.damaged {
		return nil
	}
	return errors.Join(s.Sync(), s.db.Close())
}

// storageOf is the engine's store as one version sees it: to a version that is
// not live yet it stands still, and what that one sets waits for the swap.
type storageOf struct{ v *vm }

func (o storageOf) Get(key string) (value []byte, ok bool) {
	if s := o.v.staged; s != nil {
		value, ok = s.values[key]
		return value, ok
	}
	return o.v.e.store.Get(key)
}

func (o storageOf) Set(key string, value []byte) error {
	if s := o.v.staged; s != nil {
		s.store(key, append([]byte{}, value...))
		return nil
	}
	return o.v.e.store.Set(key, value)
}

func (o storageOf) Delete(key string) error {
	if s := o.v.staged; s != nil {
		s.store(key, nil)
		return nil
	}
	return o.v.e.store.Delete(key)
}

func (o storageOf) Keys() []string {
	if s := o.v.staged; s != nil {
		return slices.Sorted(maps.Keys(s.values))
	}
	return o.v.e.store.Keys()
}

// write makes what a version set before it was live its deed. both are the keys
// that the live version has set since.
func (s *staged) write(store *Store) (both []string, err error) {
	for _, key := range slices.Sorted(maps.Keys(s.stored)) {
		if now := store.values[key]; (now == nil) != (s.stored[key] == nil) || !bytes.Equal(now, s.stored[key]) {
			both = append(both, key)
		}
		if value := s.values[key]; value != nil {
			err = store.Set(key, value)
		} else {
			err = store.Delete(key)
		}
		if err != nil {
			return both, err
		}
	}
	return both, nil
}
