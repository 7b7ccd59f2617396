#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <new>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include "fastexplain/parallel.h"
#include "thread_pool.h"

namespace fastexplain {
namespace {

using namespace std::chrono_literals;

// Waits until flag is set; false if that takes too long. Catch2's assertions are for the main thread only.
bool wait_for(const std::atomic<bool>& flag) {
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (!flag.load()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(100us);
  }
  return true;
}

// Where the caller and one helper wait for each other, so that each has one index of a loop over two.
struct Meeting {
  bool join(int worker) {
    (worker == 0 ? caller : helper) = true;
    return wait_for(worker == 0 ? helper : caller);
  }
  std::atomic<bool> caller{false}, helper{false};
};

// Runs a loop that counts its visits and watches its worker numbers.
struct Watched {
  explicit Watched(std::int64_t n, int n_workers) : visits(n), busy(n_workers) {}

  void operator()(std::int64_t index, int worker) {
    if (worker < 0 || worker >= static_cast<int>(busy.size())) {
      ++misnumbered;
      return;
    }
    if (busy[worker].exchange(true)) ++shared;
    ++visits[index];
    if (index % 16 == 0) std::this_thread::sleep_for(50us);  // lets others in
    busy[worker].store(false);
  }

  bool each_once() const {
    return std::all_of(visits.begin(), visits.end(), [](const auto& count) { return count.load() == 1; });
  }

  std::vector<std::atomic<int>> visits;
  std::vector<std::atomic<bool>> busy;
  std::atomic<int> misnumbered{0}, shared{0};
};

void check_loop(std::int64_t n, int n_threads) {
  Watched watched(n, std::max(n_threads, 1));
  parallel_for(n, n_threads, [&](std::int64_t index, int worker) { watched(index, worker); });
  CAPTURE(n, n_threads);
  CHECK(watched.each_once());
  CHECK(watched.misnumbered == 0);
  CHECK(watched.shared == 0);
}

TEST_CASE("parallel_for visits every index once, each worker number held by one thread at a time") {
  for (const int n_threads : {1, 2, 3, 8})
    for (const std::int64_t n : {0, 1, 2, 7, 1000}) check_loop(n, n_threads);
}

TEST_CASE("parallel_for takes fewer than one thread as one") {
  check_loop(5, 0);
  check_loop(5, -3);
}

TEST_CASE("parallel_for with no index calls nothing") {
  parallel_for(0, 4, [](std::int64_t, int) { throw std::logic_error("called"); });
  parallel_for(-1, 4, [](std::int64_t, int) { throw std::logic_error("called"); });
}

TEST_CASE("parallel_for brings in another thread, and the caller is worker 0") {
  const auto caller = std::this_thread::get_id();
  Meeting meeting;
  std::atomic<bool> met{true}, caller_is_zero{true};
  parallel_for(2, 2, [&](std::int64_t, int worker) {
    if ((std::this_thread::get_id() == caller) != (worker == 0)) caller_is_zero = false;
    if (!meeting.join(worker)) met = false;
  });
  CHECK(met);
  CHECK(caller_is_zero);
}

// One index for the caller and one for a helper; one of them throws.
void throw_from(bool thrower_is_caller) {
  Meeting meeting;
  parallel_for(2, 2, [&](std::int64_t, int worker) {
    if (!meeting.join(worker)) throw std::logic_error("the other did not come");
    if ((worker == 0) == thrower_is_caller) throw std::runtime_error(worker == 0 ? "caller" : "helper");
  });
}

TEST_CASE("an exception of a helper reaches the caller, and the pool works afterwards") {
  CHECK_THROWS_WITH(throw_from(false), "helper");
  check_loop(1000, 3);
}

TEST_CASE("an exception at one of the caller's own indices reaches it, and the pool works afterwards") {
  CHECK_THROWS_WITH(throw_from(true), "caller");
  check_loop(1000, 3);
}

TEST_CASE("an exception skips the indices not yet begun") {
  for (const int n_threads : {1, 3}) {
    std::atomic<int> visits{0};
    const auto fail = [&](std::int64_t, int) {
      ++visits;
      throw std::runtime_error("first");
    };
    CHECK_THROWS_WITH(parallel_for(100000, n_threads, fail), "first");
    CHECK(visits <= n_threads);
  }
}

TEST_CASE("an exception does not reach the caller before the helpers have left") {
  Meeting meeting;
  std::atomic<bool> helper_left{false};
  const auto body = [&](std::int64_t, int worker) {
    meeting.join(worker);
    if (worker == 0) throw std::runtime_error("caller");
    std::this_thread::sleep_for(30ms);
    helper_left = true;
  };
  CHECK_THROWS_WITH(parallel_for(2, 2, body), "caller");
  CHECK(helper_left);
}

TEST_CASE("a throwing InterruptCheck stops the loop") {
  for (const int n_threads : {1, 2}) {
    std::atomic<int> visits{0};
    const auto slow = [&](std::int64_t, int) {
      ++visits;
      std::this_thread::sleep_for(1ms);
    };
    const auto interrupt = [] { throw std::runtime_error("interrupted"); };
    CHECK_THROWS_WITH(parallel_for(20000, n_threads, slow, interrupt), "interrupted");
    CHECK(visits < 20000);
  }
  check_loop(1000, 2);
}

TEST_CASE("a throwing InterruptCheck stops the loop within an index, on all threads") {
  for (const int n_threads : {1, 2}) {
    std::atomic<int> finished{0};
    const auto endless = [&](std::int64_t, int) {
      const auto deadline = std::chrono::steady_clock::now() + 20s;
      while (std::chrono::steady_clock::now() < deadline) checkpoint();
      ++finished;
    };
    const auto interrupt = [] { throw std::runtime_error("interrupted"); };
    CHECK_THROWS_WITH(parallel_for(n_threads, n_threads, endless, interrupt), "interrupted");
    CHECK(finished == 0);
  }
  checkpoint();  // outside of all loops
  check_loop(1000, 2);
}

TEST_CASE("a checkpoint after an inner loop is one of the outer loop") {
  std::atomic<int> outer{0};
  const auto body = [&](std::int64_t, int) {
    parallel_for(10, 1, [](std::int64_t, int) { checkpoint(); });
    std::this_thread::sleep_for(30ms);
    checkpoint();
  };
  parallel_for(1, 1, body, [&] { ++outer; });
  CHECK(outer >= 1);
}

TEST_CASE("InterruptCheck runs on the calling thread alone") {
  const auto caller = std::this_thread::get_id();
  std::atomic<int> calls{0}, elsewhere{0};
  const auto check = [&] {
    ++calls;
    if (std::this_thread::get_id() != caller) ++elsewhere;
  };
  parallel_for(100, 3, [](std::int64_t, int) { std::this_thread::sleep_for(2ms); }, check);
  CHECK(calls > 0);
  CHECK(elsewhere == 0);
}

TEST_CASE("InterruptCheck runs while the caller waits for a helper") {
  Meeting meeting;
  std::atomic<bool> caller_done{false}, checked{false}, seen{false};
  const auto check = [&] {
    if (caller_done) checked = true;
  };
  const auto body = [&](std::int64_t, int worker) {
    meeting.join(worker);
    if (worker == 0)
      caller_done = true;
    else
      seen = wait_for(checked);
  };
  parallel_for(2, 2, body, check);
  CHECK(seen);
}

TEST_CASE("parallel_for may be called from inside its own loop") {
  constexpr int kOuter = 20, kInner = 50;
  std::vector<std::atomic<int>> visits(kOuter * kInner);
  parallel_for(kOuter, 3, [&](std::int64_t outer, int) {
    parallel_for(kInner, 3, [&](std::int64_t inner, int) { ++visits[outer * kInner + inner]; });
  });
  CHECK(std::all_of(visits.begin(), visits.end(), [](const auto& count) { return count.load() == 1; }));
}

TEST_CASE("several threads may call parallel_for at once") {
  constexpr int kCallers = 4, kRounds = 20;
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < kCallers; ++caller) {
    callers.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        Watched watched(100, 3);
        parallel_for(100, 3, [&](std::int64_t index, int worker) { watched(index, worker); });
        if (!watched.each_once() || watched.misnumbered != 0 || watched.shared != 0) ++wrong;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  CHECK(wrong == 0);
}

TEST_CASE("a failing call does not disturb another thread's") {
  std::atomic<int> wrong{0};
  std::thread failing([&] {
    for (int round = 0; round < 20; ++round) {
      try {
        parallel_for(50, 3, [](std::int64_t index, int) {
          if (index == 10) throw std::runtime_error("mine");
        });
        ++wrong;
      } catch (const std::runtime_error&) {
      }
    }
  });
  for (int round = 0; round < 20; ++round) check_loop(100, 3);
  failing.join();
  CHECK(wrong == 0);
}

// Starts the first few threads, then fails as the system does.
template <class Error>
ThreadPool::Starter starter_of(int n_threads, std::atomic<int>& attempts, const Error& error) {
  return [n_threads, &attempts, error](const std::function<void()>& body) {
    if (attempts++ >= n_threads) throw error;
    return std::thread(body);
  };
}

const std::system_error kNoThreads(std::make_error_code(std::errc::resource_unavailable_try_again));

TEST_CASE("a call runs on the threads that could be started") {
  for (const int n_startable : {0, 1, 2}) {
    std::atomic<int> attempts{0};
    ThreadPool pool(starter_of(n_startable, attempts, kNoThreads));
    for (int round = 0; round < 3; ++round) {
      Watched watched(1000, n_startable + 1);
      pool.run(1000, 8, [&](std::int64_t index, int worker) { watched(index, worker); });
      CAPTURE(n_startable, round);
      CHECK(watched.each_once());
      CHECK(watched.misnumbered == 0);
      CHECK(watched.shared == 0);
      CHECK(attempts == n_startable + 1 + round);  // each call tries again, once
    }
  }
}

TEST_CASE("those who came before a thread failed to start take part") {
  std::atomic<int> attempts{0};
  ThreadPool pool(starter_of(1, attempts, std::bad_alloc()));
  Meeting meeting;
  std::atomic<bool> met{true};
  pool.run(8, 8, [&](std::int64_t, int worker) {
    if (!meeting.join(worker)) met = false;
  });
  CHECK(met);
}

TEST_CASE("a call whose threads failed to start leaves no job behind") {
  std::atomic<int> attempts{0};
  ThreadPool pool(starter_of(2, attempts, kNoThreads));
  for (int round = 0; round < 200; ++round) {
    // On the heap, and gone after the call: a helper that came late would be seen by AddressSanitizer, and by the count.
    const auto watched = std::make_unique<Watched>(3, 3);
    pool.run(3, 8, [&seen = *watched](std::int64_t index, int worker) { seen(index, worker); });
    CHECK(watched->each_once());
  }
}

TEST_CASE("an exception of fn comes through where threads failed to start") {
  std::atomic<int> attempts{0};
  ThreadPool pool(starter_of(0, attempts, kNoThreads));
  const auto fail = [](std::int64_t, int) { throw std::logic_error("mine"); };
  CHECK_THROWS_WITH(pool.run(5, 4, fail), "mine");
}

TEST_CASE("no call takes more than kMaxThreads") {
  std::atomic<int> attempts{0};
  ThreadPool pool(starter_of(0, attempts, kNoThreads));
  std::atomic<int> visits{0};
  pool.run(2 * kMaxThreads, 1000000000, [&](std::int64_t, int worker) { visits += worker == 0; });
  CHECK(visits == 2 * kMaxThreads);
}

#if !defined(__SANITIZE_THREAD__)  // which cannot start threads in a forked child
TEST_CASE("a forked child has a pool of its own") {
  check_loop(100, 4);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    alarm(30);  // a deadlock ends as a failure
    std::atomic<bool> helped{false};
    std::atomic<int> visits{0};
    parallel_for(100, 4, [&](std::int64_t, int worker) {
      ++visits;
      if (worker == 0)
        wait_for(helped);
      else
        helped = true;
    });
    _exit(helped && visits == 100 ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  check_loop(100, 4);  // and the parent's still works
}
#endif

}  // namespace
}  // namespace fastexplain
