// The pool behind parallel_for. Its own header for the sake of the tests, which give it threads that do not start.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "fastexplain/parallel.h"

namespace fastexplain {

class ThreadPool {
 public:
  // Starts a thread that runs the function, or throws as std::thread does when the system has none left.
  using Starter = std::function<std::thread(std::function<void()>)>;

  ThreadPool();
  explicit ThreadPool(Starter start);
  ~ThreadPool();  // joins its threads; no call may be under way

  // parallel_for on this pool's threads, for two indices and threads or more.
  void run(std::int64_t n, int n_threads, const std::function<void(std::int64_t, int)>& fn, const InterruptCheck& check = {});

  // parallel_for on the caller's thread alone.
  static void run_alone(std::int64_t n, const std::function<void(std::int64_t, int)>& fn, const InterruptCheck& check);

  // checkpoint of parallel.h
  static void checkpoint();

 private:
  class Job;

  void invite(Job& job) noexcept;
  void dismiss(Job& job, const InterruptCheck& check);
  Job* job_with_a_place() const;
  void loop();

  Starter start_;
  std::mutex mutex_;  // guards what follows, and who works on a job
  std::condition_variable wake_;
  std::vector<Job*> open_;  // jobs that helpers may join, oldest first; each lives on its caller's stack
  std::vector<std::thread> threads_;
  bool stopping_ = false;
};

}  // namespace fastexplain
