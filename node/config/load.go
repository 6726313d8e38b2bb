package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// MaxFileBytes bounds a configuration file.
const MaxFileBytes = 1 << 20

// Errors to branch on with errors.Is.
var (
	ErrInvalid     = errors.New("invalid configuration")
	ErrPermissions = errors.New("configuration can be written by every user")
)

// Sources are the places that values come from. Env overrides File, and Flags override both.
type Sources struct {
	File  string // path; need not exist
	Env   func(name string) (string, bool)
	Flags map[string]string // by key; only the flags that were given
}

// Value is the value of a setting and its origin.
type Value struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Origin string `json:"origin,omitempty"`
}

// Loaded is a checked configuration that knows the origin of every value.
type Loaded struct {
	Config
	origins map[string]string
}

// Load reads and checks all sources. The error lists every invalid value with its file and line, variable or flag.
func Load(s Sources) (*Loaded, error) {
	l := &Loaded{Config: Default(), origins: map[string]string{}}
	if err := l.readFile(s.File); err != nil {
		return nil, err
	}
	var errs []error
	for _, setting := range l.settings() {
		if err := l.overrideSetting(setting, s); err != nil {
			errs = append(errs, fmt.Errorf("%w: %s: %s is %w", ErrInvalid, l.Origin(setting.Key), setting.Key, err))
		}
	}
	return l, errors.Join(errs...)
}

// Origin returns the place that a key's value came from, such as "env REMORA_RPC_LISTEN".
func (l *Loaded) Origin(key string) string {
	if o, set := l.origins[key]; set {
		return o
	}
	return "default"
}

// Values lists every setting with value and origin.
func (l *Loaded) Values() []Value {
	var list []Value
	for _, s := range l.settings() {
		list = append(list, Value{Key: s.Key, Value: s.formatValue(), Origin: l.Origin(s.Key)})
	}
	return list
}

// overrideSetting sets a value from the environment and the command line, and checks it.
func (l *Loaded) overrideSetting(s Setting, from Sources) error {
	if from.Env != nil {
		if text, set := from.Env(s.Env()); set {
			l.origins[s.Key] = "env " + s.Env()
			if err := s.parseText(text); err != nil {
				return err
			}
		}
	}
	if text, set := from.Flags[s.Key]; set {
		l.origins[s.Key] = "flag --" + s.Flag()
		if err := s.parseText(text); err != nil {
			return err
		}
	}
	return s.check()
}

// readFile takes the values of the file at path, if it exists.
func (l *Loaded) readFile(path string) error {
	data, err := readLimited(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := decodeFile(path, data, &l.Config); err != nil {
		return err
	}
	var sections map[string]map[string]any
	if err := toml.Unmarshal(data, &sections); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrInvalid, path, err)
	}
	for section, values := range sections {
		for name := range values {
			l.origins[section+"."+name] = fmt.Sprintf("file %s:%d", path, findLine(data, section, name))
		}
	}
	return nil
}

func decodeFile(path string, data []byte, into *Config) error {
	dec := toml.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	var unknown *toml.StrictMissingError
	var wrong *toml.DecodeError
	switch {
	case errors.As(err, &unknown):
		var errs []error
		for i := range unknown.Errors {
			line, _ := unknown.Errors[i].Position()
			key := strings.Join(unknown.Errors[i].Key(), ".")
			errs = append(errs, fmt.Errorf("%w: %s:%d: unknown key %.64q%s", ErrInvalid, path, line, key, suggestKey(key)))
		}
		return errors.Join(errs...)
	case errors.As(err, &wrong):
		line, _ := wrong.Position()
		return fmt.Errorf("%w: %s:%d: %s", ErrInvalid, path, line, strings.TrimPrefix(wrong.Error(), "toml: "))
	case err != nil:
		return fmt.Errorf("%w: %s: %w", ErrInvalid, path, err)
	}
	return nil
}

func suggestKey(key string) string {
	var known []string
	for _, s := range Settings() {
		known = append(known, s.Key)
	}
	if near, ok := Nearest(key, known); ok {
		return fmt.Sprintf(" (did you mean %q?)", near)
	}
	return fmt.Sprintf("; known keys are %s", strings.Join(known, ", "))
}

func readLimited(path string) (data []byte, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is not a regular file", ErrInvalid, path)
	}
	if perm := info.Mode().Perm(); perm&0o002 != 0 {
		return nil, fmt.Errorf("%w: %s has mode %04o; run chmod 600 %q", ErrPermissions, path, perm, path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err = io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	if err == nil && len(data) > MaxFileBytes {
		err = fmt.Errorf("%w: %s is over %d bytes", ErrInvalid, path, MaxFileBytes)
	}
	return data, err
}

// findLine returns the line that sets a key, in its section or dotted. The decoder has accepted the file.
func findLine(data []byte, section, name string) int {
	current := ""
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if header, isHeader := strings.CutPrefix(line, "["); isHeader {
			current = strings.TrimSpace(strings.SplitN(header, "]", 2)[0])
			continue
		}
		key, _, isKey := strings.Cut(line, "=")
		if key = strings.TrimSpace(key); isKey && (current == section && key == name || key == section+"."+name) {
			return i + 1
		}
	}
	return 0
}

// Render returns a file that sets the given values, by key.
func Render(values map[string]string) ([]byte, error) {
	c := Default()
	sections := map[string]map[string]any{}
	for _, s := range c.settings() {
		text, given := values[s.Key]
		if !given {
			continue
		}
		err := s.parseText(text)
		if err == nil {
			err = s.check()
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %s is %w", ErrInvalid, s.Key, err)
		}
		section, name, _ := strings.Cut(s.Key, ".")
		if sections[section] == nil {
			sections[section] = map[string]any{}
		}
		sections[section][name] = s.value
	}
	body, err := toml.Marshal(sections)
	if err != nil {
		return nil, fmt.Errorf("encode the configuration: %w", err)
	}
	return append([]byte("# Values that differ from the defaults. See: remora config show --origin\n"), body...), nil
}
