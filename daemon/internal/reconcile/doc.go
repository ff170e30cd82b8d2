// Package reconcile decides who wins: what becomes of a task when its declaration changes, when a
// caller overrides, resets, pauses or resumes it, when its next fire comes and when a run ends. Each
// decision is a pure function of what is stored, what is asked and the time; stores call them inside
// their transactions, and the engine carries them out.
//
// Two layers, one clock:
//
//	              declaration changes          override                 reset
//	no override   new declaration in force     override in force        nothing
//	YIELD         override ends, new           new override in force    declaration in force
//	              declaration in force
//	KEEP          override stays, and says     new override in force    declaration in force
//	              that the declaration changed
//	unchanged     nothing, however often the program restarts
//
// Whenever another trigger comes into force, the clock starts anew from that moment. What was due
// before is dealt with first, as if it had been claimed: a change never swallows a fire. A pause is
// apart from all this: nothing but Resume ends it.
//
// Clock.RecordedTime is how far a task has come: every instant up to it has its one record, as a run,
// skipped, missed or excluded, and the next fire is the first after it. So a next fire can be computed anew
// at any time, for instance when a calendar has changed between two starts. What exclusions took out is
// recorded together with the fire after it, or when the task is paused, orphaned or gets another trigger.
//
// A trigger that can not be used any longer pauses its task, with Self as the actor: it does not compile
// since the program lost a calendar or a custom kind, or it has a fault (schedule.Compiled.Err).
package reconcile
