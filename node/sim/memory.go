package sim

import (
	"reflect"
	"strings"

	"github.com/remora-network/remora/mempool"
)

// countEntries counts what the maps and slices of a mempool core hold. It looks at the core from outside: a core that is
// measured should not have to help.
func countEntries(c *mempool.Core) int { return countReflected(reflect.ValueOf(c)) }

func countReflected(v reflect.Value) int {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || !strings.HasSuffix(v.Type().Elem().PkgPath(), "/mempool") {
			return 0 // headers, certificates, the committee: counted where they are kept
		}
		return countReflected(v.Elem())
	case reflect.Struct:
		if !strings.HasSuffix(v.Type().PkgPath(), "/mempool") {
			return 0
		}
		n := 0
		for i := range v.NumField() {
			n += countReflected(v.Field(i))
		}
		return n
	case reflect.Map:
		n := v.Len()
		for it := v.MapRange(); it.Next(); {
			n += countReflected(it.Value())
		}
		return n
	case reflect.Slice:
		n := v.Len()
		for i := range v.Len() {
			n += countReflected(v.Index(i))
		}
		return n
	default:
		return 0
	}
}
