#include "pipeline/stages/walk_frontier.h"

#include <cassert>
#include <cstdint>
#include <utility>

#include "pipeline/async/status_error.h"

namespace sluice {

Task<std::optional<Subtree>> WalkFrontier::Next(Executor* executor, std::stop_token stop) {
  bool is_idle = false;
  while (true) {
    const std::uint64_t seen = changed_.count();
    bool all_done = false;
    {
      std::lock_guard lock(mutex_);
      if (std::optional<Subtree> subtree = TryTake()) {
        if (is_idle) --idle_;
        CountWanted();
        co_return subtree;
      }
      if (!std::exchange(is_idle, true)) ++idle_;
      all_done = idle_ == hands_;
      CountWanted();
    }
    if (all_done) {
      changed_.Notify();
      co_return std::nullopt;
    }
    assert(executor != nullptr);
    const Wake wake = co_await changed_.Wait(*executor, seen, {.stop = stop});
    if (wake == Wake::kStopped) throw Cancelled();
  }
}

void WalkFrontier::Offer(Subtree subtree) {
  {
    std::lock_guard lock(mutex_);
    offered_.push_back(std::move(subtree));
    CountWanted();
  }
  changed_.Notify();
}

std::optional<Subtree> WalkFrontier::TryTake() {
  if (!offered_.empty()) {
    Subtree subtree = std::move(offered_.front());
    offered_.pop_front();
    return subtree;
  }
  if (next_root_ == roots_.size()) return std::nullopt;
  return Subtree{.root = &roots_[next_root_++], .walker = std::nullopt};
}

void WalkFrontier::CountWanted() {
  wanted_.store(idle_ > offered_.size() ? idle_ - offered_.size() : 0, std::memory_order_relaxed);
}

}  // namespace sluice
