#include "tests/unit/ops/rig.h"

#include <cstdint>
#include <ranges>

#include "gtest/gtest.h"

#include "pipeline/async/status_error.h"

namespace sluice {
namespace {

class CountedWhileAlive final {
 public:
  explicit CountedWhileAlive(std::atomic<int>& count) : count_(count) { ++count_; }
  CountedWhileAlive(const CountedWhileAlive&) = delete;
  CountedWhileAlive& operator=(const CountedWhileAlive&) = delete;
  ~CountedWhileAlive() { --count_; }

 private:
  std::atomic<int>& count_;
};

AsyncGenerator<Item> ItemsBelow(int first, int end) {
  for (const int value : std::views::iota(first, end)) co_yield Item(value);
}

}  // namespace

const char* NameOf(Readiness readiness) {
  switch (readiness) {
    case Readiness::kAtOnce:
      return "AtOnce";
    case Readiness::kAfterAHop:
      return "AfterAHop";
    case Readiness::kWhenFed:
      return "WhenFed";
  }
  return "?";
}

Rig::Rig(Executor& executor, Clock& clock, Script script)
    : executor_(executor), clock_(clock), script_(script), scope_(executor) {}

AsyncGenerator<Item> Rig::Source(int first) { return ItemsFrom(*this, first); }

AsyncGenerator<Item> Rig::Extra(int count) const {
  return ItemsBelow(kFirstExtra, kFirstExtra + count);
}

AsyncGenerator<Item> Rig::ItemsFrom(Rig& rig, int first) {
  const CountedWhileAlive counted(rig.sources_);
  for (int i = first;; ++i) {
    if (rig.script_.readiness == Readiness::kAfterAHop) {
      co_await rig.executor_.Schedule(rig.scope_.stop_token());
    } else if (rig.script_.readiness == Readiness::kWhenFed) {
      co_await rig.WaitForFood(i);
    }
    if (i == rig.script_.source_fails_at && !rig.source_failed_.exchange(true)) {
      throw StatusError(SourceError());
    }
    if (i >= rig.script_.items) co_return;
    ++rig.produced_;
    co_yield Item(i);
  }
}

Task<> Rig::WaitForFood(int item) {
  const CountedWhileAlive counted(hungry_);
  std::uint64_t seen = fed_changed_.count();
  while (fed_ <= item) {
    const Wake wake = co_await fed_changed_.Wait(executor_, seen, {.stop = scope_.stop_token()});
    if (wake == Wake::kStopped) throw Cancelled();
    seen = fed_changed_.count();
  }
}

void Rig::Feed(int items) {
  fed_ += items;
  fed_changed_.Notify();
}

void Rig::Visit(const Item& item) {
  if (item.value() != script_.callable_fails_at) return;
  callable_failed_ = true;
  throw StatusError(CallableError());
}

void Rig::ExpectNothingIsLeft() const {
  EXPECT_EQ(scope_.live(), 0U) << "children";
  EXPECT_EQ(sources_, 0) << "frames of sources";
  EXPECT_EQ(Item::AliveCount(), 0) << "items";
}

Task<> PullUpTo(std::size_t count, AsyncGenerator<Item>& items, Outcome& outcome) {
  try {
    while (outcome.values.size() < count) {
      const auto item = co_await items.Next();
      if (!item) {
        outcome.ended = true;
        co_return;
      }
      outcome.values.push_back(item->value());
    }
  } catch (...) {
    outcome.ended = true;
    outcome.end = CurrentExceptionToStatus();
  }
}

}  // namespace sluice
