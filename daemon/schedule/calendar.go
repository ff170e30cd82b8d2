package schedule

import "math/bits"

// The calendar is the proleptic Gregorian one. Days are counted from 1970-01-01, which is day 0 and a
// Thursday. Wall seconds are counted from 1970-01-01 00:00:00 on the wall clock, without any offset.

const (
	minSecond = -62135596800 // 0001-01-01T00:00:00Z
	maxSecond = 253402300799 // 9999-12-31T23:59:59Z

	minMicro = minSecond * 1_000_000
	maxMicro = maxSecond*1_000_000 + 999_999
)

// daysBeforeMonth[m] is the number of days before month m of a year that is no leap year.
var daysBeforeMonth = [14]int{0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

func leap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

func daysIn(year, month int) int {
	n := daysBeforeMonth[month+1] - daysBeforeMonth[month]
	if month == 2 && leap(year) {
		n++
	}
	return n
}

// monthStart returns the day number of the first of a month.
func monthStart(year, month int) int64 {
	y := int64(year) - 1
	n := 365*y + floorDiv(y, 4) - floorDiv(y, 100) + floorDiv(y, 400) + int64(daysBeforeMonth[month])
	if month > 2 && leap(year) {
		n++
	}
	return n + minSecond/secondsPerDay
}

// date returns the date of a day number.
func date(day int64) (year, month, dayOfMonth int) {
	// Count from 0001-01-01 and take out whole cycles of 400, 100, 4 and 1 years. The last day of a
	// cycle of 400 or 4 years is day 366 of its last year, not day 1 of one more.
	n := day - minSecond/secondsPerDay
	cycles := floorDiv(n, 146097)
	r := int(n - cycles*146097)
	centuries := min(r/36524, 3)
	r -= centuries * 36524
	fours := r / 1461
	r -= fours * 1461
	ones := min(r/365, 3)
	r -= ones * 365
	year = int(cycles)*400 + centuries*100 + fours*4 + ones + 1

	if leap(year) {
		if r == 59 {
			return year, 2, 29
		}
		if r > 59 {
			r--
		}
	}
	month = r/31 + 1 // at most one too low
	if r >= daysBeforeMonth[month+1] {
		month++
	}
	return year, month, r - daysBeforeMonth[month] + 1
}

// weekday returns the weekday of a day number, 0 for Sunday.
func weekday(day int64) int {
	w := int((day + 4) % 7)
	if w < 0 {
		w += 7
	}
	return w
}

// A pattern is a set of wall seconds: those that match a cron expression or an [At]. It knows
// nothing of time zones. Immutable after it was made.
type pattern struct {
	second, minute uint64 // bits 0 to 59
	hour           uint32 // bits 0 to 23
	month          uint16 // bits 1 to 12
	days           days

	// everyTime says that minute or hour starts with *, so that the expression follows the wall clock
	// at every instant. Otherwise it names fixed times, and each fires once: see [clock].
	everyTime bool
}

// days is the day-of-month and day-of-week part of a pattern.
type days struct {
	// What is not restricted (exactly * or ?) does not count. If both are, either may match.
	domRestricted, dowRestricted bool

	dom         uint32   // bits 1 to 31
	fromEnd     uint32   // bit n: the n-th day before the last: L, L-n
	nearest     uint32   // bit n: the weekday nearest to day n: nW
	lastWorkday bool     // LW
	dow         uint8    // bits 0 to 6, Sunday first
	dowLast     uint8    // the last such day of the month: nL
	dowNth      [6]uint8 // [k]: the k-th such day of the month, 1 to 5: n#k
}

// in returns the matching days of a month as bits 1 to 31. first is the weekday of its first day,
// n its number of days.
func (d *days) in(first, n int) uint32 {
	all := uint32(1)<<(n+1) - 2 // for n = 31 the shift gives 0, and 0 - 2 is what we want
	if !d.domRestricted && !d.dowRestricted {
		return all
	}
	var m uint32
	if d.domRestricted {
		m = d.dom & all
		if d.fromEnd != 0 || d.nearest != 0 || d.lastWorkday {
			m |= d.specialDays(first, n)
		}
	}
	if d.dowRestricted {
		m |= weekly(d.dow, first) & all
		if d.dowLast != 0 {
			m |= weekly(d.dowLast, first) & all &^ (1<<(n-6) - 1)
		}
		for k := 1; k < len(d.dowNth); k++ {
			if d.dowNth[k] != 0 {
				m |= weekly(d.dowNth[k], first) & all & (0x7F << (7*k - 6))
			}
		}
	}
	return m
}

// weekly spreads weekdays over the bits 1 to 31 of a month that begins with weekday first.
func weekly(dow uint8, first int) uint32 {
	week := uint64(dow)>>first | uint64(dow)<<(7-first)&0x7F
	return uint32(week * (1<<1 | 1<<8 | 1<<15 | 1<<22 | 1<<29))
}

func (d *days) specialDays(first, n int) uint32 {
	var m uint32
	for s := d.fromEnd; s != 0; s &= s - 1 {
		if day := n - bits.TrailingZeros32(s); day >= 1 {
			m |= 1 << day
		}
	}
	for s := d.nearest; s != 0; s &= s - 1 {
		if day := bits.TrailingZeros32(s); day <= n {
			m |= 1 << nearestWorkday(day, first, n)
		}
	}
	if d.lastWorkday {
		m |= 1 << nearestWorkday(n, first, n)
	}
	return m
}

// nearestWorkday returns the day from Monday to Friday that is nearest to the given one without
// leaving the month.
func nearestWorkday(day, first, n int) int {
	switch (first + day - 1) % 7 {
	case 6: // Saturday
		if day == 1 {
			return 3
		}
		return day - 1
	case 0: // Sunday
		if day == n {
			return day - 2
		}
		return day + 1
	}
	return day
}

// next returns the first matching wall second in [from, limit).
func (p *pattern) next(from, limit int64) (int64, bool) {
	day := floorDiv(from, secondsPerDay)
	second := int(from - day*secondsPerDay)
	year, month, dom := date(day)
	for {
		rest := uint32(p.month) >> month
		if rest == 0 {
			year, month, dom, second = year+1, bits.TrailingZeros16(p.month), 1, 0
		} else if skip := bits.TrailingZeros32(rest); skip > 0 {
			month, dom, second = month+skip, 1, 0
		}
		start := monthStart(year, month)
		if start*secondsPerDay >= limit {
			return 0, false
		}
		for m := p.days.in(weekday(start), daysIn(year, month)) >> dom << dom; m != 0; m &= m - 1 {
			d := bits.TrailingZeros32(m)
			if d > dom {
				second = 0
			}
			if s, ok := p.nextInDay(second); ok {
				wall := (start+int64(d)-1)*secondsPerDay + int64(s)
				return wall, wall < limit
			}
		}
		month, dom, second = month+1, 1, 0
	}
}

// nextInDay returns the first matching second of a day that is not before the given one.
func (p *pattern) nextInDay(second int) (int, bool) {
	h, m, s := second/3600, second/60%60, second%60
	if p.hour>>h&1 != 0 {
		if p.minute>>m&1 != 0 {
			if rest := p.second >> s; rest != 0 {
				return second + bits.TrailingZeros64(rest), true
			}
		}
		if rest := p.minute >> (m + 1); rest != 0 {
			m += 1 + bits.TrailingZeros64(rest)
			return h*3600 + m*60 + bits.TrailingZeros64(p.second), true
		}
	}
	rest := p.hour >> (h + 1)
	if rest == 0 {
		return 0, false
	}
	h += 1 + bits.TrailingZeros32(rest)
	return h*3600 + bits.TrailingZeros64(p.minute)*60 + bits.TrailingZeros64(p.second), true
}

// comes returns whether any date matches. A whole Gregorian cycle is looked at, so the answer is exact:
// the usual pattern answers in its first year, and 31 February takes 4 microseconds.
func (p *pattern) comes() bool {
	for year := 2000; year < 2400; year++ {
		for month := 1; month <= 12; month++ {
			if p.month>>month&1 != 0 && p.days.in(weekday(monthStart(year, month)), daysIn(year, month)) != 0 {
				return true
			}
		}
	}
	return false
}
