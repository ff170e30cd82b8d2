// Package reconcile decides who wins: what becomes of a task when a program declares it, otherwise or no longer, when
// a caller makes, changes, overrides, resets, pauses or resumes it, when its next fire comes, when a run ends, and
// when something ends by itself. Each decision is a pure function of what is stored, what is asked and the time;
// stores call them inside their transactions, and the engine carries them out.
//
// Two layers, one clock. Stored on the left, what happens above, what is in force then inside:
//
//	              declaration changes          override                 reset, or expire_time
//	no override   new declaration in force     override in force        nothing
//	YIELD         override ends, new           new override in force    declaration in force
//	              declaration in force
//	KEEP          override stays, and says     new override in force    declaration in force
//	              that the declaration changed
//	unchanged     nothing, however often the program restarts
//
// Whenever another trigger comes into force, the clock starts anew from that moment. What was due
// before is dealt with first, as if it had been claimed: a change never swallows a fire. A pause is
// apart from all this: nothing but Resume and its resume_time end it.
//
// # Programs
//
// A program may have a revision. The task keeps that of the program that had the last word on it, which may be that it
// is gone. What each program says, and what the audit tells of it:
//
//	the program's     declared the     declared          not declared      declared, was
//	revision          same             otherwise                           removed
//	lower             nothing          nothing           nothing           nothing
//	                                   REFUSED           REFUSED           REFUSED
//	equal             nothing          is stored         an orphan         goes on
//	                                   CHANGED           ORPHANED          CHANGED
//	higher, or none   the revision     the same, with the revision
//	                  is stored
//
//	name is new       DECLARED; or RENAMED, and then as above: the id is another, and all else goes along
//	made by Create    becomes the program's: CHANGED
//
// Beside CHANGED comes YIELDED for an override that ends. A revision alone is no event, or each deploy would be one
// for each task. A program that is too old to remove a task that it does not declare can not
// run it all the same: the task is an orphan, by nobody's word, and whoever can run it wakes it, also an older
// program. So is one of which such a program has claimed a fire ("in vain"), without a reason.
//
// # What ends by itself
//
// An override with an expire_time fires up to it, that instant included, and the declared trigger counts from there;
// a pause with a resume_time holds up to it. Whatever is decided of a task, this comes first, as of its own instant
// and not as of now (Elapse): so it does not matter whether the daemon was up then. What was due under the trigger
// before is settled by the policy, and what was due since is left to claims.
//
//	override expires    as Reset: EXPIRED            its trigger, or the declared one, can not be used: and PAUSED
//	pause ends          as Resume: RESUMED           the trigger in force can not be used: PAUSED, without an end
//
// If both are due, the earlier is first, so each instant is recorded for what held at it. A run that one decision
// would start late for this and that the same decision then pauses or orphans is recorded as skipped.
//
// # The rest
//
//	stored        what happens                            stored then                       audit
//	nothing       Create                                  fires from now on                 CREATED
//	created       Update                                  as a declaration that changes     UPDATED, YIELDED
//	created       Orphan: this daemon can not run it      an orphan                         ORPHANED
//	created       Adopt: this daemon can run it           goes on, if it was an orphan      CHANGED
//	created, or   Delete                                  nothing                           DELETED
//	an orphan
//	declared      Create, Update, Delete                  error                             none
//	any           Pause                                   does not fire                     PAUSED
//	paused        Resume                                  fires, no failures are counted    RESUMED
//	any           Override, Reset                         see above                         UPDATED, RESET
//	any           a calendar changes under its trigger    another next fire                 CHANGED
//	any           too many runs have failed in a row      paused                            PAUSED
//
// testdata/decisions.txt has each case by itself, testdata/stories.txt some on end.
//
// # Audit
//
// Version grows if and only if there is an event that is no refusal. The Before and After of the events of a decision,
// one after the other, lead from what was stored to what is: each field that changes is told by exactly one of
// them. Of what the API shows, that is not so for the clock, counts, times, and the revision (see above).
//
// # The clock
//
// Clock.RecordedTime is how far a task has come: every instant up to it has its one record, as a run,
// skipped, missed or excluded, and the next fire is the first after it. So a next fire can be computed anew
// at any time, for instance when a calendar has changed between two starts. What exclusions took out is
// recorded together with the fire after it, or when the task is paused, orphaned or gets another trigger. What of that has not
// come when the fire is claimed has no record yet: Clock.ExcludedTime says from where on it comes with the next. So no
// record that has ended is ever taken back, and a watch that was away learns of all that was from what is open. Where a
// trigger that fires at once comes into force at an instant at which the one before has made a run, that run is
// the fire of both.
//
// A fire is late from Grace on. What is due then goes by the policy:
//
//	           within the window, or there is none    before the window
//	ONE        one run at the last instant            one record, MISSED
//	ALL        a run each                             one record, MISSED
//	NONE       one record, MISSED                     the same
//
// A trigger that can not be used any longer pauses its task, with Self as the actor: it does not compile
// since the program lost a calendar or a custom kind, or it has a fault (schedule.Compiled.Err).
package reconcile
