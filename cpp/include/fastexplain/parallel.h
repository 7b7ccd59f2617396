// parallel_for over a small pool of std::threads.
//
// The pool starts on first use, grows to the largest number of threads asked for, and is abandoned (not joined) in a forked
// child, where its threads do not exist. Where the system has no thread left a call runs on those there are, at least its
// own. Exceptions thrown by a worker reach the caller, the first one wins; the rest of the indices are then skipped.
#pragma once

#include <cstdint>
#include <functional>

namespace fastexplain {

// A call that asks for more threads gets this many: no machine gains by more, and each takes scratch memory.
inline constexpr int kMaxThreads = 1024;

// Called by the calling thread between its own indices, at most every few milliseconds; may throw to stop the loop (the
// Python binding looks for Ctrl-C here).
using InterruptCheck = std::function<void()>;

// Runs fn(index, worker) for every index in [0, n), each exactly once, on at most n_threads threads including the caller's.
// worker is in [0, n_threads) and unique among the threads running at one time: it selects scratch memory. Calls from several
// threads at once share the pool's threads, the oldest call first; each caller also works itself, so none waits idle.
void parallel_for(std::int64_t n, int n_threads, const std::function<void(std::int64_t, int)>& fn,
                  const InterruptCheck& check = {});

// For an fn whose single index may take longer than a user waits for Ctrl-C: call it every millisecond or so. Between parts of
// an index it does what parallel_for does between indices, and throws where the loop is to stop. Elsewhere it does nothing.
void checkpoint();

}  // namespace fastexplain
