#include "fastexplain/parallel.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace fastexplain {
namespace {

constexpr auto kCheckEvery = std::chrono::milliseconds(20);

// One parallel_for call. Shared by the caller and the workers that joined it; the last one out lets it go.
class Job {
 public:
  Job(std::int64_t n, int n_workers, const std::function<void(std::int64_t, int)>& fn) : n_(n), places_(n_workers), fn_(fn) {}

  // A worker thread's share. Returns at once when all places are taken or no index is left.
  void help() {
    int worker = 0;
    {
      std::lock_guard lock(mutex_);
      if (closed_ || next_place_ > places_) return;
      worker = next_place_++;
      ++active_;
    }
    work(worker, {});
    std::lock_guard lock(mutex_);
    if (--active_ == 0) done_.notify_all();
  }

  // The caller's share, as worker 0; returns when every helper has left, and rethrows what any of them threw.
  void lead(const InterruptCheck& check) {
    work(0, check);
    std::unique_lock lock(mutex_);
    closed_ = true;  // fn_ dies with the caller's frame: nobody may join from here on
    while (active_ > 0) {
      done_.wait_for(lock, kCheckEvery);
      if (check && active_ > 0) {
        lock.unlock();
        guarded(check);
        lock.lock();
      }
    }
    // Taken out: the exception must die with the caller, not with the last helper to let go of the job.
    if (const std::exception_ptr error = std::exchange(error_, nullptr)) std::rethrow_exception(error);
  }

 private:
  void work(int worker, const InterruptCheck& check) {
    auto last = std::chrono::steady_clock::now();
    for (;;) {
      const std::int64_t index = next_.fetch_add(1, std::memory_order_relaxed);
      if (index >= n_) return;
      guarded([&] { fn_(index, worker); });
      if (check) {
        const auto now = std::chrono::steady_clock::now();
        if (now - last >= kCheckEvery) {
          last = now;
          guarded(check);
        }
      }
    }
  }

  template <class F>
  void guarded(F&& f) {
    try {
      f();
    } catch (...) {
      std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
      next_.store(n_, std::memory_order_relaxed);
    }
  }

  const std::int64_t n_;
  const int places_;  // helpers that may join, beside the caller
  const std::function<void(std::int64_t, int)>& fn_;
  std::atomic<std::int64_t> next_{0};
  std::mutex mutex_;
  std::condition_variable done_;
  std::exception_ptr error_;
  int next_place_ = 1;
  int active_ = 0;
  bool closed_ = false;
};

class Pool {
 public:
  void invite(const std::shared_ptr<Job>& job, int n_helpers) {
    {
      std::lock_guard lock(mutex_);
      while (static_cast<int>(threads_.size()) < n_helpers) threads_.emplace_back([this] { loop(); });
      for (int i = 0; i < n_helpers; ++i) queue_.push_back(job);
    }
    wake_.notify_all();
  }

 private:
  void loop() {
    for (;;) {
      std::shared_ptr<Job> job;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return !queue_.empty(); });
        job = std::move(queue_.front());
        queue_.pop_front();
      }
      job->help();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Job>> queue_;
  std::vector<std::thread> threads_;
};

// The process's pool. After a fork the parent's threads are gone and its mutexes may be held: the child starts a new pool and
// leaks the old one. Never destroyed: at exit the interpreter may already have torn down what a running worker uses.
Pool& pool() {
  static std::mutex mutex;
  static std::atomic<Pool*> current{nullptr};
  static std::atomic<pid_t> owner{0};
  const pid_t pid = getpid();
  if (owner.load(std::memory_order_acquire) == pid) return *current.load(std::memory_order_relaxed);
  std::lock_guard lock(mutex);
  if (owner.load(std::memory_order_relaxed) != pid) {
    current.store(new Pool, std::memory_order_relaxed);
    owner.store(pid, std::memory_order_release);
  }
  return *current.load(std::memory_order_relaxed);
}

}  // namespace

void parallel_for(std::int64_t n, int n_threads, const std::function<void(std::int64_t, int)>& fn,
                  const InterruptCheck& check) {
  if (n <= 0) return;
  const int n_helpers = static_cast<int>(std::min<std::int64_t>(n, std::max(n_threads, 1))) - 1;
  const auto job = std::make_shared<Job>(n, n_helpers, fn);
  if (n_helpers > 0) pool().invite(job, n_helpers);
  job->lead(check);
}

}  // namespace fastexplain
