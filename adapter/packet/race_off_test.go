//go:build !race

package packet

// raceDetector says that the race detector is on, under which allocations are counted differently.
const raceDetector = false
