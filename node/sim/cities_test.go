package sim

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

func TestDistance(t *testing.T) {
	at := func(name string) city {
		return cities[slices.IndexFunc(cities, func(c city) bool { return c.name == name })]
	}
	for _, tt := range []struct {
		from, to string
		km       float64
	}{{"London", "Paris", 344}, {"New York", "Tokyo", 10850}, {"Sydney", "Sao Paulo", 13350}, {"Seoul", "Seoul", 0}} {
		if got := greatCircle(at(tt.from), at(tt.to)); got < tt.km*0.98 || got > tt.km*1.02 {
			t.Errorf("%s to %s: %.0f km, want about %.0f", tt.from, tt.to, got, tt.km)
		}
	}
}

// TestLatencyModel holds the model against measured round trips between 213 cities.
func TestLatencyModel(t *testing.T) {
	folder := os.Getenv("REMORA_FIXTURES")
	if folder == "" {
		t.Skip("REMORA_FIXTURES names no folder with latency/cities.csv and latency/matrix.csv")
	}
	places, err := read(filepath.Join(folder, "latency", "cities.csv"))
	if err != nil {
		t.Fatal(err)
	}
	matrix, err := read(filepath.Join(folder, "latency", "matrix.csv"))
	if err != nil {
		t.Fatal(err)
	}
	var all []city
	for _, p := range places[1:] {
		all = append(all, city{p[1], number(t, p[3]), number(t, p[4])})
	}
	var misses []float64
	for i := range all {
		for j := range i {
			measured := (number(t, matrix[i][j]) + number(t, matrix[j][i])) / 4 // two round trips
			modelled := float64(fibreLatency(all[i], all[j])) / float64(time.Millisecond)
			misses = append(misses, max(modelled/measured, measured/modelled)-1)
		}
	}
	slices.Sort(misses)
	half, tenth := misses[len(misses)/2], misses[len(misses)*9/10]
	t.Logf("%d pairs of cities: half of them are missed by less than %.0f %%, nine tenths by less than %.0f %%", len(misses), 100*half, 100*tenth)
	if half > 0.25 || tenth > 1 {
		t.Error("the model is too far from the measurements")
	}
}

func read(path string) ([][]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return csv.NewReader(f).ReadAll()
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
