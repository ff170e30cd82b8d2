// Package memory keeps tasks and runs in the memory of the process: for embedding where nothing has to
// outlive the process, and for tests. It is the plainest reading of the contract of package store, and
// storetest measures the other adapters against it.
//
// One mutex guards everything. A transaction changes the maps and trees in place and notes how to undo
// each step; if it fails, the steps are undone in reverse. Values are copied on their way in and out, so
// no caller shares memory with the store. The Observer is told under the mutex too, and so in the order of
// commits; what it is handed is the store's own where that never changes in place.
//
// A task that is deleted takes its runs with it at once: they cost a fraction of a microsecond each, and retention
// bounds them. So Sweep finds nothing but events.
//
// A Node is the same memory as one of several daemons sees it, so that clusters can be tested in fake time. The Store
// itself is the node of those who have not joined.
//
// It reads the clock with time.Now, unless it is given another, and starts no goroutine, so it works
// inside a testing/synctest bubble.
package memory
