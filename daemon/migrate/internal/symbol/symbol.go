// Package symbol finds names for what other libraries run without one: functions and values of Go types. The
// id of a task is made of its name, so a name that changes when the program is rearranged is none.
package symbol

import (
	"fmt"
	"path"
	"reflect"
	"regexp"
	"runtime"
	"strings"
)

// literal matches what the compiler calls a function literal: the function around it and a number, which
// changes when another literal is put before it.
var literal = regexp.MustCompile(`\.(func|gowrap|deferwrap)\d+|\.glob\.\.|\.init\.\d+`)

// OfFunc returns the name of a function, with that of its package and without the path before that:
// "main.cleanup", "jobs.(*Server).Cleanup". The error says why there is none that stays. f must be a func that is
// not nil.
func OfFunc(f reflect.Value) (string, error) {
	fn := runtime.FuncForPC(f.Pointer())
	if fn == nil {
		return "", fmt.Errorf("a %s of which nothing is known has no name", f.Type())
	}
	if literal.MatchString(fn.Name()) {
		return "", fmt.Errorf("the function literal at %s has no name that stays when the program is rearranged", At(f))
	}
	return short(strings.TrimSuffix(fn.Name(), "-fm")), nil // -fm marks a method value
}

// OfType returns the name of a type, in the same form: "main.cleanupJob", of a pointer that of what it points to.
func OfType(t reflect.Type) (string, error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Name() == "" {
		return "", fmt.Errorf("the type %s has no name", t)
	}
	return t.String(), nil
}

// Show returns what the compiler calls a function, for people: the name, of a literal too.
func Show(f reflect.Value) string {
	if fn := runtime.FuncForPC(f.Pointer()); fn != nil {
		return short(strings.TrimSuffix(fn.Name(), "-fm"))
	}
	return f.Type().String()
}

// At returns where a function begins: "main.go:31".
func At(f reflect.Value) string {
	fn := runtime.FuncForPC(f.Pointer())
	if fn == nil {
		return "an unknown place"
	}
	file, line := fn.FileLine(fn.Entry())
	return fmt.Sprintf("%s:%d", path.Base(file), line)
}

// short cuts off the path before the package: what comes after the last slash, of those before any bracket of type
// arguments.
func short(name string) string {
	end := strings.IndexByte(name, '[')
	if end < 0 {
		end = len(name)
	}
	return name[strings.LastIndexByte(name[:end], '/')+1:]
}
