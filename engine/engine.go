package engine

import (
	"context"
	"io/fs"
	"time"

	"github.com/umpa-run/umpa-run/jsapi"
	"github.com/umpa-run/umpa-run/netio"
)

// Defaults of Config.
const (
	DefaultCallbackTimeout = time.Second
	DefaultMemoryLimit     = 2 << 30
	DefaultStopTimeout     = 2 * time.Second
	DefaultTrial           = 3 * time.Second
)

// FirstTime and LastTime are where virtual time may start: times of packets are
// nanoseconds since 1970, in 64 bits. It ends in April 2262.
var (
	FirstTime = time.Unix(0, 0).UTC()
	LastTime  = time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)
)

// Config says what to run and on what. The zero value with a Script is good: the
// scenario runs in real time on one wire of its own.
//
// An engine leaves the settings of the process alone. A program that runs
// scenarios under load does well to call debug.SetGCPercent(400), and one whose
// virtual runs shall be the same everywhere sets time.Local to time.UTC first:
// the local time that Date shows is the process's.
type Config struct {
	// Script is the scenario's path, as messages shall show it.
	Script string
	// Source, when not nil, is the scenario's text; Script then only names it.
	Source []byte
	// Dir is the folder that relative imports and file reads start from when
	// Source is given; empty means the working directory. Otherwise it is the
	// script's own folder.
	Dir string
	// FS, when not nil, is where Script and all it imports are read from: the
	// scenarios that a program brings along.
	FS fs.FS

	Args []string          // what scripts see as args
	Env  map[string]string // what scripts see as env

	// Seed is the seed of every random draw, together with Number. Without SeedSet
	// one is drawn; Engine.Seed tells which.
	Seed    uint64
	SeedSet bool

	// Interfaces are the links to run on, in order; none means one wire. An
	// interface with a Name is bound to the one that the scenario's options
	// call so, one without is the next.
	Interfaces []Interface
	// Shared says that Interfaces are those of several scenarios: one with a
	// name that the options do not call is then another scenario's, not a
	// mistake. A scenario whose options name none takes all of them.
	Shared bool
	// Wires are the virtual wires to plug into, for engines that shall meet;
	// nil means wires of its own.
	Wires *netio.Wires
	// EndAtRest ends a run in real time whose scenarios all wait for packets
	// that nobody is left to send: on wires that only they are on, and capture
	// files that have ended. In virtual time a run always ends so. Leave it off
	// where the program itself sends on the wires.
	EndAtRest bool
	// Number is the scenario's number among those on the same wires, 1 to
	// 254; 0 means 1. It gives the addresses it has on a wire unless told
	// otherwise: 10.0.0.n/24, fd00::n/64, 02:00:00:00:00:n.
	Number int

	// Log receives what the script writes to its console, and what the engine
	// has to say. It is called from the loop, so by several engines at once
	// when several run; nil discards.
	Log func(Entry)
	// Recorder, when not nil, records the frames of every link.
	Recorder *netio.Recorder

	// Watch reloads the scenario when its file, or a local file that it
	// imports, was saved: see the package's documentation. Not in virtual time,
	// whose runs are to be repeatable, and not where the scenario is in FS.
	Watch bool
	// Trial is how long after a reload an error that nothing caught is answered
	// by going back to the version before; it lasts for trialCallbacks callbacks
	// at least. 0 means DefaultTrial; negative means never to go back.
	Trial time.Duration

	// For stops the scenario after that long on its clock; 0 means never.
	For time.Duration
	// Virtual runs on a virtual clock, which jumps to the next event. Only
	// wires and capture files can be used with it.
	Virtual bool
	// Start is when virtual time starts; the zero time means
	// 2026-01-01T00:00:00Z.
	Start time.Time

	// CallbackTimeout is the longest that one callback may run, in real time,
	// before it is interrupted; 0 means what the scenario's options say, or
	// DefaultCallbackTimeout.
	CallbackTimeout time.Duration
	// StopTimeout bounds onStop in real time; 0 means DefaultStopTimeout.
	StopTimeout time.Duration
	// MemoryLimit is the size of the process's heap, in bytes, at which the
	// scenario is stopped with an error; 0 means DefaultMemoryLimit, negative
	// means none.
	MemoryLimit int64
	// QueueFrames bounds the frames that wait for the loop; 0 means 32768. A
	// wire drops (and counts) what does not fit, a live link waits.
	QueueFrames int

	// Stuck is told, from another goroutine, of a script that does not heed its
	// interruption: a native function of the JavaScript engine runs on for seconds.
	// Nothing in the process can stop it; a program does well to report and to
	// exit. nil: nothing is done.
	Stuck func(*ScriptError)

	// StateDir, when not empty, is the folder in which the script's storage is
	// kept, in a file named after the script, through restarts of the process.
	// Otherwise it is in memory. Two scenarios of one name cannot share a folder.
	StateDir string

	// AllowRead lists folders the script may read files in, beside its own.
	AllowRead []string

	loaded *unit             // what Script was loaded as; nil: it is still to be
	used   func(path string) // is told of the files that are read, absolute; may be nil

	ownSeed bool  // Seed is this scenario's alone
	replay  *feed // what reached it; nil: it is no replay
}

// Interface is one link of a scenario.
type Interface struct {
	Name string // as the scenario's options call it; empty: the next one
	Spec string // as netio.Open takes it: "eth0", "wire:lab", "tap:t0", "file:in.pcap"
	// Link, when not nil, is used instead of opening Spec. The engine closes it.
	Link netio.Link
}

// Entry is one line of output.
type Entry struct {
	// Level is "log", "info", "warn", "error" or "debug" for the script's
	// console, and "notice" for the engine's own words.
	Level  string
	Text   string
	Script string    // the scenario's name
	Time   time.Time // on the engine's clock
}

// Summary is what a scenario did.
type Summary struct {
	Script     string
	Duration   time.Duration // on the engine's clock
	Real       time.Duration // the same in real time
	Interfaces []InterfaceSummary
	Handlers   []jsapi.Handler
	Errors     uint64 // that handlers threw, quarantined ones with them
	Reloads    uint64
	Seed       uint64
	Turns      uint64
	Timers     uint64 // timer callbacks that ran
	Reason     string // why it ended: "done", the argument of stop(), "time is up", "interrupted", "error"
}

// InterfaceSummary is what passed one link.
type InterfaceSummary struct {
	Name  string
	Kind  netio.Kind
	Stats netio.Stats
	// Unanswered counts packets that were dropped before they reached the link:
	// no neighbour answered for them, or too many waited for one.
	Unanswered uint64
}

// Check loads a scenario and compiles it without running any of it. Its errors
// are those of New.
func Check(cfg Config) error {
	_, err := load(cfg)
	return err
}

// Run is RunAll of one engine.
func (e *Engine) Run(ctx context.Context) error {
	return RunAll(ctx, []*Engine{e}, false)
}
