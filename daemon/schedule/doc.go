// Package schedule says when a task fires. It is the time engine and nothing else: triggers are
// values, [Compile] checks one and prepares it, and the result answers one question, purely: which
// instant comes next after a given one. It does not read the clock, does no I/O after Compile has
// loaded a time zone, keeps no state but whether a trigger had a fault, and starts nothing.
// Remembering what fired is the caller's part ([Progress]), and so are pauses and catch-up.
//
//	                Extensions
//	                    │
//	Trigger ────────Compile──▶ Compiled ──First(p), Next(after, p)──▶ instant, Fires | Waits | Over
//	   ▲ │                        ├──Count(fire, event, p)──▶ p for the next question
//	Parse String                  ├──Jittered(seed, fire, following)──▶ when its run starts
//	                              └──Excluded(after, until, p)──▶ what did not fire
//
// For people, [Trigger.Describe] says in English what a trigger does, and [Compiled.DSTShift] which of its
// fires a change of the clocks has moved.
//
// # Instants
//
// All instants are whole microseconds in UTC, from the year 1 to 9999. Next is strictly after the
// instant asked for, however fine that is. StartTime and EndTime are both inclusive. An [Every] with a
// fixed rate fires at anchor + n*interval and never drifts; it, [Once] and what follows a run count
// real time and do not know of daylight saving. [At] and [Cron] fire on whole seconds of the wall
// clock in their time zone, and their answers depend on nothing but the trigger and the instant.
//
// A trigger is anchored at its StartTime, else at that of the nearest [AnyOf] around it that has one,
// else where it came into force (Progress.Anchor). AnyOf merges its triggers: equal instants are one
// fire, which counts in each of them.
//
// # Exclusions
//
// An [Exclusion] is a set of instants at which a trigger, and all inside it, does not fire: [Dates] are
// whole days, a [Window] is a part of the day, a [Cron] is the minutes that match, and a [Calendar] is a
// list of such that the program declares once, in its [Extensions]. They are read off the wall clock of
// their zone at every instant, so that where it goes back, both passes are excluded. What would fire
// inside is lost and does not count for MaxFires; what follows a run has no instants of its own and
// fires at the end. A search goes from stretch to stretch of exclusions and not from instant to instant.
// After a hundred thousand of them it gives up, which is a fault: see [Compiled.Err].
//
// # Jitter
//
// Jitter delays the start of a run, and not the fire: planned and jittered instant are two values. The
// delay is a hash of the task's id and the instant, the same wherever and whenever it is asked for, and
// stays below the following fire, so that starts keep the order of fires. It may take a start past EndTime
// or into an exclusion, which are about fires.
//
// # Custom kinds
//
// A [Custom] trigger names a kind by type URL, and its [Source] is code of the program. Check and Parse
// accept it anywhere; Compile needs the Extensions that have it. A Source that fails, or answers with an
// instant that is not after the one asked for, ends its trigger and is told by Err. What a Source may do to
// the process (panic, take long) is not dealt with here but by whoever makes it: package daemon guards it.
//
// # Cron expressions
//
// Five fields: minute, hour, day of month, month, day of week; with six, the second comes first. There
// is no field for the year. Fields are separated by white space:
//
//	second        0-59
//	minute        0-59
//	hour          0-23
//	day of month  1-31   L  L-3  LW  15W
//	month         1-12   JAN-DEC
//	day of week   0-7    SUN-SAT  5L  FRIL  5#2    0 and 7 are Sunday
//
// A field is a list, separated by commas, of *, a value, a range a-b, and each of these with a step:
// */n, a-b/n, and a/n from a to the end of the field. A step is at least 1 and may be larger than the
// range, which leaves the first value. A range may wrap: 22-2 is 22, 23, 0, 1, 2, and FRI-MON four
// days; its step counts on over the end. a-a is one value. Names are those above, in any case. ? is the
// same as *, in the two day fields, on its own.
//
// L is the last day of the month, L-3 three days before it, LW its last day from Monday to Friday. 15W
// is the day from Monday to Friday nearest to the 15th in the same month; a month without that day has
// no such fire. 5L is the last Friday of the month, 5#2 the second.
//
// If both day fields are restricted, either may match (POSIX crontab). Not restricted is what is
// exactly * or ?; crond also takes */2 for that, we do not.
//
// @yearly, @annually, @monthly, @weekly, @daily, @midnight and @hourly stand for an expression.
// @every, @reboot, H, R, and a TZ= in front are refused: there are other triggers and a field for it.
// So is an expression whose date never comes, such as 31 February.
//
// # Where the wall clock changes
//
// The rule is Vixie's, that of Debian's cron(8). If minute or hour starts with *, the expression
// follows the wall clock at every instant: what a gap skips does not fire, and both passes of an
// overlap do, so that */15 comes every 15 minutes of real time. Any other expression, and every [At],
// names fixed times, and each of them fires once: in a gap of up to three hours at its end, where
// several times make one fire; in an overlap on the first pass. So a daily task is neither lost in
// spring nor doubled in autumn. A gap of more than three hours is a correction of the calendar (Apia
// skipped 30 December 2011), and what it skips is lost. A * in the second does not count.
//
// A search ends 50 years after the instant asked for, or after StartTime if that is later, and begins anew
// behind each stretch of exclusions; the rarest date there is, a fifth weekday in February, comes every 40
// years at the latest.
//
// # How the search works
//
// An expression becomes sets of bits (pattern), a time zone a table of its changes (zone). The search
// goes over the stretches of time with one offset, in each of them over months, whose matching days are
// one word of bits. Instants after 2500 are looked up one or more Gregorian cycles of 400 years
// earlier, when the calendar and the rules are the same.
//
// Nothing here is made with time.Date, which lands on either side of a gap. time.Time.ZoneBounds,
// whose end is not after the instant at the end of some years (golang/go#81583), is asked only when the
// table of a zone is made, in steps that advance in any case.
//
// Zones are those of the machine's database, else the copy that is linked into the program. Programs
// with different databases may differ about zones whose rules have changed lately.
package schedule
