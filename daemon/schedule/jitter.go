package schedule

import (
	"encoding/binary"
	"math/bits"
	"time"
)

// JitterLimit returns how far jitter can delay the start of a fire: by at least 0 and by less than this. It is
// the Jitter of the trigger or, if that is less, the distance to the following fire, so that starts keep the
// order of their fires. following is the fire after it; zero if there is none or it is not known.
func (c *Compiled) JitterLimit(fire, following time.Time) time.Duration {
	limit := c.jitter
	if !following.IsZero() {
		limit = min(limit, micros(following)-micros(fire))
	}
	return time.Duration(max(limit, 0)) * time.Microsecond
}

// Jittered returns when the run of a fire starts: the fire, delayed by less than [Compiled.JitterLimit]. seed is
// the id of the task: the same seed and fire always give the same answer, in every version of this package,
// and different ones are spread evenly.
func (c *Compiled) Jittered(seed [16]byte, fire, following time.Time) time.Time {
	at := micros(fire)
	limit := uint64(c.JitterLimit(fire, following) / time.Microsecond)
	h := mix(binary.BigEndian.Uint64(seed[:8]))
	h = mix(h ^ binary.BigEndian.Uint64(seed[8:]))
	h = mix(h ^ uint64(at))
	delay, _ := bits.Mul64(h, limit) // h as a fraction of 2^64, times limit
	return time.UnixMicro(min(at+int64(delay), maxMicro)).UTC()
}

// mix spreads each bit of its argument over all of the result: a round of the generator SplitMix64.
func mix(z uint64) uint64 {
	z += 0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}
