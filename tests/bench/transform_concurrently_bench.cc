// TransformConcurrently beside a thread pool as one would write it by hand: two threads, a queue of
// functions under a mutex, a window of 64 items. Argument: nanoseconds of work an item. Compare
// items_per_second, as a median of runs that alternate:
//   --benchmark_repetitions=15 --benchmark_enable_random_interleaving=true

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <deque>
#include <functional>
#include <mutex>
#include <ranges>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "benchmark/benchmark.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/from_range.h"
#include "pipeline/ops/transform_concurrently.h"

namespace sluice {
namespace {

using Number = std::uint64_t;

constexpr Number kItems = 50'000;
constexpr std::size_t kThreads = 2;
constexpr std::size_t kWindow = 64;

// Work that a second thread speeds up: no memory, no system call.
Number Spin(Number value, Number rounds) {
  for (Number i = 0; i < rounds; ++i) {
    value = value * 6'364'136'223'846'793'005U + 1'442'695'040'888'963'407U;
    benchmark::DoNotOptimize(value);
  }
  return value;
}

// What this thread has spent on a processor: another's load does not count.
std::chrono::nanoseconds ThreadTime() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

// How many rounds of Spin take so long, as measured once.
Number RoundsOf(std::chrono::nanoseconds time) {
  static const double rounds_per_ns = [] {
    constexpr Number kRounds = 20'000'000;
    const std::chrono::nanoseconds start = ThreadTime();
    Spin(1, kRounds);
    const std::chrono::nanoseconds spent = ThreadTime() - start;
    return static_cast<double>(kRounds) / static_cast<double>(spent.count());
  }();
  return static_cast<Number>(static_cast<double>(time.count()) * rounds_per_ns);
}

// The yardstick.
class PlainPool final {
 public:
  PlainPool() {
    for (std::size_t i = 0; i < kThreads; ++i) threads_.emplace_back([this] { Run(); });
  }
  ~PlainPool() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    work_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }
  PlainPool(const PlainPool&) = delete;
  PlainPool& operator=(const PlainPool&) = delete;

  // Waits while the window is full.
  void Submit(std::function<void()> function) {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] { return outstanding_ < kWindow; });
    ++outstanding_;
    queue_.push_back(std::move(function));
    work_.notify_one();
  }
  void WaitForAll() {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] { return outstanding_ == 0; });
  }

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    while (true) {
      work_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      std::function<void()> function = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      function();
      lock.lock();
      --outstanding_;
      room_.notify_one();
    }
  }

  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable room_;
  std::deque<std::function<void()>> queue_;
  std::size_t outstanding_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

void PlainThreadPool(benchmark::State& state) {
  const Number rounds = RoundsOf(std::chrono::nanoseconds(state.range(0)));
  PlainPool pool;
  for (auto _ : state) {
    std::vector<Number> results(kItems);
    for (Number i = 0; i < kItems; ++i) {
      pool.Submit([&results, i, rounds] { results[i] = Spin(i, rounds); });
    }
    pool.WaitForAll();
    benchmark::DoNotOptimize(results.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kItems));
}

Task<> Drain(AsyncGenerator<Number> source) {
  while (auto item = co_await source.Next()) benchmark::DoNotOptimize(*item);
}

template <typename Fn>
void RunConcurrently(benchmark::State& state, Fn fn, Order order) {
  ThreadPool pool(kThreads);
  for (auto _ : state) {
    JobScope scope(pool);
    SyncWait(Drain(FromRange(std::views::iota(Number{0}, kItems)) |
                   TransformConcurrently(scope, kWindow, fn, order)));
    SyncWait(scope.Join());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kItems));
}

struct SpinPlainly {
  Number rounds;
  Number operator()(Number value, const std::stop_token& /*stop*/) const {
    return Spin(value, rounds);
  }
};

Task<Number> SpinLater(Number value, Number rounds) { co_return Spin(value, rounds); }

struct SpinInTask {
  Number rounds;
  Task<Number> operator()(Number value, const std::stop_token& /*stop*/) const {
    return SpinLater(value, rounds);
  }
};

template <typename Fn>
void Concurrently(benchmark::State& state, Order order) {
  RunConcurrently(state, Fn{RoundsOf(std::chrono::nanoseconds(state.range(0)))}, order);
}

void ConcurrentlyInSourceOrder(benchmark::State& state) {
  Concurrently<SpinPlainly>(state, Order::kSource);
}
void ConcurrentlyAsCompleted(benchmark::State& state) {
  Concurrently<SpinPlainly>(state, Order::kCompletion);
}
void ConcurrentlyAwaitingATask(benchmark::State& state) {
  Concurrently<SpinInTask>(state, Order::kSource);
}

BENCHMARK(PlainThreadPool)->Arg(1'000)->Arg(10'000)->UseRealTime();
BENCHMARK(ConcurrentlyInSourceOrder)->Arg(1'000)->Arg(10'000)->UseRealTime();
BENCHMARK(ConcurrentlyAsCompleted)->Arg(1'000)->UseRealTime();
BENCHMARK(ConcurrentlyAwaitingATask)->Arg(1'000)->UseRealTime();

}  // namespace
}  // namespace sluice
