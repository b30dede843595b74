#ifndef SLUICE_TESTS_UNIT_OPS_SOURCES_H_
#define SLUICE_TESTS_UNIT_OPS_SOURCES_H_

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <stop_token>

#include "pipeline/async/async_generator.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/signal.h"
#include "pipeline/async/status_error.h"

namespace sluice {

// What a test knows of a source.
struct SourceLog {
  std::atomic<int> produced = 0;  // Items that were asked for.
  std::atomic<bool> dropped = false;
};

// Marks the log when the frame that holds it is destroyed.
class DropMark final {
 public:
  explicit DropMark(SourceLog& log) : log_(log) {}
  DropMark(const DropMark&) = delete;
  DropMark& operator=(const DropMark&) = delete;
  ~DropMark() { log_.dropped = true; }

 private:
  SourceLog& log_;
};

// 0, 1, ... below `end`, each ready at once.
inline AsyncGenerator<int> CountTo(int end, SourceLog& log) {
  const DropMark mark(log);
  for (int i = 0; i < end; ++i) {
    ++log.produced;
    co_yield i;
  }
}

// The same, and then an error.
inline AsyncGenerator<int> CountToThenThrow(int end, SourceLog& log) {
  const DropMark mark(log);
  for (int i = 0; i < end; ++i) {
    ++log.produced;
    co_yield i;
  }
  throw std::runtime_error("source broke");
}

// 0, 1, ... below `end`, each after a hop.
inline AsyncGenerator<int> HopBeforeEach(Executor& executor, int end, SourceLog& log) {
  const DropMark mark(log);
  for (int i = 0; i < end; ++i) {
    co_await executor.Schedule();
    ++log.produced;
    co_yield i;
  }
}

// A source that a test feeds: one item for each time that `Feed` was called.
class FedSource final {
 public:
  explicit FedSource(Executor& executor) : executor_(executor) {}

  void Feed(int items = 1) {
    fed_ += items;
    changed_.Notify();
  }

  // 0, 1, ... as they are fed, without end. Waits listen to `stop`.
  AsyncGenerator<int> Items(std::stop_token stop, SourceLog& log) {
    const DropMark mark(log);
    for (int i = 0;; ++i) {
      std::uint64_t seen = changed_.count();
      while (fed_ <= i) {
        const Wake wake = co_await changed_.Wait(executor_, seen, {.stop = stop});
        if (wake == Wake::kStopped) throw Cancelled();
        seen = changed_.count();
      }
      ++log.produced;
      co_yield i;
    }
  }

 private:
  Executor& executor_;
  std::atomic<int> fed_ = 0;
  Signal changed_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_OPS_SOURCES_H_
