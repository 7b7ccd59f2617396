#include "fastexplain/parallel.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <utility>

#include "thread_pool.h"

namespace fastexplain {
namespace {

constexpr auto kCheckEvery = std::chrono::milliseconds(20);

// Ends the index under way on a thread whose loop has been stopped; the caller gets what stopped it.
struct Stopped {};

}  // namespace

// One call of run, on the caller's stack: it outlives its helpers because the caller waits for them.
class ThreadPool::Job {
 public:
  Job(std::int64_t n, int n_helpers, const std::function<void(std::int64_t, int)>& fn) : n_helpers(n_helpers), n_(n), fn_(fn) {}

  // One worker's share. Throws nothing: what fn or check throw is kept for the caller, and ends the loop.
  void work(int worker, const InterruptCheck& check) {
    Turn mine{*this, check, std::chrono::steady_clock::now()};
    Turn* const outer = std::exchange(turn, &mine);
    for (;;) {
      const std::int64_t index = next_.fetch_add(1, std::memory_order_relaxed);
      if (index >= n_) break;
      guarded([&] { fn_(index, worker); });
      guarded([&] { mine.look(); });
    }
    turn = outer;
  }

  // What checkpoint does within an index of this thread.
  static void checkpoint() {
    if (turn == nullptr) return;
    if (turn->job.stopped_.load(std::memory_order_relaxed)) throw Stopped{};
    turn->look();
  }

  template <class F>
  void guarded(F&& f) {
    try {
      f();
    } catch (...) {
      std::lock_guard lock(error_mutex_);
      if (!error_) error_ = std::current_exception();
      next_.store(n_, std::memory_order_relaxed);
      stopped_.store(true, std::memory_order_relaxed);
    }
  }

  bool wants_help() const { return next_helper <= n_helpers && next_.load(std::memory_order_relaxed) < n_; }

  void rethrow() {
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

  const int n_helpers;  // threads that may join, beside the caller
  // Under the pool's mutex:
  int next_helper = 1;  // worker number of the next to join
  int active = 0;       // helpers at work
  std::condition_variable left;

 private:
  // A thread's part in a job.
  struct Turn {
    Job& job;
    const InterruptCheck& check;
    std::chrono::steady_clock::time_point last;

    // The caller's check, if it is time for it; what it throws passes.
    void look() {
      if (!check) return;
      const auto now = std::chrono::steady_clock::now();
      if (now - last < kCheckEvery) return;
      last = now;
      check();
    }
  };
  static thread_local Turn* turn;  // of the loop that this thread works on, the innermost

  const std::int64_t n_;
  const std::function<void(std::int64_t, int)>& fn_;
  std::atomic<std::int64_t> next_{0};
  std::atomic<bool> stopped_{false};
  std::mutex error_mutex_;
  std::exception_ptr error_;
};

thread_local ThreadPool::Job::Turn* ThreadPool::Job::turn = nullptr;

void ThreadPool::checkpoint() { Job::checkpoint(); }

ThreadPool::ThreadPool() : ThreadPool([](std::function<void()> body) { return std::thread(std::move(body)); }) {}

ThreadPool::ThreadPool(Starter start) : start_(std::move(start)) {}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::run(std::int64_t n, int n_threads, const std::function<void(std::int64_t, int)>& fn,
                     const InterruptCheck& check) {
  Job job(n, static_cast<int>(std::min<std::int64_t>(n, std::min(n_threads, kMaxThreads))) - 1, fn);
  invite(job);
  job.work(0, check);
  dismiss(job, check);
  job.rethrow();
}

void ThreadPool::run_alone(std::int64_t n, const std::function<void(std::int64_t, int)>& fn, const InterruptCheck& check) {
  Job job(n, 0, fn);
  job.work(0, check);
  job.rethrow();
}

// Lists the job for helpers and sees to it that there are some. Whatever fails here, the caller can do the work with those who
// come, or alone: the job is listed or it is not, and dismiss takes it off the list before it dies.
void ThreadPool::invite(Job& job) noexcept {
  {
    const std::lock_guard lock(mutex_);
    try {
      open_.push_back(&job);
      threads_.reserve(static_cast<std::size_t>(job.n_helpers));  // a thread that started must find its place
      while (threads_.size() < static_cast<std::size_t>(job.n_helpers)) threads_.push_back(start_([this] { loop(); }));
    } catch (...) {  // the system has no thread (std::system_error) or no memory for one: fewer helpers
    }
  }
  wake_.notify_all();
}

// Waits until every helper has left. The job dies with the caller's frame: nobody may join from here on.
void ThreadPool::dismiss(Job& job, const InterruptCheck& check) {
  std::unique_lock lock(mutex_);
  std::erase(open_, &job);
  while (job.active > 0) {
    job.left.wait_for(lock, kCheckEvery);
    if (check && job.active > 0) {
      lock.unlock();
      job.guarded(check);
      lock.lock();
    }
  }
}

ThreadPool::Job* ThreadPool::job_with_a_place() const {
  for (Job* job : open_)
    if (job->wants_help()) return job;
  return nullptr;
}

// A pool thread's life.
void ThreadPool::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    Job* job = nullptr;
    wake_.wait(lock, [&] { return stopping_ || (job = job_with_a_place()) != nullptr; });
    if (stopping_) return;
    const int worker = job->next_helper++;
    ++job->active;
    lock.unlock();
    job->work(worker, {});
    lock.lock();
    if (--job->active == 0) job->left.notify_all();  // under the mutex: the caller still waits, the job still lives
  }
}

namespace {

// The process's pool. After a fork the parent's threads are gone and its mutexes may be held: the child starts a new pool and
// leaks the old one. Never destroyed: at exit the interpreter may already have torn down what a running worker uses.
ThreadPool& pool() {
  static std::mutex mutex;
  static std::atomic<ThreadPool*> current{nullptr};
  static std::atomic<pid_t> owner{0};
  const pid_t pid = getpid();
  if (owner.load(std::memory_order_acquire) == pid) return *current.load(std::memory_order_relaxed);
  std::lock_guard lock(mutex);
  if (owner.load(std::memory_order_relaxed) != pid) {
    current.store(new ThreadPool, std::memory_order_relaxed);
    owner.store(pid, std::memory_order_release);
  }
  return *current.load(std::memory_order_relaxed);
}

}  // namespace

void parallel_for(std::int64_t n, int n_threads, const std::function<void(std::int64_t, int)>& fn,
                  const InterruptCheck& check) {
  if (n > 1 && n_threads > 1)
    pool().run(n, n_threads, fn, check);
  else
    ThreadPool::run_alone(n, fn, check);
}

void checkpoint() { ThreadPool::checkpoint(); }

}  // namespace fastexplain
