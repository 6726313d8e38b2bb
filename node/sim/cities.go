package sim

import (
	"math"
	"time"
)

// city is a place by its coordinates in degrees.
type city struct {
	name                string
	latitude, longitude float64
}

// cities are where the validators of a wide-area study stand, far ones first, so that a small committee is spread as
// widely as a large one.
var cities = []city{
	{"Frankfurt", 50.11, 8.68},
	{"New York", 40.71, -74.01},
	{"Tokyo", 35.68, 139.69},
	{"Sao Paulo", -23.55, -46.63},
	{"Singapore", 1.35, 103.82},
	{"London", 51.51, -0.13},
	{"San Francisco", 37.77, -122.42},
	{"Sydney", -33.87, 151.21},
	{"Mumbai", 19.08, 72.88},
	{"Johannesburg", -26.20, 28.05},
	{"Paris", 48.86, 2.35},
	{"Dallas", 32.78, -96.80},
	{"Seoul", 37.57, 126.98},
	{"Stockholm", 59.33, 18.07},
	{"Toronto", 43.65, -79.38},
	{"Hong Kong", 22.32, 114.17},
	{"Warsaw", 52.23, 21.01},
	{"Seattle", 47.61, -122.33},
	{"Madrid", 40.42, -3.70},
	{"Dubai", 25.20, 55.27},
}

// What a message between cities costs: a fixed part for both ends, and per kilometre. Fitted to published round trips
// between 213 cities, half of which it misses by less than a quarter; the others take longer routes.
const (
	latencyFixed = 9 * time.Millisecond
	latencyPerKm = 8500 * time.Nanosecond
)

// cityLatencies returns the time one way between any two of n validators, who take the cities in turn.
func cityLatencies(n int) [][]time.Duration {
	table := make([][]time.Duration, n)
	for i := range table {
		table[i] = make([]time.Duration, n)
		for j := range table[i] {
			if a, b := cities[i%len(cities)], cities[j%len(cities)]; i != j && a != b {
				table[i][j] = fibreLatency(a, b)
			}
		}
	}
	return table
}

func fibreLatency(a, b city) time.Duration {
	return latencyFixed + time.Duration(greatCircle(a, b)*float64(latencyPerKm))
}

// greatCircle returns the length of the great circle in kilometres (haversine formula).
func greatCircle(a, b city) float64 {
	const radius, degree = 6371, math.Pi / 180
	sine := func(x float64) float64 { s := math.Sin(x / 2); return s * s }
	h := sine((b.latitude-a.latitude)*degree) +
		math.Cos(a.latitude*degree)*math.Cos(b.latitude*degree)*sine((b.longitude-a.longitude)*degree)
	return 2 * radius * math.Asin(math.Sqrt(h))
}
