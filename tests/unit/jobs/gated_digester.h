#ifndef SLUICE_TESTS_UNIT_JOBS_GATED_DIGESTER_H_
#define SLUICE_TESTS_UNIT_JOBS_GATED_DIGESTER_H_

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include "pipeline/async/signal.h"
#include "pipeline/async/status_error.h"
#include "pipeline/fs/content_digester.h"
#include "pipeline/fs/hasher.h"

namespace sluice {

// Digests (the size instead of the content) only as many files as the test lets it: beyond them a
// job stays where it is; kIgnore: also when it is told to stop.
class GatedDigester final : public ContentDigester {
 public:
  enum class OnStop : std::uint8_t { kIgnore, kThrow };
  explicit GatedDigester(OnStop on_stop = OnStop::kIgnore) : on_stop_(on_stop) {}

  Task<ItemResult<ContentDigest>> DigestFile(DigestRequest request, Executor& executor,
                                             std::stop_token stop) override {
    ++entered_;
    const std::stop_token heard = on_stop_ == OnStop::kThrow ? stop : std::stop_token();
    for (std::uint64_t seen = opened_.count(); !TakeTurn(); seen = opened_.count()) {
      const Wake wake = co_await opened_.Wait(executor, seen, {.stop = heard});
      if (wake == Wake::kStopped) throw Cancelled();
    }
    if (failing_) co_return MakeItemError(request.path, "read", EIO);
    ++digested_;
    const std::string content = std::to_string(request.expected.size);
    const std::unique_ptr<Hasher> hasher = MakeHasher(request.algorithm);
    hasher->Update({reinterpret_cast<const std::uint8_t*>(content.data()), content.size()});
    co_return ContentDigest{
        .digest = hasher->Finish(), .stat = request.expected, .bytes_read = request.expected.size};
  }
  void Open() { Allow(1'000'000'000); }
  void Allow(int files) {
    allowed_ += files;
    opened_.Notify();
  }
  void FailFromNowOn() { failing_ = true; }
  // The test's timeout is the limit.
  void AwaitEntered(int files) const {
    while (entered_ < files) std::this_thread::yield();
  }
  void AwaitDigested(int files) const {
    while (digested_ < files) std::this_thread::yield();
  }
  int digested() const { return digested_; }

 private:
  bool TakeTurn() {
    int left = allowed_;
    while (left > 0) {
      if (allowed_.compare_exchange_weak(left, left - 1)) return true;
    }
    return false;
  }

  const OnStop on_stop_;
  std::atomic<int> allowed_ = 0;
  std::atomic<bool> failing_ = false;
  std::atomic<int> entered_ = 0;
  std::atomic<int> digested_ = 0;
  Signal opened_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_JOBS_GATED_DIGESTER_H_
