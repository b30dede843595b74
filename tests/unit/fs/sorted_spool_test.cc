#include "pipeline/fs/sorted_spool.h"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <compare>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <random>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"

#include "pipeline/async/executor.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/task.h"
#include "pipeline/fs/file.h"
#include "tests/unit/async/started.h"

namespace sluice {
namespace {

struct Item {
  std::uint32_t key = 0;
  std::uint32_t number = 0;  // Order of insertion.

  auto operator<=>(const Item&) const = default;
};

}  // namespace

template <>
struct SpoolCodec<Item> {
  static void Encode(const Item& item, std::string* out) { AppendValue(item, out); }
  static Item Decode(std::string_view* in) { return TakeValue<Item>(in); }
  static std::size_t SizeInMemory(const Item& item) { return sizeof item; }
};

namespace {

using ItemSpool = SortedSpool<Item>;

SpoolOptions Budget(std::size_t items) {
  return {.directory = testing::TempDir(), .budget_bytes = items * sizeof(Item)};
}

std::vector<Item> RandomItems(std::size_t count, std::uint32_t keys, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Item> items(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    items[i] = {.key = static_cast<std::uint32_t>(random() % keys), .number = i};
  }
  return items;
}

std::vector<Item> ReadAll(ItemSpool::Cursor cursor) {
  std::vector<Item> items;
  while (const Item* item = cursor.Next()) items.push_back(*item);
  return items;
}

// The oracle of every order: std::sort.
void ExpectSorts(std::vector<Item> items, std::size_t budget_items) {
  ItemSpool spool(Budget(budget_items));
  for (const Item& item : items) spool.Add(item);
  spool.Finish();
  std::sort(items.begin(), items.end());
  EXPECT_EQ(ReadAll(spool.Read()), items);
  EXPECT_EQ(spool.size(), items.size());
}

// With a budget of 10 items the 11th makes a run, and so many make the first merge due.
constexpr std::size_t kFirstMerge = ItemSpool::kMergeRuns * 11;

TEST(SortedSpool, SortsInMemoryWithoutTouchingTheDisk) {
  ItemSpool spool({.directory = "/nonexistent", .budget_bytes = 1000 * sizeof(Item)});
  for (const Item& item : RandomItems(1000, 50, 1)) spool.Add(item);
  spool.Finish();
  EXPECT_FALSE(spool.spilled());
  const std::vector<Item> sorted = ReadAll(spool.Read());
  EXPECT_TRUE(std::is_sorted(sorted.begin(), sorted.end()));
}

TEST(SortedSpool, SortsWhateverTheNumberOfRuns) {
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  constexpr std::array<std::size_t, 11> kCounts = {0,
                                                   1,
                                                   9,
                                                   10,
                                                   11,
                                                   100,
                                                   kFirstMerge,
                                                   kFirstMerge + 1,
                                                   kFirstMerge + 11,
                                                   10'000,
                                                   ItemSpool::kMergeRuns * kFirstMerge + 11};
  for (const std::size_t count : kCounts) {
    SCOPED_TRACE(testing::Message() << count << " items");
    ExpectSorts(RandomItems(count, 40, seed), 10);
  }
}

TEST(SortedSpool, AbsorbsAnother) {
  constexpr std::array<std::size_t, 6> kCounts = {0, 1, 11, 150, kFirstMerge, 3'000};
  for (const std::size_t ours : kCounts) {
    for (const std::size_t others : kCounts) {
      SCOPED_TRACE(testing::Message() << ours << " items and " << others);
      std::vector<Item> items = RandomItems(ours + others, 40, 9);
      ItemSpool spool(Budget(10));
      ItemSpool other(Budget(10));
      for (const Item& item : items) (item.number < ours ? spool : other).Add(item);
      spool.Absorb(other);
      EXPECT_EQ(other.size(), 0U);
      spool.Add({.key = 20, .number = 0});
      items.push_back({.key = 20, .number = 0});
      spool.Finish();
      std::sort(items.begin(), items.end());
      EXPECT_EQ(ReadAll(spool.Read()), items);
      EXPECT_EQ(spool.size(), items.size());
    }
  }
}

TEST(SortedSpool, VisitsEachItemInOrderWithThePlaceThatItIsFoundAt) {
  for (const std::size_t count : {0, 1, 10, 11, 10'000}) {
    SCOPED_TRACE(testing::Message() << count << " items");
    std::vector<Item> items = RandomItems(count, 40, 8);
    ItemSpool spool(Budget(10));
    for (const Item& item : items) spool.Add(item);
    std::vector<Item> visited;
    std::vector<std::uint64_t> places;
    spool.FinishAndVisit([&](const Item& item, std::uint64_t place) {
      visited.push_back(item);
      places.push_back(place);
    });
    std::sort(items.begin(), items.end());
    ASSERT_EQ(visited, items);
    EXPECT_EQ(ReadAll(spool.Read()), items);
    ItemSpool::Cursor cursor = spool.Read();
    for (std::size_t i = count; i > 0; --i) {
      cursor.Seek(places[i - 1]);
      ASSERT_EQ(*cursor.Next(), items[i - 1]);
    }
  }
}

// Adds the items as a coroutine does that shares its thread.
Task<> AddAll(ItemSpool& spool, std::vector<Item> items, Executor& executor) {
  for (const Item& item : items) {
    spool.Add(item);
    if (spool.merge_due()) co_await spool.Merge(executor);
    EXPECT_FALSE(spool.merge_due());
  }
  co_await spool.Finish(executor);
}

TEST(SortedSpool, SortsTheSameInTurnsWithOthers) {
  std::vector<Item> items = RandomItems(10'000, 1'000, 6);
  ManualExecutor executor;
  ItemSpool spool(Budget(100));
  Started<void> sorting(AddAll(spool, items, executor));
  executor.RunAll();
  sorting.Get();
  std::sort(items.begin(), items.end());
  EXPECT_EQ(ReadAll(spool.Read()), items);
}

Task<> TakeTurns(Executor& executor, const bool& stop, std::size_t& turns) {
  while (!stop) {
    co_await executor.Schedule();
    ++turns;
  }
}

TEST(SortedSpool, GivesItsThreadBackWhileItMerges) {
  constexpr std::size_t kItems = 100'000;
  ManualExecutor executor;
  ItemSpool spool(Budget(kItems / 4));
  std::size_t turns = 0;
  bool stop = false;
  Started<void> others(TakeTurns(executor, stop, turns));
  Started<void> sorting(AddAll(spool, RandomItems(kItems, kItems, 7), executor));
  while (!sorting.done()) executor.RunOne();
  stop = true;
  executor.RunAll();
  EXPECT_GE(turns, kItems / 256) << "a merge of all in small steps";
}

TEST(SortedSpool, HoldsNoMoreThanItsBudgetInMemory) {
  ItemSpool spool(Budget(100));
  for (const Item& item : RandomItems(20'000, 1'000, 2)) spool.Add(item);
  spool.Finish();
  EXPECT_TRUE(spool.spilled());
  EXPECT_LE(spool.peak_memory_bytes(), 101 * sizeof(Item));
}

void ExpectCopyReplays(std::size_t budget_items) {
  ItemSpool spool(Budget(budget_items));
  for (const Item& item : RandomItems(5'000, 5'000, 3)) spool.Add(item);
  spool.Finish();
  ItemSpool::Cursor cursor = spool.Read();
  for (int i = 0; i < 1'234; ++i) ASSERT_NE(cursor.Next(), nullptr);
  const ItemSpool::Cursor saved = cursor;
  const std::vector<Item> first = ReadAll(cursor);
  cursor = saved;
  EXPECT_EQ(first.size(), 5'000u - 1'234u);
  EXPECT_EQ(ReadAll(cursor), first);
  EXPECT_EQ(ReadAll(saved), first);
}

TEST(SortedSpool, CopyOfACursorReplaysWhatFollowed) {
  ExpectCopyReplays(10'000);
  ExpectCopyReplays(10);
}

void ExpectPlacesReplay(std::size_t budget_items) {
  ItemSpool spool(Budget(budget_items));
  for (const Item& item : RandomItems(5'000, 5'000, 8)) spool.Add(item);
  spool.Finish();
  std::vector<std::uint64_t> places;
  std::vector<Item> items;
  for (ItemSpool::Cursor cursor = spool.Read();;) {
    places.push_back(cursor.place());
    const Item* item = cursor.Next();
    if (item == nullptr) break;
    items.push_back(*item);
  }
  ItemSpool::Cursor cursor = spool.Read(64);
  EXPECT_EQ(cursor.place(), places.front());
  for (const std::size_t i : {4'999, 0, 1, 2'500, 2'499, 2'501, 4'998}) {
    cursor.Seek(places[i]);
    ASSERT_EQ(*cursor.Next(), items[i]);
    EXPECT_TRUE(cursor.IsNear(places[i])) << "has just been read";
  }
  cursor.Seek(places.back());
  EXPECT_EQ(cursor.Next(), nullptr);
}

TEST(SortedSpool, APlaceReplaysWhatFollowedFromAnyCursor) {
  ExpectPlacesReplay(10'000);
  ExpectPlacesReplay(10);
}

TEST(SortedSpool, KeepsEntriesOfAnyPathAndDigest) {
  const auto by_path = [](const FileEntry& a, const FileEntry& b) { return a.path < b.path; };
  SortedSpool<FileEntry, decltype(by_path)> spool(
      {.directory = testing::TempDir(), .budget_bytes = 1});
  std::vector<FileEntry> entries(3);
  entries[0].path = std::string("/a\n\xff\0b", 6);
  entries[0].digest = Digest{.algorithm = DigestAlgorithm::kXxh3_128, .bytes = {7, 8, 9}};
  entries[1].path = "/" + std::string(100'000, 'b');
  entries[1].stat = {.size = 1, .modify_time_ns = -5, .inode = ~0ull, .mode = 0644};
  entries[2].path = "/c";
  for (const FileEntry& entry : entries) spool.Add(entry);
  spool.Finish();
  auto cursor = spool.Read();
  for (const FileEntry& entry : entries) {
    const FileEntry* read = cursor.Next();
    ASSERT_NE(read, nullptr);
    EXPECT_EQ(*read, entry);
  }
  EXPECT_EQ(cursor.Next(), nullptr);
}

TEST(SortedSpool, LeavesNoNameInItsDirectory) {
  const std::filesystem::path directory =
      std::filesystem::path(testing::TempDir()) / "sorted_spool_names";
  std::filesystem::create_directory(directory);
  {
    ItemSpool spool({.directory = directory, .budget_bytes = 1});
    for (const Item& item : RandomItems(100, 100, 4)) spool.Add(item);
    EXPECT_TRUE(std::filesystem::is_empty(directory));
  }
  std::filesystem::remove(directory);
}

TEST(SortedSpool, FailsWithUnavailableWhenItsDirectoryIsGone) {
  ItemSpool spool({.directory = "/nonexistent", .budget_bytes = 1});
  try {
    spool.Add({});
    FAIL() << "nothing was thrown";
  } catch (const StatusError& error) {
    EXPECT_EQ(error.status().code(), absl::StatusCode::kUnavailable);
  }
}

// Lets the process write files of at most `bytes`, without the signal that goes with more.
class FileSizeLimit final {
 public:
  explicit FileSizeLimit(rlim_t bytes) : on_signal_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, on_signal_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*on_signal_)(int);
};

TEST(SortedSpool, FailsWithResourceExhaustedWhenThereIsNoRoom) {
  ItemSpool spool(Budget(10'000));
  const FileSizeLimit limit(64 * 1024);
  try {
    for (const Item& item : RandomItems(20'000, 100, 5)) spool.Add(item);
    FAIL() << "nothing was thrown";
  } catch (const StatusError& error) {
    EXPECT_EQ(error.status().code(), absl::StatusCode::kResourceExhausted);
  }
}

TEST(SortedSpool, IsCancelledWhileItSpills) {
  std::stop_source stop;
  SpoolOptions options = Budget(10);
  options.stop = stop.get_token();
  ItemSpool spool(options);
  stop.request_stop();
  const auto add_many = [&spool] {
    for (const Item& item : RandomItems(1'000, 100, 5)) spool.Add(item);
  };
  EXPECT_THROW(add_many(), Cancelled);
}

}  // namespace
}  // namespace sluice
