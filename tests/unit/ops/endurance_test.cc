// A long sequence costs time and nothing else.

#include <cstdint>
#include <ranges>
#include <utility>

#include "gtest/gtest.h"

#include "pipeline/async/sync_wait.h"
#include "pipeline/ops/filter.h"
#include "pipeline/ops/for_each.h"
#include "pipeline/ops/from_range.h"
#include "pipeline/ops/inspect.h"
#include "pipeline/ops/skip.h"
#include "pipeline/ops/take.h"
#include "pipeline/ops/transform.h"
#include "tests/unit/async/allocation_count.h"
#include "tests/unit/async/small_stack.h"

namespace sluice {
namespace {

// Sanitizers slow each item down fifty times over, and add nothing after the first million.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SLUICE_SANITIZED
#endif
#endif
#ifdef SLUICE_SANITIZED
constexpr std::int64_t kItems = 2'000'000;
#else
constexpr std::int64_t kItems = 100'000'000;
#endif

struct Totals {
  std::int64_t inspected = 0;
  std::int64_t items = 0;
  std::int64_t sum = 0;
  std::uint64_t allocations_at_first = 0;
};

TEST(Endurance, FiveStagesPassAnyNumberOfItemsInConstantStackAndHeap) {
  RunOnSmallStack([] {
    Totals totals;
    SyncWait(FromRange(std::views::iota(std::int64_t{0}, kItems)) |
             Filter([](std::int64_t value) { return value % 16 != 0; }) |
             Transform([](std::int64_t value) { return value & 1; }) |
             Inspect([&totals](std::int64_t) { ++totals.inspected; }) | Skip(1) |
             Take(std::size_t{kItems}) | ForEach([&totals](std::int64_t value) {
               if (totals.items++ == 0) totals.allocations_at_first = AllocationCount();
               totals.sum += value;
             }));
    EXPECT_EQ(AllocationCount(), totals.allocations_at_first);
    EXPECT_EQ(totals.inspected, kItems / 16 * 15);
    EXPECT_EQ(totals.items, totals.inspected - 1);
    EXPECT_EQ(totals.sum, kItems / 2 - 1) << "the odd ones, without the one that was skipped";
  });
}

}  // namespace
}  // namespace sluice
